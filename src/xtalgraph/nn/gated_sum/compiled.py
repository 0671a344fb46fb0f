"""The gated sum as one differentiable operator on compiled loops: in float32, on a CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from xtalgraph import _native
from xtalgraph.errors import BadConfig
from xtalgraph.nn.gated_sum import kernel
from xtalgraph.nn.gated_sum.kernel import NearGaussians
from xtalgraph.nn.registry import ACTIVATIONS, load_form


def can_be_compiled(atoms: Tensor) -> bool:
    """Return whether the compiled operator can take these: float32 on a CPU."""
    return atoms.dtype == torch.float32 and atoms.device.type == "cpu"


def compiled_gated_sum(
    from_centre: Float[Tensor, "n_atoms width"],
    from_neighbour: Float[Tensor, "n_atoms width"],
    bond_weight: Float[Tensor, "n_gaussians width"],
    near: NearGaussians,
    normalise: nn.Module,
    activation: str,
) -> Float[Tensor, "n_atoms atom_width"]:
    """Return the sum of gated messages that each atom receives, in the type of `from_centre`.

    It is computed in float32 also where mixed precision gives narrower parts. `normalise` is a
    LayerNorm of each edge, a BatchNorm1d over the edges, whose running statistics are updated while
    training, or an Identity.
    """
    parts = from_centre.float(), from_neighbour.float(), bond_weight.float()
    kind = kernel.require_kind(load_form(ACTIVATIONS[activation].compiled))
    if isinstance(normalise, nn.BatchNorm1d) and (normalise.training or torch.is_grad_enabled()):
        scales = normalise.weight, normalise.bias
        sums = GatedSumOverBatch.apply(*parts, *scales, near, normalise, kind)
    else:
        sums = GatedSum.apply(*parts, *scaling_of(normalise), near, kind)
    return sums.to(from_centre.dtype)


def scaling_of(normalise: nn.Module) -> tuple[Tensor | None, Tensor | None, float | None]:
    """Return scale and shift of each column, and what is added to the variance of each row."""
    if isinstance(normalise, nn.LayerNorm):
        return normalise.weight, normalise.bias, normalise.eps
    if isinstance(normalise, nn.BatchNorm1d):
        mean, inverse = _running_statistics(normalise)
        scale = normalise.weight.double() * inverse
        return scale.float(), (normalise.bias - mean * scale).float(), None
    if isinstance(normalise, nn.Identity):
        return None, None, None
    raise BadConfig(f"the compiled gated sum has no form of {type(normalise).__name__}.")


def scaling_arrays(
    scale: Tensor | None, shift: Tensor | None, epsilon: float | None
) -> kernel.Scaling:
    """Return the same as the loops take it."""
    if scale is None or shift is None:
        return kernel.Scaling()
    row_epsilon = None if epsilon is None else np.float32(epsilon)
    return kernel.Scaling(array_of(scale), array_of(shift), row_epsilon)


class GatedSum(torch.autograd.Function):
    """The operator where no edge knows of the others: nothing is stored for an edge."""

    @staticmethod
    def forward(
        context: Any,
        from_centre: Tensor,
        from_neighbour: Tensor,
        bond_weight: Tensor,
        scale: Tensor | None,
        shift: Tensor | None,
        epsilon: float | None,
        near: NearGaussians,
        kind: int,
    ) -> Tensor:
        """Compute the sums."""
        parts = array_of(from_centre), array_of(from_neighbour), array_of(bond_weight)
        context.read = kind, *parts, near, scaling_arrays(scale, shift, epsilon)
        return torch.from_numpy(kernel.sum_gated(*context.read))

    @staticmethod
    @once_differentiable
    def backward(context: Any, *gradients: Tensor) -> tuple[Any, ...]:
        """Return the derivatives by the three parts of the argument, by scale and by shift."""
        derivatives = kernel.differentiate(array_of(gradients[0]), *context.read)
        found = (None if array is None else torch.from_numpy(array) for array in derivatives)
        return *found, None, None, None


class GatedSumOverBatch(torch.autograd.Function):
    """The operator where each column is normalised over the edges of a batch."""

    @staticmethod
    def forward(
        context: Any,
        from_centre: Tensor,
        from_neighbour: Tensor,
        bond_weight: Tensor,
        gain: Tensor,
        offset: Tensor,
        near: NearGaussians,
        normalise: nn.BatchNorm1d,
        kind: int,
    ) -> Tensor:
        """Compute the argument of each edge, its normalisation, and the sums."""
        n_atoms, width = from_centre.shape
        n_edges = len(near.first)
        argument = np.empty((n_edges, width), np.float32)
        total, squares = np.empty(width), np.empty(width)
        parts = array_of(from_centre), array_of(from_neighbour), array_of(bond_weight)
        _native.sum_arguments(*parts, *near.arrays, argument, total, squares)
        mean, inverse, is_of_batch = _statistics(normalise, total, squares, n_edges)
        scale = (array_of(gain) * inverse).astype(np.float32)
        shift = (array_of(offset) - mean * scale).astype(np.float32)
        sums = np.empty((n_atoms, width // 2), np.float32)
        _native.sum_gated_arguments(
            kind, argument, scale, shift, near.starts, near.edge_weight, sums
        )
        context.saved = (argument, scale, shift, mean, inverse, is_of_batch, kind, near)
        context.n_gaussians = len(bond_weight)
        return torch.from_numpy(sums)

    @staticmethod
    @once_differentiable
    def backward(context: Any, *gradients: Tensor) -> tuple[Any, ...]:
        """Return the derivatives by the three parts of the argument, by gain and by offset."""
        argument, scale, shift, mean, inverse, is_of_batch, kind, near = context.saved
        n_edges, width = argument.shape
        dz, total, product = np.empty_like(argument), np.empty(width), np.empty(width)
        read = argument, scale, shift, near.starts, near.edge_weight, array_of(gradients[0])
        _native.differentiate_gate(kind, *read, dz, total, product)
        with np.errstate(invalid="ignore", over="ignore"):  # a nan is seen in the loss
            d_gain = (product - mean * total) * inverse  # Σ dz â, with â = (a - mean) inverse
        by_a, constant = np.zeros(width), np.zeros(width)
        if is_of_batch:
            by_a = -scale * inverse * d_gain / n_edges
            constant = -scale * total / n_edges - by_a * mean
        rows = len(near.starts) - 1, len(near.starts) - 1, context.n_gaussians
        derivatives = [np.zeros((n_rows, width), np.float32) for n_rows in rows]
        factors = scale, by_a.astype(np.float32), constant.astype(np.float32)
        _native.spread_derivative(argument, dz, *factors, *near.arrays, *derivatives)
        derivatives += [d_gain.astype(np.float32), total.astype(np.float32)]
        return *map(torch.from_numpy, derivatives), None, None, None


def array_of(tensor: Tensor) -> np.ndarray:
    """Return the numbers of a tensor on a CPU, one after another."""
    return tensor.detach().contiguous().numpy()


def _statistics(
    normalise: nn.BatchNorm1d, total: np.ndarray, squares: np.ndarray, n_edges: int
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return mean and 1/std of each column, and whether they depend on the batch.

    Running statistics are updated as `torch.nn.BatchNorm1d` does, with the unbiased variance.
    """
    if not normalise.training or n_edges < 2:  # one row has no variance
        found = _running_statistics(normalise)
        return found[0].numpy(), found[1].numpy(), False
    mean = total / n_edges
    variance = np.maximum(squares / n_edges - mean**2, 0.0)
    unbiased = variance * n_edges / (n_edges - 1)
    running: Any = normalise
    running.running_mean.lerp_(torch.from_numpy(mean).float(), normalise.momentum)
    running.running_var.lerp_(torch.from_numpy(unbiased).float(), normalise.momentum)
    running.num_batches_tracked.add_(1)
    return mean, 1 / np.sqrt(variance + normalise.eps), True


def _running_statistics(normalise: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """Return mean and 1/std of each column, of all that was seen in training."""
    running: Any = normalise
    return running.running_mean.double(), (running.running_var.double() + normalise.eps).rsqrt()
