"""The crystal graph as a network takes it: geometry only, for a batch of crystals."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

from xtalgraph.graphs.build import GraphArrays, build_arrays
from xtalgraph.graphs.config import GraphConfig
from xtalgraph.structures import Crystal, CrystalStore


@dataclass(frozen=True, eq=False)
class CrystalGraph:
    """The neighbour graphs of a batch of crystals, one after another.

    A directed multigraph: every periodic image of a neighbour is an edge of its own, and the
    centre receives. Edge e points at atom `neighbour[e]` in the cell `image[e]`, so that
    `vector = r[neighbour] + image @ lattice - r[centre]` and `distance = |vector|` in Å, with
    positions as the crystal gives them. Edges are sorted by (centre, distance, neighbour, image):
    a graph is a function of the crystal. Indices count atoms through the batch; no edge leaves its
    crystal.

    `edge_weight` is how much an edge counts in a sum of messages: 1, or less near the reach of the
    rule `smooth`. In a deduplicated graph a node stands for `multiplicity` atoms of the crystal
    that no distance tells apart, and the weight of an edge is the sum of those it stands for.
    """

    atomic_numbers: Int64[Tensor, "n_atoms"]
    crystal: Int64[Tensor, "n_atoms"]
    centre: Int64[Tensor, "n_edges"]
    neighbour: Int64[Tensor, "n_edges"]
    image: Int[Tensor, "n_edges 3"]
    distance: Float[Tensor, "n_edges"]
    edge_weight: Float[Tensor, "n_edges"]
    multiplicity: Int64[Tensor, "n_atoms"]
    n_crystals: int

    @property
    def n_atoms(self) -> int:
        """Nodes of all crystals: atoms, unless deduplicated."""
        return len(self.atomic_numbers)

    @property
    def n_edges(self) -> int:
        """Edges of all crystals."""
        return len(self.centre)

    def to(self, device: torch.device | str) -> CrystalGraph:
        """Return the same graph on another device."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> CrystalGraph:
        """Return the same graph in page-locked memory, for a fast copy to an accelerator."""
        return self._map(lambda tensor: tensor.pin_memory())

    def _map(self, change: Callable[[Tensor], Tensor]) -> CrystalGraph:
        return CrystalGraph(
            **{name: change(getattr(self, name)) for name in ARRAYS}, n_crystals=self.n_crystals
        )

    def to_arrays(self) -> GraphArrays:
        """Return the same graph in numpy."""
        arrays = {name: getattr(self, name).detach().cpu().numpy() for name in ARRAYS}
        return GraphArrays(**arrays, n_crystals=self.n_crystals)

    @classmethod
    def from_arrays(cls, graph: GraphArrays) -> CrystalGraph:
        """Take the arrays of a graph as they lie in memory, without copying them."""
        tensors = {name: torch.from_numpy(getattr(graph, name)) for name in ARRAYS}
        return cls(**tensors, n_crystals=graph.n_crystals)


ARRAYS = tuple(field.name for field in fields(GraphArrays) if field.name != "n_crystals")


def build_graphs(
    crystals: Crystal | Iterable[Crystal] | CrystalStore,
    config: GraphConfig | None = None,
    *,
    deduplicated: bool = False,
    n_threads: int = 1,
) -> CrystalGraph:
    """Return the neighbour graphs of crystals as one batch, distances in Å and float64.

    With `deduplicated`, atoms of a crystal that no distance tells apart are one node, and their
    equal edges one edge, see `deduplication.py`: less work for a network, with the same result.

    Raises `BadCrystal` where two atoms are nearer than 0.5 Å, and, unless `config.isolated` says
    otherwise, where a site has no neighbour within the cutoff.

    >>> polonium = Crystal([[3.36, 0, 0], [0, 3.36, 0], [0, 0, 3.36]], [[0, 0, 0]], [84])
    >>> graph = build_graphs(polonium, GraphConfig(n_neighbours=6))
    >>> graph.n_edges, graph.distance.unique().tolist()
    (6, [3.36])
    """
    return CrystalGraph.from_arrays(
        build_arrays(crystals, config, deduplicated=deduplicated, n_threads=n_threads)
    )
