"""Batches filled up to a few sizes, for what replays the same sizes again and again: CUDA graphs.

What fills up is crystals of their own at the end of the batch, whose atoms have themselves for
neighbours and whose edges weigh nothing. No output of another crystal depends on them; theirs mean
nothing and are left out.
"""

from __future__ import annotations

import torch
from torch import Tensor

from xtalgraph.graphs.graph import CrystalGraph

EDGES_OF_AN_ATOM = 32  # at most, of those that fill up: one atom must not have them all


def round_up(n: int) -> int:
    """Give the next of 1, 2, 3, 4, 6, 8, 12, 16, 24, …: at most a half more, a fifth in the mean.

    >>> [round_up(n) for n in (1, 5, 12, 13, 1000, 1025)]
    [1, 6, 12, 16, 1024, 1536]
    """
    step = 1 << max((n - 1).bit_length() - 2, 0)
    return -(-n // step) * step


def fill_up(graph: CrystalGraph, n_crystals: int) -> CrystalGraph:
    """Give the batch with `n_crystals` crystals, and atoms and edges of one of a few numbers.

    It must have fewer crystals. The numbers depend on the batch alone. Not for a network that
    normalises over a batch, which would count what fills up.
    """
    n_new_crystals = n_crystals - graph.n_crystals
    n_new_edges = round_up(graph.n_edges) - graph.n_edges if graph.n_edges else 0
    n_least = max(n_new_crystals, -(-n_new_edges // EDGES_OF_AN_ATOM))
    n_new_atoms = round_up(graph.n_atoms + n_least) - graph.n_atoms
    new_atom = torch.arange(n_new_atoms)
    own_crystal = graph.n_crystals + new_atom * n_new_crystals // n_new_atoms
    ends = graph.n_atoms + torch.arange(n_new_edges) * n_new_atoms // max(n_new_edges, 1)
    return CrystalGraph(
        atomic_numbers=_append(graph.atomic_numbers, graph.atomic_numbers[:1].expand(n_new_atoms)),
        crystal=_append(graph.crystal, own_crystal),
        centre=_append(graph.centre, ends),
        neighbour=_append(graph.neighbour, ends),
        image=_append(graph.image, graph.image.new_zeros(n_new_edges, 3)),
        distance=_append(graph.distance, graph.distance.new_ones(n_new_edges)),
        weight=_append(graph.weight, graph.weight.new_zeros(n_new_edges)),
        multiplicity=_append(graph.multiplicity, graph.multiplicity.new_ones(n_new_atoms)),
        n_crystals=n_crystals,
    )


def _append(values: Tensor, more: Tensor) -> Tensor:
    return torch.cat([values, more.to(values.dtype)])
