"""Keeping numbers inside a network near mean 0 and variance 1, by name."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn

from xtalgraph.errors import UnknownName


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation over rows (atoms or edges), as the code of 2018 has it.

    One row has no variance: while training on it the running statistics are used. That is a batch
    of a single crystal of one atom, as the last batch of an epoch can be.
    """

    def forward(self, input: Float[Tensor, "n_rows width"]) -> Float[Tensor, "n_rows width"]:
        """Normalise each column over the rows."""
        if self.training and len(input) < 2:
            return nn.functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(input)


NORMALISATIONS: dict[str, Callable[[int], nn.Module]] = {
    "batch": BatchNorm,  # over the rows of the batch; running statistics when predicting
    "layer": nn.LayerNorm,  # over the components of each row; the same when predicting
    "none": lambda _: nn.Identity(),
}


def make_normalisation(name: str, width: int) -> nn.Module:
    """Make the normalisation of that name for vectors of that width."""
    if name not in NORMALISATIONS:
        raise UnknownName("normalisation", name, NORMALISATIONS)
    return NORMALISATIONS[name](width)
