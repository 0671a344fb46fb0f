"""The crystal graph, the input of a network: geometry only, for a batch of crystals."""

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
    """The concatenated neighbour graphs of a batch of crystals.

    A directed multigraph: every periodic image of a neighbour is a separate edge, and messages go
    to the centre. Edge e points at atom `neighbour[e]` in the cell `image[e]`, so that
    `vector = r[neighbour] + image @ lattice - r[centre]` and `distance = |vector|` in Å, with
    positions as given by the crystal. Edges are sorted by (centre, distance, neighbour, image), so
    that a graph is a function of the crystal. Indices count atoms through the batch; no edge
    connects two crystals.

    In a deduplicated graph a node represents all atoms of a crystal that are indistinguishable by
    distances, and an edge all equal edges of such an atom.

    Attributes:
        atomic_numbers: Element of each atom.
        crystal: Number of the crystal in the batch that each atom belongs to.
        centre: Receiving atom of each edge.
        neighbour: Sending atom of each edge.
        image: Cell of the sending atom, in lattice vectors.
        distance: Length of each edge in Å.
        edge_weight: Weight of each edge in a sum of messages: 1, less near the reach of the rule
            `smooth`; in a deduplicated graph, the sum over the edges that it represents.
        multiplicity: Number of atoms of the crystal that each node represents.
        n_crystals: Number of crystals in the batch.
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
        """Number of nodes of all crystals: atoms, unless deduplicated."""
        return len(self.atomic_numbers)

    @property
    def n_edges(self) -> int:
        """Number of edges of all crystals."""
        return len(self.centre)

    def to(self, device: torch.device | str) -> CrystalGraph:
        """Return the same graph on another device."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> CrystalGraph:
        """Return the same graph in page-locked memory, for fast copies to an accelerator."""
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
        """Return the graph of numpy arrays, without copying them."""
        tensors = {name: torch.from_numpy(getattr(graph, name)) for name in ARRAYS}
        return cls(**tensors, n_crystals=graph.n_crystals)


ARRAYS = tuple(field.name for field in fields(GraphArrays) if field.name != "n_crystals")


def build_graphs(
    crystals: Crystal | Iterable[Crystal] | CrystalStore,
    config: GraphConfig | None = None,
    *,
    deduplicated: bool = False,
    n_threads: int | None = None,
) -> CrystalGraph:
    """Return the neighbour graphs of crystals as one batch, distances in Å and float64.

    Args:
        crystals: One crystal, several, or a store.
        config: The neighbour rule and its cutoff; default settings if None.
        deduplicated: Merge atoms of a crystal that are indistinguishable by distances into one
            node, and their equal edges into one edge: less work for a network, same result.
        n_threads: Number of threads; None: the cores that this process may use. The result does
            not depend on it.

    Returns:
        The graphs, with indices that count atoms through the batch.

    Raises:
        BadCrystal: Two atoms are closer than 0.5 Å or, unless `config.isolated` says otherwise, a
            site has no neighbour within the cutoff.

    >>> polonium = Crystal([[3.36, 0, 0], [0, 3.36, 0], [0, 0, 3.36]], [[0, 0, 0]], [84])
    >>> graph = build_graphs(polonium, GraphConfig(n_neighbours=6))
    >>> graph.n_edges, graph.distance.unique().tolist()
    (6, [3.36])
    """
    return CrystalGraph.from_arrays(
        build_arrays(crystals, config, deduplicated=deduplicated, n_threads=n_threads)
    )
