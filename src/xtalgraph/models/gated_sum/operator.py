"""s_i = Σ_e w_e σ(z_e)_gate ⊙ g(z_e)_message: the sum of the paper's equation 5, in two forms.

w is the weight of an edge, z the normalised argument a_e = v_i W_1 + v_j W_2 + u W_3, which comes
in its three parts: so the wide products run over atoms and only the narrow one over edges. Where
bonds come as `NearGaussians` the compiled operator does it, at a fraction of the time; it equals
the plain form to the rounding of float32.
"""

from __future__ import annotations

from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from xtalgraph.graphs import CrystalGraph
from xtalgraph.models.activations import ACTIVATIONS
from xtalgraph.models.gated_sum.compiled import NearGaussians, compiled_gated_sum

Bonds: TypeAlias = Float[Tensor, "n_edges bond_width"] | NearGaussians


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
