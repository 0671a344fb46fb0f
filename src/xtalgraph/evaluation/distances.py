"""The shortest interatomic distances of crystals, as lists of one length."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from xtalgraph.graphs import GraphConfig, build_graphs
from xtalgraph.structures.store import CrystalStore

N_DISTANCES = 64  # of a crystal that are looked at
CUTOFF = 8.0  # Å; longer distances are left out, and what is missing counts as this long
CHUNK = 512  # crystals whose graphs are held at a time


def shortest_distances(
    crystals: CrystalStore, n_distances: int = N_DISTANCES, cutoff: float = CUTOFF
) -> Float64[np.ndarray, "n_crystals width"]:
    """Give the `n_distances` shortest interatomic distances of each crystal in Å, sorted.

    Each atom of the cell sees each image of each neighbour: a bond between two atoms of the cell
    counts twice, and the list of a supercell begins with more of the same. Where fewer lie within
    the cutoff, the rest is filled with the cutoff. Isolated sites add nothing.

    >>> from xtalgraph.structures.crystal import Crystal
    >>> polonium = Crystal(3.36 * np.eye(3), [[0, 0, 0]], [84])
    >>> shortest_distances(CrystalStore.from_crystals([polonium]), 8).round(2).tolist()
    [[3.36, 3.36, 3.36, 3.36, 3.36, 3.36, 4.75, 4.75]]
    """
    return pad_distances(
        list_shortest_distances(crystals, n_distances, cutoff), n_distances, cutoff
    )


def list_shortest_distances(
    crystals: CrystalStore, n_distances: int = N_DISTANCES, cutoff: float = CUTOFF
) -> list[np.ndarray]:
    """Give the same lists as `shortest_distances` without what fills them up."""
    # The n shortest of a crystal are among the n nearest of each of its atoms.
    config = GraphConfig("nearest", n_distances, cutoff, isolated="ignore")
    lists: list[np.ndarray] = []
    for first in range(0, len(crystals), CHUNK):
        rows = np.arange(first, min(first + CHUNK, len(crystals)))
        graph = build_graphs(crystals.take(rows), config)
        owner = graph.crystal[graph.centre].numpy()
        ends = np.searchsorted(owner, np.arange(1, len(rows)))
        lists += np.split(graph.distance.numpy(), ends)
    return [np.sort(distances)[:n_distances] for distances in lists]


def pad_distances(
    lists: Sequence[np.ndarray], n_distances: int, filler: float
) -> Float64[np.ndarray, "n_crystals width"]:
    """Give each list sorted and cut to `n_distances`, or filled up to it with `filler` (Å)."""
    padded = np.full((len(lists), n_distances), filler)
    for row, distances in enumerate(lists):
        shortest = np.sort(distances)[:n_distances]
        padded[row, : len(shortest)] = shortest
    return padded
