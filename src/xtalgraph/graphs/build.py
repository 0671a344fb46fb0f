"""From crystals to graphs, in numpy."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int, Int64

from xtalgraph import _native
from xtalgraph.errors import BadCrystal
from xtalgraph.graphs.config import RULES, GraphConfig
from xtalgraph.structures import Crystal, CrystalStore, pack
from xtalgraph.structures.neighbours import NEAREST, RADIUS, SHELL, Edges, find_neighbours
from xtalgraph.threads import count_cores

_SEARCHES = {"nearest": NEAREST, "shell": SHELL, "radius": RADIUS}

LEAST_ATOMS = 2000  # atoms of the parts that threads build: some milliseconds of work
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
    n_threads: int | None = None,
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
    store = pack(crystals)
    n_threads = count_cores() if n_threads is None else n_threads
    n_parts = min(len(store), int(store.offsets[-1]) // LEAST_ATOMS) if n_threads > 1 else 1
    # of about equal numbers of atoms, because time goes by atoms
    shares = np.linspace(0, store.offsets[-1], max(n_parts, 1) + 1)
    bounds = np.searchsorted(store.offsets, shares).tolist()

    def build(first: int, last: int) -> tuple[GraphArrays, np.ndarray]:
        return _build_part(store, config, deduplicated, first, last)

    with ThreadPoolExecutor(max(1, n_threads), thread_name_prefix="graphs") as pool:
        apply = pool.map if n_parts > 1 else map
        parts = list(apply(build, bounds[:-1], bounds[1:]))
        if config.isolated != "ignore":
            _report_isolated(store, np.concatenate([isolated for _, isolated in parts]), config)
        return _join([arrays for arrays, _ in parts], apply)


def _build_part(
    store: CrystalStore, config: GraphConfig, deduplicated: bool, begin: int, end: int
) -> tuple[GraphArrays, np.ndarray]:
    """Return the graphs of the crystals `begin` to `end`, and their isolated atoms in the store."""
    rule, offsets = RULES[config.rule], store.offsets[begin : end + 1]
    edges = _search(store, config, begin, end)
    _refuse_overlap(store, edges, int(offsets[0]))
    isolated = np.flatnonzero(edges.counts == 0) + offsets[0]
    numbers = store.atomic_numbers[offsets[0] : offsets[-1]].astype(np.int64)
    crystal = np.repeat(np.arange(end - begin), np.diff(offsets))
    weight, multiplicity = np.ones(len(edges.distance)), np.ones(len(numbers), np.int64)
    if rule.weighs:
        edges, weight = weigh_smoothly(edges, config.n_neighbours, config.cutoff)
    neighbour, image, distance, counts = edges
    if deduplicated:
        starts = np.concatenate([[0], np.cumsum(counts)])
        atom, multiplicity, counts, neighbour, source, distance, weight = deduplicate(
            numbers, starts, neighbour, distance, weight, offsets - offsets[0]
        )
        numbers, crystal, image = numbers[atom], crystal[atom], image[source]
    arrays = GraphArrays(
        atomic_numbers=numbers,
        crystal=crystal,
        centre=np.repeat(np.arange(len(counts)), counts),
        neighbour=neighbour,
        image=image,
        distance=distance,
        edge_weight=weight,
        multiplicity=multiplicity,
        n_crystals=end - begin,
    )
    return arrays, isolated


def _join(parts: list[GraphArrays], apply: Callable) -> GraphArrays:
    """Return several batches as one; `apply` is `map` or that of a pool of threads."""
    if len(parts) == 1:
        return parts[0]
    n_crystals = [part.n_crystals for part in parts]
    first_atom = np.cumsum([0] + [part.n_atoms for part in parts])
    shifts = {"crystal": np.cumsum([0, *n_crystals]), "centre": first_atom, "neighbour": first_atom}

    def join(name: str) -> np.ndarray:
        arrays = [getattr(part, name) for part in parts]
        if name in shifts:
            arrays = [array + first for array, first in zip(arrays, shifts[name], strict=False)]
        return np.concatenate(arrays)

    names = [field.name for field in fields(GraphArrays) if field.name != "n_crystals"]
    joined = dict(zip(names, apply(join, names), strict=True))
    return GraphArrays(**joined, n_crystals=sum(n_crystals))


def weigh_smoothly(edges: Edges, n_neighbours: int, cutoff: float) -> tuple[Edges, np.ndarray]:
    """Return the edges that weigh something, and their weights (1 - (r/d)⁶)².

    d is the distance of an atom's next neighbour: expects `n_neighbours` + 1 edges an atom and
    their ties; where there are fewer, the next one is beyond the cutoff, which then takes its
    place. Edges that weigh less than 1e-6 are left out. The arrays are changed in place.
    """
    weight = np.empty(len(edges.distance))
    n = _native.weigh_smoothly(*edges, n_neighbours, cutoff, weight)
    kept = Edges(edges.neighbour[:n], edges.image[:n], edges.distance[:n], edges.counts)
    return kept, weight[:n]


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


def _search(store: CrystalStore, config: GraphConfig, first: int, last: int) -> Edges:
    rule = RULES[config.rule]
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
    _, _, distance, counts = _search(store, config, 0, len(store))
    table = np.full((len(counts), n_nearest), np.inf)
    places = np.arange(len(distance)) - np.repeat(np.cumsum(counts) - counts, counts)
    table[np.repeat(np.arange(len(counts)), counts), places] = distance
    return table


def _locate(store: CrystalStore, atom: int) -> tuple[int, int]:
    """Return the crystal and the site in it of an atom counted through the store."""
    crystal = int(np.searchsorted(store.offsets, atom, side="right")) - 1
    return crystal, atom - int(store.offsets[crystal])


def _refuse_overlap(store: CrystalStore, edges: Edges, first_atom: int) -> None:
    distance = edges.distance
    if not len(distance) or distance.min() >= SHORTEST_BOND:
        return
    edge = int(distance.argmin())
    atom = first_atom + int(np.searchsorted(np.cumsum(edges.counts), edge, side="right"))
    crystal, site = _locate(store, atom)
    raise BadCrystal(
        f"another atom lies {distance[edge]:.3f} Å from this one",
        id=str(store.ids[crystal]) or f"#{crystal}",
        site=site,
        remedy=f"Atoms nearer than {SHORTEST_BOND} Å are considered an error: remove one of them.",
    )


def _report_isolated(store: CrystalStore, isolated: np.ndarray, config: GraphConfig) -> None:
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
