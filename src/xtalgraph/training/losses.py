"""What training makes small: losses of standardised targets, and of classes."""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn import functional

from xtalgraph.errors import UnknownName
from xtalgraph.metrics import MISSING_CLASS
from xtalgraph.nn import Task

Loss = Callable[[Tensor, Tensor], Tensor]

_ELEMENTWISE: dict[str, Callable[..., Tensor]] = {
    "l1": functional.l1_loss,
    "mse": functional.mse_loss,
    "huber": functional.huber_loss,  # quadratic within one standard deviation, linear beyond
}


def find_loss(task: Task, name: str) -> Loss:
    """Give the loss as a function of a network's outputs and of labels.

    A classification has one loss, the negative log-likelihood −ln p(class); `name` chooses among
    those of regression.
    """
    if task.kind == "classification":
        return class_loss
    if name not in _ELEMENTWISE:
        raise UnknownName("loss", name, _ELEMENTWISE)
    elementwise = _ELEMENTWISE[name]

    def regression_loss(
        outputs: Float[Tensor, "n_crystals n_targets"],
        labels: Float[Tensor, "n_crystals n_targets"],
    ) -> Float[Tensor, ""]:
        # a missing label takes the output's own value, so neither loss nor gradient sees it; the
        # division is by what is there, so a target with few labels is not learned more slowly
        known = ~labels.isnan()
        filled = labels.where(known, outputs.detach())
        return elementwise(outputs, filled, reduction="sum") / known.sum().clamp(min=1)

    return regression_loss


def class_loss(
    logits: Float[Tensor, "n_crystals n_classes"], classes: Shaped[Tensor, "n_crystals"]
) -> Float[Tensor, ""]:
    """Give the mean of −ln p(class); a class of −1 is a missing label."""
    return functional.cross_entropy(logits, classes, ignore_index=MISSING_CLASS)


def count_known(labels: Tensor) -> int:
    """Give how many labels are there: what a loss divides by."""
    known = ~labels.isnan() if labels.is_floating_point() else labels != MISSING_CLASS
    return int(known.sum())
