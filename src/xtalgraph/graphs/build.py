"""From crystals to graphs, in numpy."""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int, Int64

from xtalgraph.compiling import compiled, inlined
from xtalgraph.errors import BadCrystal
from xtalgraph.graphs.config import RULES, GraphConfig
from xtalgraph.structures import Crystal, CrystalStore, pack
from xtalgraph.structures.neighbours import NEAREST, RADIUS, SHELL, find_neighbours

EQUAL = 1e-3  # Å; lengths in one step of this size are equal, as ties of the rule `shell` are
EQUAL_WEIGHT = 1e-4  # likewise of the weights of edges
PHASE = 0.3819660112501051  # where the steps begin, so that no round number lies between two

U = np.uint64
FIRST_FACTOR, SECOND_FACTOR = U(0xBF58476D1CE4E5B9), U(0x94D049BB133111EB)
ATOM_SALT, LENGTH_SALT = U(0x9E3779B97F4A7C15), U(0xD1B54A32D192ED03)


@inlined
def scrambled(x):
    """Return another 64-bit number, one to one (the end of splitmix64)."""
    x = (x ^ (x >> U(30))) * FIRST_FACTOR
    x = (x ^ (x >> U(27))) * SECOND_FACTOR
    return x ^ (x >> U(31))


@compiled
def deduplicate(atomic_numbers, starts, neighbour, distance, weight, offsets):
    """Find which atoms of each crystal are alike, and which of their edges.

    The edges of atom i are `starts[i]:starts[i + 1]`, the atoms of crystal c `offsets[c]:
    offsets[c + 1]`. Gives for the nodes: the first atom of each class, in order, and how many
    there are; for the deduplicated edges, node by node: the node they point at, the first edge they
    stand for, the mean length and the summed weight of an atom's; and the number of each node's
    edges. Means are over the class, so that they do not depend on which of its atoms is the first.
    """
    n_atoms, n_edges = len(atomic_numbers), len(neighbour)
    steps = np.empty(n_edges, np.int64)
    for edge in range(n_edges):
        steps[edge] = np.int64(np.floor(distance[edge] / EQUAL + PHASE))
    colour = np.empty(n_atoms, np.uint64)
    for atom in range(n_atoms):
        total = 0  # atoms with the same edges may weigh them by different reaches
        for edge in range(starts[atom], starts[atom + 1]):
            total += np.int64(np.floor(weight[edge] / EQUAL_WEIGHT + PHASE))
        colour[atom] = scrambled(U(atomic_numbers[atom]) + ATOM_SALT) ^ scrambled(U(total))
    node_of = np.empty(n_atoms, np.int64)
    firsts = np.empty(n_atoms, np.int64)
    sizes = np.zeros(n_atoms, np.int64)
    n_nodes = 0
    for crystal in range(len(offsets) - 1):
        begin, end = offsets[crystal], offsets[crystal + 1]
        refine(colour, begin, end, starts, neighbour, steps)
        n_nodes = number_classes(colour, begin, end, node_of, firsts, sizes, n_nodes)
    edges = deduplicate_edges(
        colour, node_of, firsts[:n_nodes], sizes, starts, neighbour, distance, weight, steps
    )
    return firsts[:n_nodes], sizes[:n_nodes], *edges


@compiled
def refine(colour, begin, end, starts, neighbour, steps):
    """Return the atoms of a crystal the colours of their classes."""
    fresh = np.empty(end - begin, np.uint64)
    n_before = 0
    while True:
        n_classes = count_distinct(colour[begin:end])
        if n_classes == n_before or n_classes == end - begin:
            return
        n_before = n_classes
        for atom in range(begin, end):
            around = U(0)
            for edge in range(starts[atom], starts[atom + 1]):
                length = scrambled(U(steps[edge]) + LENGTH_SALT)
                around += scrambled(colour[neighbour[edge]] ^ length)
            fresh[atom - begin] = scrambled(colour[atom] * U(3) + around)
        colour[begin:end] = fresh


@compiled
def count_distinct(colours):
    """Count the different numbers."""
    ordered = np.sort(colours)
    n_distinct = min(1, len(ordered))
    for place in range(1, len(ordered)):
        n_distinct += ordered[place] != ordered[place - 1]
    return n_distinct


@compiled
def number_classes(colour, begin, end, node_of, firsts, sizes, n_nodes):
    """Number the classes of a crystal by their first atoms; give the number of nodes so far."""
    order = np.argsort(colour[begin:end])
    first_of = np.empty(end - begin, np.int64)
    low = 0
    while low < len(order):
        high, first = low, order[low]
        while high < len(order) and colour[begin + order[high]] == colour[begin + order[low]]:
            first = min(first, order[high])
            high += 1
        for place in range(low, high):
            first_of[order[place]] = first
        low = high
    for atom in range(begin, end):
        if first_of[atom - begin] == atom - begin:
            firsts[n_nodes] = atom
            node_of[atom] = n_nodes
            n_nodes += 1
        else:
            node_of[atom] = node_of[begin + first_of[atom - begin]]
        sizes[node_of[atom]] += 1
    return n_nodes


@compiled
def deduplicate_edges(colour, node_of, firsts, sizes, starts, neighbour, distance, weight, steps):
    """Return node, first edge, mean length and weight of the kept edges, and counts by node."""
    n_nodes, n_edges = len(firsts), len(neighbour)
    order = np.empty(n_edges, np.int64)
    for atom in range(len(starts) - 1):
        sort_edges(colour, starts[atom], starts[atom + 1], neighbour, steps, order)
    # all atoms of a class have as many edges, which stand in one order: those that are alike meet
    lengths, weights = np.zeros(n_edges), np.zeros(n_edges)
    for atom in range(len(starts) - 1):
        first = starts[firsts[node_of[atom]]]
        for place in range(starts[atom + 1] - starts[atom]):
            lengths[first + place] += distance[order[starts[atom] + place]]
            weights[first + place] += weight[order[starts[atom] + place]]
    counts = np.zeros(n_nodes, np.int64)
    ends = np.empty(n_edges, np.int64)
    sources = np.empty(n_edges, np.int64)
    n_kept = 0
    for node in range(n_nodes):
        atom, size = firsts[node], sizes[node]
        low, last = starts[atom], starts[atom + 1]
        while low < last:
            edge = order[low]
            high, length, total = low, 0.0, 0.0
            while (
                high < last
                and steps[order[high]] == steps[edge]
                and colour[neighbour[order[high]]] == colour[neighbour[edge]]
            ):
                length += lengths[high]
                total += weights[high]
                high += 1
            ends[n_kept], sources[n_kept] = node_of[neighbour[edge]], edge
            lengths[n_kept] = length / (size * (high - low))
            weights[n_kept] = total / size
            counts[node] += 1
            n_kept += 1
            low = high
    return ends[:n_kept], sources[:n_kept], lengths[:n_kept], weights[:n_kept], counts


@inlined
def comes_later(colour, neighbour, steps, edge, other):
    """Return whether an edge is longer than another, or equally long with a greater end colour."""
    if steps[edge] != steps[other]:
        return steps[edge] > steps[other]
    return colour[neighbour[edge]] > colour[neighbour[other]]


@compiled
def sort_edges(colour, first, last, neighbour, steps, order):
    """Order the edges of an atom by length and colour; by length they nearly are already."""
    for place in range(first, last):
        hole = place
        while hole > first and comes_later(colour, neighbour, steps, order[hole - 1], place):
            order[hole] = order[hole - 1]
            hole -= 1
        order[hole] = place


_SEARCHES = {"nearest": NEAREST, "shell": SHELL, "radius": RADIUS}

NEGLIGIBLE = 1e-6  # weight below which an edge of the rule `smooth` is left out
SHORTEST_BOND = 0.5  # Å; atoms nearer than this are an error of the file, not a bond


@dataclass(frozen=True, eq=False)
class GraphArrays:
    """The neighbour graphs of a batch of crystals; `CrystalGraph` says what each array means."""

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
    """Return the neighbour graphs of crystals as one batch: `build_graphs` without torch."""
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
        first, multiplicity, neighbour, source, distance, weight, counts = deduplicate(
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


@compiled
def weigh_smoothly(distance, counts, n_neighbours, cutoff):
    """Return (1 - (r/d)⁶)² for the edges of each atom, where d is the distance of the next one.

    Expects `n_neighbours` + 1 edges an atom and their ties; where there are fewer, the next one is
    beyond the cutoff, which then takes its place. Weights below 1e-6 are given as 0.
    """
    weight = np.empty(len(distance))
    first = 0
    for count in counts:
        reach = distance[first + n_neighbours] if count > n_neighbours else cutoff
        for edge in range(first, first + count):
            value = max(0.0, 1.0 - (distance[edge] / reach) ** 6) ** 2
            weight[edge] = value if value > NEGLIGIBLE else 0.0
        first += count
    return weight


def _search(
    store: CrystalStore, config: GraphConfig, n_threads: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return neighbour, image, distance of the edges, and the number of edges of each atom."""
    rule = RULES[config.rule]

    def find(first: int, last: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        return find_neighbours(
            store.lattices,
            store.fractional_positions,
            store.offsets,
            first,
            last,
            _SEARCHES[rule.search],
            config.n_neighbours + rule.weighs,
            config.cutoff,
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
    return (
        np.concatenate([part[0] + shift for part, shift in zip(parts, shifts, strict=True)]),
        np.concatenate([part[1] for part in parts]),
        np.concatenate([part[2] for part in parts]),
        np.concatenate([part[3] for part in parts]),
    )


def nearest_distances(
    store: CrystalStore, n_nearest: int, cutoff: float = 8.0
) -> Float64[np.ndarray, "n_atoms n_rows"]:
    """Return the `n_nearest` smallest distances of each atom in Å, sorted; inf beyond the cutoff.

    Nothing is refused: this is how a pre-flight finds isolated sites and overlapping atoms.
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
        remedy=f"Atoms nearer than {SHORTEST_BOND} Å are taken for an error: remove one of them.",
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
