"""The crystal graph: geometry only, for a batch of crystals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor


@dataclass(frozen=True, eq=False)
class CrystalGraph:
    """The neighbour graphs of a batch of crystals, one after another.

    A directed multigraph: every periodic image of a neighbour is an edge of its own, and the
    centre receives. Edge e points at atom `neighbour[e]` in the cell `image[e]`, so that
    `vector = r[neighbour] + image @ lattice - r[centre]` and `distance = |vector|` in Å, with
    positions as the crystal gives them. Edges are sorted by (centre, distance, neighbour, image):
    a graph is a function of the crystal. Indices count atoms through the batch; no edge leaves its
    crystal.

    `weight` is how much an edge counts in a sum of messages: 1, or less near the reach of the rule
    `smooth`. In a merged graph a node stands for `multiplicity` atoms of the crystal that no
    distance tells apart, and the weight of an edge is the sum of those it stands for.
    """

    atomic_numbers: Int64[Tensor, "n_atoms"]
    crystal: Int64[Tensor, "n_atoms"]
    centre: Int64[Tensor, "n_edges"]
    neighbour: Int64[Tensor, "n_edges"]
    image: Int[Tensor, "n_edges 3"]
    distance: Float[Tensor, "n_edges"]
    weight: Float[Tensor, "n_edges"]
    multiplicity: Int64[Tensor, "n_atoms"]
    n_crystals: int

    @property
    def n_atoms(self) -> int:
        """Nodes of all crystals: atoms, unless merged."""
        return len(self.atomic_numbers)

    @property
    def n_edges(self) -> int:
        """Edges of all crystals."""
        return len(self.centre)

    def to(self, device: torch.device | str) -> CrystalGraph:
        """Give the same graph on another device."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> CrystalGraph:
        """Give the same graph in page-locked memory, for a fast copy to an accelerator."""
        return self._map(lambda tensor: tensor.pin_memory())

    def _map(self, change: Callable[[Tensor], Tensor]) -> CrystalGraph:
        return CrystalGraph(
            change(self.atomic_numbers),
            change(self.crystal),
            change(self.centre),
            change(self.neighbour),
            change(self.image),
            change(self.distance),
            change(self.weight),
            change(self.multiplicity),
            self.n_crystals,
        )
