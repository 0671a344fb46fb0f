"""How many bonds of an atom are equally long: what Gaussians 0.2 Å apart cannot tell.

Site symmetry makes bonds equal to the last digit, and a distortion of 0.02 Å breaks it, while
Gaussians of bond lengths hardly change. A network that is asked for the symmetry of a crystal has
to see that; for energies it matters little.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from xtalgraph.graphs import CrystalGraph

EXCESSES = (0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Å: scales on which it is told how much longer a bond is than the shortest one of its atom."""

TIE_WIDTHS = (0.003, 0.01, 0.03, 0.1, 0.3)
"""Å: within which other bonds of the atom count as equally long."""

N_COMPONENTS = len(EXCESSES) + len(TIE_WIDTHS)
USUAL_TIE = 6.0  # equal bonds of an octahedron: what a component of 1 stands for


def find_bond_ties(graph: CrystalGraph) -> Float[Tensor, "n_edges width"]:
    """Give further components of each bond vector, about how it compares with its atom's others.

    With d the length of a bond, d₀ that of the shortest bond of the same atom, and d' those of all
    bonds of the atom, they are exp(-((d - d₀) / s)²) for s in `EXCESSES`, then
    Σ exp(-((d - d') / s)²) / 6 for s in `TIE_WIDTHS`. They depend on the lengths alone, not on
    the order of bonds. Cost: pairs of bonds of an atom, some 200 an atom with 12 neighbours.
    """
    distance, centre = graph.distance, graph.centre
    n_bonds = torch.bincount(centre, minlength=len(graph.atomic_numbers))
    starts = torch.cumsum(n_bonds, 0) - n_bonds  # edges are sorted by centre, then by distance
    shortest = distance[starts[centre]]
    excesses = _bells(distance - shortest, EXCESSES)
    n_partners = n_bonds[centre]
    bond = torch.repeat_interleave(n_partners)
    first_pair = torch.cumsum(n_partners, 0) - n_partners
    place = torch.arange(len(bond), device=bond.device) - first_pair[bond]
    partner = starts[centre[bond]] + place
    pairs = _bells(distance[bond] - distance[partner], TIE_WIDTHS)
    pairs = pairs * graph.weight[partner, None]  # a merged edge stands for several bonds
    ties = pairs.new_zeros(len(distance), len(TIE_WIDTHS)).index_add(0, bond, pairs)
    return torch.cat([excesses, ties / USUAL_TIE], dim=1)


def _bells(
    difference: Float[Tensor, "n_rows"], scales: tuple[float, ...]
) -> Float[Tensor, "n_rows width"]:
    widths = torch.tensor(scales, dtype=difference.dtype, device=difference.device)
    return torch.exp(-((difference[:, None] / widths) ** 2))
