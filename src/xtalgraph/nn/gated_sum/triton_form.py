"""The gated sum as one differentiable operator on Triton's kernels: on an accelerator.

Triton comes with the builds of torch for CUDA. With `TRITON_INTERPRET=1` it interprets the same
kernels on a CPU: slowly, to test them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib.util import find_spec
from typing import Any, cast

import torch
from jaxtyping import Float, Float32, Int32, Int64
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from xtalgraph.graphs import CrystalGraph
from xtalgraph.nn.gated_sum.kernel import N_NEAR
from xtalgraph.nn.registry import ACTIVATIONS, load_form
from xtalgraph.nn.torch_parts import GaussianBasis

OLDEST = (7, 0)  # compute capability that Triton compiles for
BLOCK_EDGES = 16  # edges at a time: about those of an atom, and the fewest that `tl.dot` takes
N_PROGRAMS = 256  # at most, that share sums over all edges: a few for each part of an accelerator
TYPES = (torch.float32, torch.bfloat16, torch.float16)  # that its kernels take


@dataclass(frozen=True, eq=False)
class PlacedBonds:
    """Where bonds stand among the Gaussians, and whose they are, as Triton's kernels take them.

    Component `first[e] + k` of bond vector e is exp(-(place[e] - k)²) for k below `N_NEAR`, the
    others are below 1e-7. `starts[i]:starts[i + 1]` are the edges of atom i.
    """

    centre: Int32[Tensor, "n_edges"]
    neighbour: Int32[Tensor, "n_edges"]
    first: Int32[Tensor, "n_edges"]
    place: Float32[Tensor, "n_edges"]
    edge_weight: Float32[Tensor, "n_edges"]
    starts: Int64[Tensor, "n_offsets"]
    unchecked: GaussianBasis | None = None  # on the first batch: to compare with plain torch

    @cached_property
    def by_neighbour(self) -> tuple[Int64[Tensor, "n_edges"], Int64[Tensor, "n_offsets"]]:
        """The edges sorted by neighbour, and where those of each neighbour start."""
        neighbour, order = self.neighbour.sort(stable=True)
        return order, _starts(neighbour, len(self.starts) - 1)

    def checked(self) -> PlacedBonds:
        """The same, with nothing to compare."""
        return replace(self, unchecked=None)


def takes_type(atoms: Tensor) -> bool:
    """Return whether the kernels take the floating-point type of atom vectors."""
    return atoms.dtype in TYPES


def runs_triton_on(device: torch.device) -> bool:
    """Return whether Triton can compute on a device: its kind of accelerator, or interpreted."""
    if not _has_triton():
        return False
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= OLDEST
    return device.type == "cpu" and os.environ.get("TRITON_INTERPRET") == "1"


@cache
def _has_triton() -> bool:
    return find_spec("triton") is not None


def place_bonds(
    graph: CrystalGraph, basis: GaussianBasis, unchecked: GaussianBasis | None = None
) -> PlacedBonds:
    """Find the Gaussians near the distances of a graph, on the graph's device."""
    place = (graph.distance.double() - basis.start) / basis.step
    first = (place.floor() - (N_NEAR // 2 - 1)).clamp(0, basis.n_gaussians - N_NEAR)
    return PlacedBonds(
        centre=graph.centre.int(),
        neighbour=graph.neighbour.int(),
        first=first.int(),
        place=(place - first).float(),
        edge_weight=graph.edge_weight.float(),
        starts=_starts(graph.centre, graph.n_atoms),
        unchecked=unchecked,
    )


def _starts(sorted_atoms: Tensor, n_atoms: int) -> Tensor:
    """Return where each atom's edges start, without the host having to wait for a number."""
    atoms = torch.arange(n_atoms + 1, device=sorted_atoms.device, dtype=sorted_atoms.dtype)
    return torch.searchsorted(sorted_atoms, atoms)


def triton_gated_sum(
    from_centre: Float[Tensor, "n_atoms width"],
    from_neighbour: Float[Tensor, "n_atoms width"],
    bond_weight: Float[Tensor, "n_gaussians width"],
    bonds: PlacedBonds,
    normalise: nn.Module,
    activation: str,
) -> Float[Tensor, "n_atoms atom_width"]:
    """Return the sum of gated messages that each atom receives, in the type of `from_centre`.

    `normalise` is a LayerNorm of each edge, a BatchNorm1d over the edges, whose running statistics
    are updated while training, or an Identity.
    """
    gain = from_centre.new_ones(from_centre.shape[1], dtype=torch.float32)
    offset = torch.zeros_like(gain)
    if isinstance(normalise, nn.LayerNorm | nn.BatchNorm1d):
        gain, offset = normalise.weight, normalise.bias
    return TritonGatedSum.apply(
        from_centre, from_neighbour, bond_weight, gain, offset, bonds, normalise, activation
    )


class TritonGatedSum(torch.autograd.Function):
    """The operator and its derivative by hand; what is kept between them is what it was given."""

    @staticmethod
    def forward(
        context: Any,
        from_centre: Tensor,
        from_neighbour: Tensor,
        bond_weight: Tensor,
        gain: Tensor,
        offset: Tensor,
        bonds: PlacedBonds,
        normalise: nn.Module,
        activation: str,
    ) -> Tensor:
        """Compute the statistics of the normalisation where it has any, and the sums."""
        parts = from_centre.contiguous(), from_neighbour.contiguous(), bond_weight.contiguous()
        launches = Launches(parts, bonds, load_form(ACTIVATIONS[activation].compiled))
        context.launches, context.statistics = launches, (0.0, 1.0, False)
        if isinstance(normalise, nn.BatchNorm1d):
            mean, inverse, _ = context.statistics = _statistics(normalise, launches)
            scale = gain * inverse
            launches.scale_by(scale.float(), (offset - mean * scale).float())
        else:
            row_epsilon = normalise.eps if isinstance(normalise, nn.LayerNorm) else None
            launches.scale_by(gain, offset, row_epsilon)
        context.types = [tensor.dtype for tensor in (*parts, gain, offset)]
        return launches.sum_gated().to(from_centre.dtype)

    @staticmethod
    @once_differentiable
    def backward(context: Any, *gradients: Tensor) -> tuple[Any, ...]:
        """Return the derivatives by the three parts of the argument, by gain and by offset."""
        launches, d_sums = context.launches, gradients[0].contiguous()
        mean, inverse, is_of_batch = context.statistics
        d_gain = d_offset = None
        by_a = constant = torch.zeros_like(launches.scale)
        if context.needs_input_grad[3] or is_of_batch:
            product, d_offset = launches.sum_gate_derivatives(d_sums)
            d_gain = (product - mean * d_offset) * inverse  # Σ dz â, with â = (a - mean) inverse
        if is_of_batch:
            by_a = -launches.scale * inverse * d_gain / launches.n_edges
            constant = -launches.scale * d_offset / launches.n_edges - by_a * mean
        coefficients = by_a.float(), constant.float()
        derivatives = (
            launches.spread_to_centres(d_sums, *coefficients),
            launches.spread_to_neighbours(d_sums, *coefficients),
            launches.spread_to_weight(d_sums, *coefficients),
            d_gain,
            d_offset,
        )
        typed = (
            None if derivative is None else derivative.to(dtype)
            for derivative, dtype in zip(derivatives, context.types, strict=True)
        )
        return *typed, None, None, None


class Launches:
    """The kernels, with what they read; each method starts one and gives what it fills."""

    def __init__(self, parts: tuple[Tensor, Tensor, Tensor], bonds: PlacedBonds, kind: int) -> None:
        from xtalgraph.nn.gated_sum import triton_kernel  # only where Triton is installed

        self.kernels = triton_kernel
        self.bonds, self.kind = bonds, kind
        self.read = *parts, bonds.centre, bonds.neighbour, bonds.first, bonds.place
        self.n_atoms, self.half = len(parts[0]), parts[0].shape[1] // 2
        self.n_gaussians, self.n_edges = len(parts[2]), len(bonds.centre)
        blocks = -(-self.n_edges // BLOCK_EDGES)
        self.n_each = max(1, -(-blocks // N_PROGRAMS)) * BLOCK_EDGES  # edges of a program
        self.n_programs = max(1, -(-self.n_edges // self.n_each))

    def scale_by(self, scale: Tensor, shift: Tensor, row_epsilon: float | None = None) -> None:
        """Set the scale and shift, and whether each edge is normalised before it."""
        self.scale, self.shift = scale.contiguous(), shift.contiguous()
        self.epsilon, self.by_row = row_epsilon or 0.0, row_epsilon is not None

    def sum_arguments(self) -> tuple[Tensor, Tensor]:
        """Return Σ a and Σ a² over all edges."""
        total, squares = self._pieces(), self._pieces()
        sizes = self.half, self.n_edges, self.n_each
        block = {"block_edges": BLOCK_EDGES, "block_width": _block(2 * self.half)}
        block["num_warps"] = _warps(self.half)
        with torch.cuda.device_of(total):
            self.kernels.sum_arguments[(self.n_programs,)](
                *self.read, total, squares, *sizes, **block
            )
        return _add_up(total), _add_up(squares)

    def sum_gated(self) -> Tensor:
        """Return the sums of gated messages."""
        sums = self._new(self.n_atoms, self.half)
        with torch.cuda.device_of(sums):
            self.kernels.sum_gated[(self.n_atoms,)](
                *self._read_all(), self.epsilon, self.bonds.starts, sums, self.half, **self._form()
            )
        return sums

    def sum_gate_derivatives(self, d_sums: Tensor) -> tuple[Tensor, Tensor]:
        """Return Σ dz unit and Σ dz over all edges."""
        total, product = self._pieces(), self._pieces()
        sizes = self.half, self.n_edges, self.n_each
        with torch.cuda.device_of(d_sums):
            self.kernels.sum_gate_derivatives[(self.n_programs,)](
                *self._read_all(), self.epsilon, d_sums, total, product, *sizes, **self._form()
            )
        return _add_up(product), _add_up(total)

    def spread_to_centres(self, d_sums: Tensor, by_a: Tensor, constant: Tensor) -> Tensor:
        """Return the derivative by the centres' part."""
        return self._spread_to_atoms(d_sums, by_a, constant, None, self.bonds.starts)

    def spread_to_neighbours(self, d_sums: Tensor, by_a: Tensor, constant: Tensor) -> Tensor:
        """Return the derivative by the neighbours' part."""
        return self._spread_to_atoms(d_sums, by_a, constant, *self.bonds.by_neighbour)

    def _spread_to_atoms(
        self, d_sums: Tensor, by_a: Tensor, constant: Tensor, order: Tensor | None, starts: Tensor
    ) -> Tensor:
        d_atoms = self._new(self.n_atoms, 2 * self.half)
        edges = starts, starts if order is None else order, d_atoms, self.half
        with torch.cuda.device_of(d_sums):
            self.kernels.spread_to_atoms[(self.n_atoms,)](
                *self._read_all(), by_a, constant, self.epsilon, d_sums, *edges,
                in_order=order is None, **self._form(),
            )  # fmt: skip
        return d_atoms

    def spread_to_weight(self, d_sums: Tensor, by_a: Tensor, constant: Tensor) -> Tensor:
        """Return the derivative by the weights of the bond vectors."""
        pieces = self._new(self.n_programs, self.n_gaussians, 2 * self.half)
        sizes = self.half, self.n_gaussians, self.n_edges, self.n_each
        with torch.cuda.device_of(d_sums):
            self.kernels.spread_to_weight[(self.n_programs,)](
                *self._read_all(), by_a, constant, self.epsilon, d_sums, pieces, *sizes,
                block_gaussians=_block(self.n_gaussians), **self._form(),
            )  # fmt: skip
        return pieces.sum(0)

    def _read_all(self) -> tuple[Tensor, ...]:
        return *self.read, self.bonds.edge_weight, self.scale, self.shift

    def _form(self) -> dict[str, Any]:
        block = {"block_edges": BLOCK_EDGES, "block_width": _block(self.half)}
        form = {"kind": self.kind, "by_row": self.by_row, "num_warps": _warps(self.half)}
        return {**form, **block}

    def _pieces(self) -> Tensor:
        return self._new(self.n_programs, 2 * self.half)

    def _new(self, *shape: int) -> Tensor:
        return torch.empty(shape, dtype=torch.float32, device=self.bonds.place.device)


def _block(n: int) -> int:
    """Return the power of two that n fits in; `tl.dot` takes no fewer than 16."""
    return max(16, 1 << (n - 1).bit_length())


def _warps(width: int) -> int:
    """Return how many warps hold a tile in their registers, operands of `tl.dot` excepted."""
    return min(16, _block(width) // 8)


def _add_up(pieces: Tensor) -> Tensor:
    return pieces.sum(0, dtype=torch.float64)


def _statistics(normalise: nn.BatchNorm1d, launches: Launches) -> tuple[Tensor, Tensor, bool]:
    """Return mean and 1 / deviation of each column, and whether they depend on the batch.

    Running statistics are updated as `torch.nn.BatchNorm1d` does, with the unbiased variance.
    """
    n_edges, running = launches.n_edges, cast(Any, normalise)
    if not normalise.training or n_edges < 2:  # one row has no variance
        mean, variance = running.running_mean.double(), running.running_var.double()
        return mean, (variance + normalise.eps).rsqrt(), False
    total, squares = launches.sum_arguments()
    mean = total / n_edges
    variance = (squares / n_edges - mean**2).clamp(min=0)
    unbiased = variance * n_edges / (n_edges - 1)
    running.running_mean.lerp_(mean.to(running.running_mean.dtype), normalise.momentum)
    running.running_var.lerp_(unbiased.to(running.running_var.dtype), normalise.momentum)
    running.num_batches_tracked.add_(1)
    return mean, (variance + normalise.eps).rsqrt(), True
