"""s_i = Σ_e w_e σ(z_e)_gate ⊙ g(z_e)_message: the sum of the paper's equation 5, in four forms.

w is the weight of an edge, z the normalised argument a_e = v_i W_1 + v_j W_2 + u W_3, which comes
in its three parts: so the wide products run over atoms and only the narrow one over edges.

What the bonds are described as decides the form, and `select_backend` is where it is chosen:

    PlacedBonds     Triton's kernels, on an accelerator   triton_form.py, triton_kernel.py
    NearGaussians   loops compiled by numba, on a CPU     compiled.py, kernel.py
    TracedBonds     either, while torch.compile traces    traced_form.py
    a tensor        plain torch, anywhere                 here

The first three pass over the edges without storing what torch stores in between, at a fraction of
the time; they equal the plain form to the rounding of float32.
"""

from __future__ import annotations

from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from xtalgraph.graphs import CrystalGraph
from xtalgraph.nn.activations import ACTIVATIONS
from xtalgraph.nn.gated_sum.compiled import (
    can_be_compiled,
    compiled_gated_sum,
    find_near_gaussians,
)
from xtalgraph.nn.gated_sum.near_gaussians import NearGaussians
from xtalgraph.nn.gated_sum.traced_bonds import TracedBonds
from xtalgraph.nn.gated_sum.triton_form import (
    PlacedBonds,
    place_bonds,
    runs_triton,
    triton_gated_sum,
)
from xtalgraph.nn.radial import GaussianBasis

Bonds: TypeAlias = Float[Tensor, "n_edges bond_width"] | NearGaussians | PlacedBonds | TracedBonds


def select_backend(
    graph: CrystalGraph,
    atoms: Float[Tensor, "n_atoms width"],
    basis: GaussianBasis,
    compiled: bool,
) -> Bonds:
    """Describe the bonds for the fastest form that takes these atom vectors on their device.

    Without `compiled` it is the plain one, and so where a derivative by the distances is wanted.
    """
    if compiled and not graph.distance.requires_grad:
        if torch.compiler.is_compiling():
            from xtalgraph.nn.gated_sum.traced_form import trace_bonds

            traced = trace_bonds(graph, atoms, basis)
            if traced is not None:
                return traced
        elif runs_triton(atoms):
            return place_bonds(graph, basis)
        elif can_be_compiled(atoms):
            return find_near_gaussians(graph, basis)
    return basis(graph.distance.to(atoms.dtype))


def gated_sum(
    from_centre: Float[Tensor, "n_atoms double_width"],
    from_neighbour: Float[Tensor, "n_atoms double_width"],
    bond_weight: Float[Tensor, "bond_width double_width"],
    bonds: Bonds,
    graph: CrystalGraph,
    normalise: nn.Module,
    activation: str,
) -> Float[Tensor, "n_atoms width"]:
    """Give the sum of gated messages that each atom receives."""
    if isinstance(bonds, PlacedBonds):
        return triton_gated_sum(
            from_centre, from_neighbour, bond_weight, bonds, normalise, activation
        )
    if isinstance(bonds, TracedBonds):
        from xtalgraph.nn.gated_sum.traced_form import traced_gated_sum

        return traced_gated_sum(
            from_centre, from_neighbour, bond_weight, bonds, normalise, activation
        )
    if isinstance(bonds, NearGaussians):
        return compiled_gated_sum(
            from_centre, from_neighbour, bond_weight, bonds, normalise, activation
        )
    argument = torch.addmm(
        from_centre.index_select(0, graph.centre) + from_neighbour.index_select(0, graph.neighbour),
        bonds,
        bond_weight,
    )
    gate, message = normalise(argument).chunk(2, dim=1)
    return sum_at_centres(torch.sigmoid(gate) * ACTIVATIONS[activation]()(message), graph)


def sum_at_centres(
    messages: Float[Tensor, "n_edges width"], graph: CrystalGraph
) -> Float[Tensor, "n_atoms width"]:
    """Give the sum of the messages that each atom receives; zero for an atom without neighbours."""
    weighed = messages * graph.weight.to(messages.dtype)[:, None]
    return messages.new_zeros(graph.n_atoms, messages.shape[1]).index_add(0, graph.centre, weighed)
