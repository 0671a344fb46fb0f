"""The gated sum as torch.compile sees it: two operators that it calls and does not look into.

They compute what the eager forms do, with the same loops on a CPU and the same kernels on an
accelerator; the rest of a network is compiled around them. An eager network does not use them,
because a call of an operator that is written in Python takes torch longer than a call of a
function.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from xtalgraph.graphs import CrystalGraph
from xtalgraph.nn.gated_sum import kernel
from xtalgraph.nn.gated_sum.compiled import (
    KERNEL_ACTIVATIONS,
    array_of,
    can_be_compiled,
    scaling_arrays,
    scaling_of,
)
from xtalgraph.nn.gated_sum.near_gaussians import N_NEAR, NearGaussians
from xtalgraph.nn.gated_sum.traced_bonds import TracedBonds
from xtalgraph.nn.gated_sum.triton_form import (
    TYPES,
    Launches,
    PlacedBonds,
    place_bonds,
    runs_triton_on,
    sort_by_neighbour,
)
from xtalgraph.nn.radial import GaussianBasis


@torch.compiler.assume_constant_result
def _runs_triton_on(device: torch.device) -> bool:
    return runs_triton_on(device)


def trace_bonds(graph: CrystalGraph, atoms: Tensor, basis: GaussianBasis) -> TracedBonds | None:
    """Describe the bonds of a graph for the form that takes these atom vectors, if any does."""
    if atoms.dtype in TYPES and _runs_triton_on(atoms.device):
        return trace_placed(graph, basis)
    return trace_near(graph, basis) if can_be_compiled(atoms) else None


def trace_near(graph: CrystalGraph, basis: GaussianBasis) -> TracedBonds:
    """Describe the bonds of a graph for the loops on a CPU."""
    bonds = place_bonds(graph, basis)
    component = torch.arange(N_NEAR, dtype=torch.float32)
    values = torch.exp(-((bonds.place[:, None] - component) ** 2))
    return TracedBonds([bonds.first, values, bonds.starts, graph.neighbour, bonds.share])


def trace_placed(graph: CrystalGraph, basis: GaussianBasis) -> TracedBonds:
    """Describe them for Triton's kernels."""
    bonds = place_bonds(graph, basis)
    placed = [bonds.centre, bonds.neighbour, bonds.first, bonds.place, bonds.share, bonds.starts]
    return TracedBonds([*placed, *sort_by_neighbour(bonds)])


def traced_gated_sum(
    from_centre: Float[Tensor, "n_atoms width"],
    from_neighbour: Float[Tensor, "n_atoms width"],
    bond_weight: Float[Tensor, "n_gaussians width"],
    bonds: TracedBonds,
    normalise: nn.Module,
    activation: str,
) -> Float[Tensor, "n_atoms atom_width"]:
    """Give the sum of gated messages that each atom receives, in the type of `from_centre`.

    `normalise` is a LayerNorm of each edge, an Identity, or a BatchNorm1d that does not train.
    """
    parts = [from_centre, from_neighbour, bond_weight]
    if len(bonds.tensors) == N_FOR_LOOPS:
        parts = [part.float() for part in parts]
    kind = KERNEL_ACTIVATIONS[activation]
    sums = sum_gated(*parts, *scaling_of(normalise), bonds.tensors, kind)
    return sums.to(from_centre.dtype)


N_FOR_LOOPS = 5  # tensors of bonds that are for the loops on a CPU
READ = (
    "Tensor from_centre, Tensor from_neighbour, Tensor bond_weight, Tensor? scale, Tensor? shift, "
    "float? epsilon, Tensor[] bonds, int kind"
)


@torch.library.custom_op("xtalgraph::sum_gated", mutates_args=(), schema=f"({READ}) -> Tensor")
def sum_gated(
    from_centre: Tensor,
    from_neighbour: Tensor,
    bond_weight: Tensor,
    scale: Tensor | None,
    shift: Tensor | None,
    epsilon: float | None,
    bonds: Sequence[Tensor],
    kind: int,
) -> Tensor:
    """Compute the sums, by the loops or the kernels that the bonds are for."""
    parts = from_centre, from_neighbour, bond_weight
    if len(bonds) == N_FOR_LOOPS:
        return torch.from_numpy(kernel.sum_gated(*_read(parts, scale, shift, epsilon, bonds, kind)))
    launches = _launch(parts, scale, shift, epsilon, bonds, kind)
    return launches.sum_gated().to(from_centre.dtype)


@torch.library.custom_op(
    "xtalgraph::differentiate_gated_sum",
    mutates_args=(),
    schema=f"(Tensor d_sums, {READ}) -> Tensor[]",
)
def differentiate(
    d_sums: Tensor,
    from_centre: Tensor,
    from_neighbour: Tensor,
    bond_weight: Tensor,
    scale: Tensor | None,
    shift: Tensor | None,
    epsilon: float | None,
    bonds: Sequence[Tensor],
    kind: int,
) -> list[Tensor]:
    """Compute the derivatives by the three parts, and by scale and shift if there are any."""
    parts = from_centre, from_neighbour, bond_weight
    if len(bonds) == N_FOR_LOOPS:
        read = _read(parts, scale, shift, epsilon, bonds, kind)
        found = kernel.differentiate(array_of(d_sums), *read)
        return [torch.from_numpy(array) for array in found if array is not None]
    launches, d_sums = _launch(parts, scale, shift, epsilon, bonds, kind), d_sums.contiguous()
    zero = torch.zeros_like(launches.scale)
    derivatives = [
        launches.spread_to_centres(d_sums, zero, zero).to(from_centre.dtype),
        launches.spread_to_neighbours(d_sums, zero, zero).to(from_neighbour.dtype),
        launches.spread_to_weight(d_sums, zero, zero).to(bond_weight.dtype),
    ]
    if scale is not None:
        derivatives += [total.to(scale.dtype) for total in launches.sum_gate_derivatives(d_sums)]
    return derivatives


@sum_gated.register_fake
def _sums_like(from_centre: Tensor, *rest: Any) -> Tensor:
    return from_centre.new_empty(from_centre.shape[0], from_centre.shape[1] // 2)


@differentiate.register_fake
def _derivatives_like(d_sums: Tensor, *rest: Any) -> list[Tensor]:
    return [tensor.new_empty(tensor.shape) for tensor in rest[:5] if tensor is not None]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # torch gives the names
    *parts_and_scales, ctx.epsilon, bonds, ctx.kind = inputs
    ctx.save_for_backward(*parts_and_scales, *bonds)


def _differentiate(context: Any, d_sums: Tensor) -> tuple[Any, ...]:
    tensors = context.saved_tensors
    parts_and_scales, bonds = tensors[:5], tensors[5:]
    found = differentiate(d_sums, *parts_and_scales, context.epsilon, bonds, context.kind)
    return *found, *[None] * (5 - len(found)), None, [None] * len(bonds), None


sum_gated.register_autograd(_differentiate, setup_context=_keep)


def _read(
    parts: Sequence[Tensor],
    scale: Tensor | None,
    shift: Tensor | None,
    epsilon: float | None,
    bonds: Sequence[Tensor],
    kind: int,
) -> tuple[Any, ...]:
    """Give what the loops on a CPU read."""
    near = NearGaussians(*(array_of(tensor) for tensor in bonds))
    return kind, *(array_of(part) for part in parts), near, scaling_arrays(scale, shift, epsilon)


def _launch(
    parts: Sequence[Tensor],
    scale: Tensor | None,
    shift: Tensor | None,
    epsilon: float | None,
    bonds: Sequence[Tensor],
    kind: int,
) -> Launches:
    """Give the kernels of an accelerator, with what they read."""
    from_centre, from_neighbour, bond_weight = (part.contiguous() for part in parts)
    centre, neighbour, first, place, share, starts, order, order_starts = bonds
    placed = PlacedBonds(
        centre, neighbour, first, place, share, starts, sorted_by_neighbour=(order, order_starts)
    )
    launches = Launches((from_centre, from_neighbour, bond_weight), placed, kind)
    gain = parts[0].new_ones(parts[0].shape[1], dtype=torch.float32)
    if scale is None or shift is None:
        launches.scale_by(gain, torch.zeros_like(gain))
    else:
        launches.scale_by(scale, shift, epsilon)
    return launches
