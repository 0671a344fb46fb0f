"""From crystals to graphs, in numpy."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int, Int64

from xtalgraph import _native
from xtalgraph.errors import BadCrystal
from xtalgraph.graphs.config import RULES, GraphConfig
from xtalgraph.structures import Crystal, CrystalStore, pack
from xtalgraph.structures.neighbours import NEAREST, RADIUS, SHELL, Edges, find_neighbours

_SEARCHES = {"nearest": NEAREST, "shell": SHELL, "radius": RADIUS}

SHORTEST_BOND = 0.5  # Å; atoms nearer than this are an error of the file, not a bond


@dataclass(frozen=True, eq=False)
class GraphArrays:
    """The neighbour graphs of a batch of crystals as numpy arrays.

    Attributes:
        atomic_numbers: Element of each atom.
        crystal: Number of the crystal in the batch that each atom belongs to.
        centre: Receiving atom of each edge.
        neighbour: Sending atom of each edge.
        image: Cell of the sending atom, in lattice vectors.
        distance: Length of each edge in Å.
        edge_weight: Weight of each edge in a sum of messages.
        multiplicity: Number of atoms that each node represents.
        n_crystals: Number of crystals in the batch.
    """

    atomic_numbers: Int64[np.ndarray, "n_atoms"]
    crystal: Int64[np.ndarray, "n_atoms"]
    centre: Int64[np.ndarray, "n_edges"]
    neighbour: Int64[np.ndarray, "n_edges"]
    image: Int[np.ndarray, "n_edges 3"]
    distance: Float[np.ndarray, "n_edges"]
    edge_weight: Float[np.ndarray, "n_edges"]
    multiplicity: Int64[np.ndarray, "n_atoms"]
    n_crystals: int

    @property
    def n_atoms(self) -> int:
        """Nodes of all crystals: atoms, unless deduplicated."""
        return len(self.atomic_numbers)

    @property
    def n_edges(self) -> int:
        """Edges of all crystals."""
        return len(self.centre)

    @property
    def edge_starts(self) -> Int64[np.ndarray, "n_offsets"]:
        """Where the edges of each atom begin, and where the last ones end."""
        counts = np.bincount(self.centre, minlength=self.n_atoms)
        return np.concatenate([[0], np.cumsum(counts)])

    @property
    def crystal_starts(self) -> Int64[np.ndarray, "n_crystals"]:
        """Where the nodes of each crystal begin; each has one at least."""
        return np.searchsorted(self.crystal, np.arange(self.n_crystals))


def build_arrays(
    crystals: Crystal | Iterable[Crystal] | CrystalStore,
    config: GraphConfig | None = None,
    *,
    deduplicated: bool = False,
    n_threads: int = 1,
) -> GraphArrays:
    """Return the neighbour graphs of crystals as one batch: `build_graphs` without torch.

    Args:
        crystals: One crystal, several, or a store.
        config: The neighbour rule and its cutoff; default settings if None.
        deduplicated: Merge atoms of a crystal that are indistinguishable by distances into one
            node.
        n_threads: Number of threads.

    Returns:
        The graphs as numpy arrays.

    Raises:
        BadCrystal: Two atoms are too close, or a site has no neighbour, as for `build_graphs`.
    """
    config = config or GraphConfig()
    store, rule = pack(crystals), RULES[config.rule]
    neighbour, image, distance, counts = _search(store, config, n_threads)
    _refuse_overlap(store, distance, counts)
    if config.isolated != "ignore":
        _report_isolated(store, counts, config)
    numbers = store.atomic_numbers.astype(np.int64)
    crystal = np.repeat(np.arange(len(store)), store.n_atoms)
    weight, multiplicity = np.ones(len(distance)), np.ones(len(numbers), np.int64)
    if rule.weighs:
        weight = weigh_smoothly(distance, counts, config.n_neighbours, config.cutoff)
        kept = weight > 0
        counts = np.bincount(np.repeat(np.arange(len(counts)), counts)[kept], minlength=len(counts))
        neighbour, image = neighbour[kept], image[kept]
        distance, weight = distance[kept], weight[kept]
    if deduplicated:
        starts = np.concatenate([[0], np.cumsum(counts)])
        first, multiplicity, counts, neighbour, source, distance, weight = deduplicate(
            numbers, starts, neighbour, distance, weight, store.offsets
        )
        numbers, crystal, image = numbers[first], crystal[first], image[source]
    return GraphArrays(
        atomic_numbers=numbers,
        crystal=crystal,
        centre=np.repeat(np.arange(len(counts)), counts),
        neighbour=neighbour,
        image=image,
        distance=distance,
        edge_weight=weight,
        multiplicity=multiplicity,
        n_crystals=len(store),
    )


def weigh_smoothly(
    distance: Float64[np.ndarray, "n_edges"],
    counts: Int64[np.ndarray, "n_atoms"],
    n_neighbours: int,
    cutoff: float,
) -> Float64[np.ndarray, "n_edges"]:
    """Return (1 - (r/d)⁶)² for the edges of each atom, where d is the distance of the next one.

    Expects `n_neighbours` + 1 edges an atom and their ties; where there are fewer, the next one is
    beyond the cutoff, which then takes its place. Weights below 1e-6 are returned as 0.
    """
    weight = np.empty(len(distance))
    _native.weigh_smoothly(distance, counts, n_neighbours, cutoff, weight)
    return weight


class Deduplicated(NamedTuple):
    """Nodes and edges that stand for all that are like them.

    A node has the first atom of its class, in order, how many atoms there are, and the number of
    its edges. An edge has the node it points at, the first edge it stands for, the mean length and
    the summed weight of an atom's; means are over the class, so that they do not depend on which of
    its atoms is the first.
    """

    atom: Int64[np.ndarray, "n_atoms"]
    multiplicity: Int64[np.ndarray, "n_atoms"]
    counts: Int64[np.ndarray, "n_atoms"]
    neighbour: Int64[np.ndarray, "n_edges"]
    source: Int64[np.ndarray, "n_edges"]
    distance: Float64[np.ndarray, "n_edges"]
    weight: Float64[np.ndarray, "n_edges"]


def deduplicate(
    atomic_numbers: Int64[np.ndarray, "n_atoms"],
    starts: np.ndarray,
    neighbour: Int64[np.ndarray, "n_edges"],
    distance: Float64[np.ndarray, "n_edges"],
    weight: Float64[np.ndarray, "n_edges"],
    offsets: Int64[np.ndarray, "n_offsets"],
) -> Deduplicated:
    """Find which atoms of each crystal no network can tell apart, and which of their edges.

    The edges of atom i are `starts[i]:starts[i + 1]`, the atoms of crystal c `offsets[c]:
    offsets[c + 1]`. Lengths within 1e-3 Å and weights within 1e-4 are equal.
    """
    nodes = np.empty((3, len(atomic_numbers)), np.int64)
    edges = np.empty((2, len(neighbour)), np.int64)
    means = np.empty((2, len(neighbour)))
    n_nodes, n_edges = _native.deduplicate(
        atomic_numbers, starts, neighbour, distance, weight, offsets, nodes, edges, means
    )
    return Deduplicated(*nodes[:, :n_nodes], *edges[:, :n_edges], *means[:, :n_edges])


def _search(store: CrystalStore, config: GraphConfig, n_threads: int) -> Edges:
    rule = RULES[config.rule]

    def find(first: int, last: int) -> Edges:
        return find_neighbours(
            store.lattices,
            store.fractional_positions,
            store.offsets,
            first,
            last,
            _SEARCHES[rule.search],
            config.n_neighbours + rule.weighs,
            config.cutoff,
            store.ids,
        )

    n_parts = min(n_threads, len(store))
    if n_parts <= 1:
        return find(0, len(store))
    # parts of about equal numbers of atoms, because time goes by atoms
    shares = np.linspace(0, store.offsets[-1], n_parts + 1)
    bounds = np.searchsorted(store.offsets, shares).tolist()
    with ThreadPoolExecutor(n_parts) as pool:
        parts = list(pool.map(find, bounds[:-1], bounds[1:]))
    shifts = store.offsets[bounds[:-1]]
    neighbours = [part.neighbour + shift for part, shift in zip(parts, shifts, strict=True)]
    others = zip(*(part[1:] for part in parts), strict=True)
    return Edges(np.concatenate(neighbours), *map(np.concatenate, others))


def nearest_distances(
    store: CrystalStore, n_nearest: int, cutoff: float = 8.0
) -> Float64[np.ndarray, "n_atoms n_rows"]:
    """Return the smallest distances of each atom in Å.

    Nothing is refused, so that a check can find isolated sites and overlapping atoms.

    Args:
        store: The crystals.
        n_nearest: Number of distances per atom.
        cutoff: Longest distance in Å.

    Returns:
        One row per atom, ascending; inf beyond the cutoff.
    """
    config = GraphConfig("nearest", n_nearest, cutoff)
    _, _, distance, counts = _search(store, config, n_threads=1)
    table = np.full((len(counts), n_nearest), np.inf)
    places = np.arange(len(distance)) - np.repeat(np.cumsum(counts) - counts, counts)
    table[np.repeat(np.arange(len(counts)), counts), places] = distance
    return table


def _locate(store: CrystalStore, atom: int) -> tuple[int, int]:
    """Return the crystal and the site in it of an atom counted through the store."""
    crystal = int(np.searchsorted(store.offsets, atom, side="right")) - 1
    return crystal, atom - int(store.offsets[crystal])


def _refuse_overlap(store: CrystalStore, distance: np.ndarray, counts: np.ndarray) -> None:
    if not len(distance) or distance.min() >= SHORTEST_BOND:
        return
    edge = int(distance.argmin())
    atom = int(np.searchsorted(np.cumsum(counts), edge, side="right"))
    crystal, site = _locate(store, atom)
    raise BadCrystal(
        f"another atom lies {distance[edge]:.3f} Å from this one",
        id=str(store.ids[crystal]) or f"#{crystal}",
        site=site,
        remedy=f"Atoms nearer than {SHORTEST_BOND} Å are considered an error: remove one of them.",
    )


def _report_isolated(store: CrystalStore, counts: np.ndarray, config: GraphConfig) -> None:
    isolated = np.flatnonzero(counts == 0)
    if not len(isolated):
        return
    crystal, site = _locate(store, int(isolated[0]))
    more = f" ({len(isolated)} such sites in this batch)" if len(isolated) > 1 else ""
    error = BadCrystal(
        f"no neighbour within {config.cutoff} Å{more}",
        id=str(store.ids[crystal]) or f"#{crystal}",
        site=site,
        remedy="Raise the cutoff, or set graph.isolated to warn or ignore.",
    )
    if config.isolated == "error":
        raise error
    warnings.warn(str(error), stacklevel=4)
