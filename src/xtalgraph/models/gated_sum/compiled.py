"""The gated sum as one differentiable operator on compiled loops: in float32, on a CPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int32, Int64
from torch import Tensor, nn

from xtalgraph.graphs import CrystalGraph
from xtalgraph.models.gated_sum import kernel
from xtalgraph.models.gated_sum.kinds import KERNEL_ACTIVATIONS
from xtalgraph.models.radial import GaussianBasis


@dataclass(frozen=True, eq=False)
class NearGaussians:
    """Bond vectors as the compiled operator takes them: the few Gaussians near each distance.

    Component `first[e] + k` of bond vector e is `values[e, k]`, the others are below 1e-7.
    `starts[i]:starts[i + 1]` are the edges of atom i.
    """

    first: Int32[np.ndarray, "n_edges"]
    values: Float32[np.ndarray, "n_edges width"]
    starts: Int64[np.ndarray, "n_offsets"]
    neighbour: Int64[np.ndarray, "n_edges"]
    share: Float32[np.ndarray, "n_edges"]  # the weights of the edges


def can_be_compiled(atoms: Tensor) -> bool:
    """Say whether the compiled operator can take these: float32 on a CPU."""
    return atoms.dtype == torch.float32 and atoms.device.type == "cpu"


def find_near_gaussians(graph: CrystalGraph, basis: GaussianBasis) -> NearGaussians:
    """Expand the distances of a graph in the Gaussians near them."""
    first = np.empty(graph.n_edges, np.int32)
    values = np.empty((graph.n_edges, kernel.N_NEAR), np.float32)
    distance = graph.distance.numpy().astype(np.float64, copy=False)
    kernel.expand_near(distance, basis.start, basis.step, basis.n_gaussians, first, values)
    counts = np.bincount(graph.centre.numpy(), minlength=graph.n_atoms)
    starts = np.concatenate([[0], np.cumsum(counts)])
    share = graph.weight.numpy().astype(np.float32)
    return NearGaussians(first, values, starts, graph.neighbour.numpy(), share)


def compiled_gated_sum(
    from_centre: Float[Tensor, "n_atoms width"],
    from_neighbour: Float[Tensor, "n_atoms width"],
    bond_weight: Float[Tensor, "n_gaussians width"],
    near: NearGaussians,
    normalise: nn.Module,
    activation: str,
) -> Float[Tensor, "n_atoms atom_width"]:
    """Give the sum of gated messages that each atom receives, in the type of `from_centre`.

    It is computed in float32 also where mixed precision gives narrower parts. `normalise` is a
    LayerNorm of each edge, a BatchNorm1d over the edges, whose running statistics are updated while
    training, or an Identity.
    """
    parts = from_centre.float(), from_neighbour.float(), bond_weight.float()
    kind = KERNEL_ACTIVATIONS[activation]
    if isinstance(normalise, nn.LayerNorm):
        scales = normalise.weight, normalise.bias
        sums = GatedSumByRow.apply(*parts, *scales, near, normalise.eps, kind)
    else:
        is_batch = isinstance(normalise, nn.BatchNorm1d)
        gain = normalise.weight if is_batch else parts[0].new_ones(parts[0].shape[1])
        offset = normalise.bias if is_batch else None
        sums = GatedSum.apply(*parts, gain, offset, near, normalise, kind)
    return sums.to(from_centre.dtype)


class GatedSum(torch.autograd.Function):
    """The operator and its derivative by hand, on the four compiled loops."""

    @staticmethod
    def forward(
        context: Any,
        from_centre: Tensor,
        from_neighbour: Tensor,
        bond_weight: Tensor,
        gain: Tensor,
        offset: Tensor | None,
        near: NearGaussians,
        normalise: nn.Module,
        kind: int,
    ) -> Tensor:
        """Compute the argument of each edge, its normalisation, and the sums."""
        n_atoms, width = from_centre.shape
        n_edges = len(near.first)
        argument = np.empty((n_edges, width), np.float32)
        total, squares = kernel.sum_arguments(
            _array(from_centre), _array(from_neighbour), _array(bond_weight),
            near.first, near.values, near.starts, near.neighbour, argument,
        )  # fmt: skip
        mean, inverse, is_batch = _statistics(normalise, total, squares, n_edges)
        scale = (gain.detach().numpy() * inverse).astype(np.float32)
        shift = -mean * scale if offset is None else offset.detach().numpy() - mean * scale
        shift = shift.astype(np.float32)
        sums = np.empty((n_atoms, width // 2), np.float32)
        kernel.sum_gated(kind, argument, scale, shift, near.starts, near.share, sums)
        context.saved = (argument, scale, shift, mean, inverse, is_batch, kind, near)
        context.n_gaussians = len(bond_weight)
        context.has_offset = offset is not None
        return torch.from_numpy(sums)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Any, ...]:
        """Give the derivatives by the three parts of the argument, by gain and by offset."""
        argument, scale, shift, mean, inverse, is_batch, kind, near = context.saved
        n_edges, width = argument.shape
        dz = np.empty_like(argument)
        total, product = kernel.differentiate_gate(
            kind, argument, scale, shift, near.starts, near.share, _array(gradients[0]), dz
        )
        with np.errstate(invalid="ignore", over="ignore"):  # a nan is seen in the loss
            d_gain = (product - mean * total) * inverse  # Σ dz â, with â = (a - mean) inverse
        by_a, constant = np.zeros(width), np.zeros(width)
        if is_batch:
            by_a = -scale * inverse * d_gain / n_edges
            constant = -scale * total / n_edges - by_a * mean
        scales = scale, by_a.astype(np.float32), constant.astype(np.float32)
        return (
            *_spread(argument, dz, scales, near, context.n_gaussians),
            torch.from_numpy(d_gain.astype(np.float32)),
            torch.from_numpy(total.astype(np.float32)) if context.has_offset else None,
            None,
            None,
            None,
        )


class GatedSumByRow(torch.autograd.Function):
    """The operator where each edge is normalised by itself: no edge knows of the others."""

    @staticmethod
    def forward(
        context: Any,
        from_centre: Tensor,
        from_neighbour: Tensor,
        bond_weight: Tensor,
        gain: Tensor,
        offset: Tensor,
        near: NearGaussians,
        epsilon: float,
        kind: int,
    ) -> Tensor:
        """Compute the argument of each edge, its normalisation, and the sums."""
        n_atoms, width = from_centre.shape
        n_edges = len(near.first)
        argument = np.empty((n_edges, width), np.float32)
        kernel.sum_arguments(
            _array(from_centre), _array(from_neighbour), _array(bond_weight),
            near.first, near.values, near.starts, near.neighbour, argument,
        )  # fmt: skip
        means, inverses = np.empty(n_edges, np.float32), np.empty(n_edges, np.float32)
        sums = np.empty((n_atoms, width // 2), np.float32)
        scales = _array(gain), _array(offset)
        kernel.sum_gated_by_row(
            kind,
            argument,
            *scales,
            np.float32(epsilon),
            near.starts,
            near.share,
            means,
            inverses,
            sums,
        )
        context.saved = (argument, *scales, means, inverses, kind, near)
        context.n_gaussians = len(bond_weight)
        return torch.from_numpy(sums)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Any, ...]:
        """Give the derivatives by the three parts of the argument, by gain and by offset."""
        argument, gain, offset, means, inverses, kind, near = context.saved
        da, d_gain, d_offset = np.empty_like(argument), np.zeros_like(gain), np.zeros_like(offset)
        kernel.differentiate_gate_by_row(
            kind, argument, gain, offset, means, inverses, near.starts, near.share,
            _array(gradients[0]), da, d_gain, d_offset,
        )  # fmt: skip
        one, zero = np.ones_like(gain), np.zeros_like(gain)
        spread = _spread(argument, da, (one, zero, zero), near, context.n_gaussians)
        return *spread, torch.from_numpy(d_gain), torch.from_numpy(d_offset), None, None, None


def _spread(
    argument: np.ndarray,
    dz: np.ndarray,
    scales: tuple[np.ndarray, np.ndarray, np.ndarray],
    near: NearGaussians,
    n_gaussians: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Give the derivatives by the atoms' two parts and by the edge weight."""
    n_atoms, width = len(near.starts) - 1, argument.shape[1]
    d_centre = np.zeros((n_atoms, width), np.float32)
    d_neighbour = np.zeros((n_atoms, width), np.float32)
    d_weight = np.zeros((n_gaussians, width), np.float32)
    kernel.spread_derivative(
        argument, dz, *scales, near.first, near.values, near.starts, near.neighbour,
        d_centre, d_neighbour, d_weight,
    )  # fmt: skip
    return torch.from_numpy(d_centre), torch.from_numpy(d_neighbour), torch.from_numpy(d_weight)


def _array(tensor: Any) -> np.ndarray:
    return tensor.detach().contiguous().numpy()


def _statistics(
    normalise: nn.Module, total: np.ndarray, squares: np.ndarray, n_edges: int
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Give mean and 1/std of each column, and whether they depend on the batch.

    Running statistics are updated as `torch.nn.BatchNorm1d` does, with the unbiased variance.
    """
    if not isinstance(normalise, nn.BatchNorm1d):
        return np.zeros_like(total), np.ones_like(total), False
    if not normalise.training or n_edges < 2:  # one row has no variance
        mean = _array(normalise.running_mean).astype(np.float64)
        variance = _array(normalise.running_var).astype(np.float64)
        return mean, 1 / np.sqrt(variance + normalise.eps), False
    mean = total / n_edges
    variance = np.maximum(squares / n_edges - mean**2, 0.0)
    unbiased = variance * n_edges / (n_edges - 1)
    running: Any = normalise
    running.running_mean.lerp_(torch.from_numpy(mean).float(), normalise.momentum)
    running.running_var.lerp_(torch.from_numpy(unbiased).float(), normalise.momentum)
    running.num_batches_tracked.add_(1)
    return mean, 1 / np.sqrt(variance + normalise.eps), True
