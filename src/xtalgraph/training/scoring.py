"""From the outputs of a network to losses, predictions in the units of the targets, and scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn import functional

from xtalgraph.errors import UnknownName
from xtalgraph.graphs import GraphConfig, GraphLoader
from xtalgraph.metrics import (
    MISSING_CLASS,
    classification_metrics,
    mean_absolute_error,
    regression_metrics,
)
from xtalgraph.nn import Network, Outputs, Rows, Task
from xtalgraph.nn.task import interpret_outputs
from xtalgraph.training.problem import Problem

N_CLASSES_OF_ROC = 2
Loss = Callable[[Tensor, Tensor], Tensor]

_ELEMENTWISE: dict[str, Callable[..., Tensor]] = {
    "l1": functional.l1_loss,
    "mse": functional.mse_loss,
    "huber": functional.huber_loss,  # quadratic within one standard deviation, linear beyond
}


def find_loss(task: Task, name: str) -> Loss:
    """Return the loss as a function of a network's outputs and labels.

    Classification has one loss, the negative log-likelihood −ln p(class); `name` chooses among the
    regression losses.
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
        # a missing label is replaced by the output, so it affects neither loss nor gradient; the
        # loss is divided by the number of labels, so a target with few is not learned more slowly
        known = ~labels.isnan()
        filled = labels.where(known, outputs.detach())
        return elementwise(outputs, filled, reduction="sum") / known.sum().clamp(min=1)

    return regression_loss


def class_loss(
    logits: Float[Tensor, "n_crystals n_classes"], classes: Shaped[Tensor, "n_crystals"]
) -> Float[Tensor, ""]:
    """Return the mean of −ln p(class); a class of −1 is a missing label."""
    return functional.cross_entropy(logits, classes, ignore_index=MISSING_CLASS)


def count_known(labels: Tensor) -> int:
    """Return the number of labels, by which a loss is divided."""
    known = ~labels.isnan() if labels.is_floating_point() else labels != MISSING_CLASS
    return int(known.sum())


def predict_rows(
    network: Network, problem: Problem, graph: GraphConfig, rows: Rows, batch_size: int
) -> Float[Tensor, "n_rows n_outputs"]:
    """Return the network's outputs for rows of the data set, in their order, on the CPU."""
    device = next(network.parameters()).device
    loader = GraphLoader(
        problem.dataset.crystals,
        graph,
        batch_size,
        indices=rows,
        deduplicated=True,
        pinned=device.type == "cuda",
    )
    network.eval()
    with torch.inference_mode():
        outputs = [network(batch.to(device)).cpu() for batch, _ in loader]
    return torch.cat(outputs)


def restore(problem: Problem, outputs: Float[Tensor, "n_rows n_outputs"]) -> Outputs:
    """Return predicted targets in their units, or the probability of each class."""
    return interpret_outputs(outputs.numpy(), problem.normaliser)


def score_validation(
    problem: Problem, loss: Loss, outputs: Float[Tensor, "n_rows n_outputs"]
) -> tuple[float, dict[str, float]]:
    """Return the score that chooses the best epoch (lower is better), and a row of `history.csv`.

    For regression it is the mean over the targets of MAE / standard deviation, for classification
    the negative log-likelihood, in which a confident mistake is expensive.
    """
    rows = problem.rows("validation")
    columns = {"validation_loss": loss(outputs, problem.standardized_labels[rows]).item()}
    predicted, labels = restore(problem, outputs), problem.labels[rows]
    if problem.normaliser is None:
        scores = classification_metrics(labels, predicted)
        columns["validation_accuracy"] = scores["accuracy"]
        if predicted.shape[1] == N_CLASSES_OF_ROC:
            columns["validation_roc_auc"] = scores["roc_auc"]
        return columns["validation_loss"], columns
    relative = []
    for number, target in enumerate(problem.task.targets):
        error = mean_absolute_error(labels[:, number], predicted[:, number])
        columns[f"validation_mae {target.column}"] = error
        relative.append(error / problem.normaliser.std[number])
    return float(np.mean(relative)), columns


def score_part(problem: Problem, part: str, outputs: Tensor) -> dict[str, dict[str, Any]]:
    """Return all metrics of a part by target name, with the unit of the target."""
    labels, predicted = problem.labels[problem.rows(part)], restore(problem, outputs)
    targets = problem.task.targets
    if problem.normaliser is None:
        return {targets[0].name: _jsonable(classification_metrics(labels, predicted))}
    return {
        target.name: {"unit": target.unit}
        | _jsonable(regression_metrics(labels[:, number], predicted[:, number]))
        for number, target in enumerate(targets)
    }


def tabulate_predictions(problem: Problem, part: str, outputs: Tensor) -> pd.DataFrame:
    """Return a table of the true and the predicted values of a part, with units in the header."""
    rows, predicted = problem.rows(part), restore(problem, outputs)
    ids = problem.dataset.ids[rows].tolist()
    return problem.task.tabulate(ids, problem.labels[rows], predicted)


def _jsonable(scores: dict[str, float]) -> dict[str, float | None]:
    """Return scores as JSON values: undefined scores are null, not NaN."""
    return {name: None if value != value else value for name, value in scores.items()}
