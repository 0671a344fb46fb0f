"""Crystals that are the same structure in other words, found by distances alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float32, Float64

from xtalgraph.data.composition import reduced_formulas
from xtalgraph.structures.crystal import CrystalStore
from xtalgraph.structures.elements import SYMBOLS
from xtalgraph.tolerances import EQUAL_DISTANCES

NearestDistances = Callable[[CrystalStore, int], np.ndarray]
"""Gives the k smallest distances of each atom to others and to images, in Å and ascending: an array
n_atoms × k, with inf where fewer lie within the cutoff."""

N_DISTANCES = 24
"""Distances of each atom in the fingerprint; cubic and hexagonal stackings differ from the 17th."""

VOLUME_TOLERANCE = 0.005  # of the volume per atom: about as much as 0.01 Å in a 6 Å cell edge
_BEYOND = 99.0  # Å; stands for no neighbour within the cutoff
_ATOMS_AT_ONCE = 200_000


def iterate_chunks(store: CrystalStore) -> Iterator[tuple[int, CrystalStore]]:
    """Yield consecutive parts of a store of about 200,000 atoms, each with its first row."""
    first = 0
    while first < len(store):
        limit = store.offsets[first] + _ATOMS_AT_ONCE
        last = max(first + 1, int(np.searchsorted(store.offsets, limit, side="right")) - 1)
        yield first, store.take(np.arange(first, last))
        first = last


def mean_distances(
    store: CrystalStore, distances: Float64[np.ndarray, "n_atoms width"]
) -> list[Float32[np.ndarray, "n_elements width"]]:
    """Return for each crystal, element by element, the mean of the k-th smallest distance.

    It depends neither on the order of the atoms nor on the choice of the cell; mirror images have
    the same.
    """
    distances = np.where(np.isfinite(distances), distances, _BEYOND)
    crystal = np.repeat(np.arange(len(store)), store.n_atoms)
    keys = crystal * len(SYMBOLS) + store.atomic_numbers
    order = np.argsort(keys, kind="stable")
    found, starts = np.unique(keys[order], return_index=True)
    counts = np.diff([*starts, len(keys)])
    means = (np.add.reduceat(distances[order], starts) / counts[:, None]).astype(np.float32)
    bounds = np.searchsorted(found, np.arange(1, len(store)) * len(SYMBOLS))
    return np.split(means, bounds)


def find_duplicates(
    store: CrystalStore, fingerprints: Sequence[np.ndarray] | None = None
) -> list[list[int]]:
    """Return the groups of rows that are the same structure, each ascending.

    Two crystals are the same if they have the same reduced formula, volumes an atom within 0.5 %,
    and `fingerprints` (those of `mean_distances`) within 0.01 Å in every component. A group holds
    what is the same as its first. Long stackings of the same layers, and orders of like-sized
    atoms, may agree in all this and yet differ. Without fingerprints, formula and volume alone
    decide, which is a hint only.
    """
    volumes = np.abs(np.linalg.det(store.lattices)) / store.n_atoms
    by_formula: dict[str, list[int]] = {}
    for row, formula in enumerate(reduced_formulas(store)):
        by_formula.setdefault(formula, []).append(row)
    groups = []
    for rows in by_formula.values():
        if len(rows) > 1:
            groups += _group_same(np.array(rows), volumes, fingerprints)
    return sorted(groups)


def _group_same(
    rows: np.ndarray, volumes: np.ndarray, fingerprints: Sequence[np.ndarray] | None
) -> list[list[int]]:
    rows = rows[np.argsort(volumes[rows], kind="stable")]
    sizes = volumes[rows]
    vectors = None if fingerprints is None else np.stack([fingerprints[r].ravel() for r in rows])
    free = np.ones(len(rows), dtype=bool)
    groups = []
    for first in range(len(rows)):
        if not free[first]:
            continue
        last = int(np.searchsorted(sizes, sizes[first] * (1 + VOLUME_TOLERANCE), side="right"))
        same = free[first:last].copy()
        if vectors is not None:
            same &= _all_near(vectors[first:last], vectors[first])
        members = first + np.flatnonzero(same)
        free[members] = False
        if len(members) > 1:
            groups.append(sorted(rows[members].tolist()))
    return groups


def _all_near(vectors: np.ndarray, vector: np.ndarray) -> Bool[np.ndarray, "n_rows"]:
    return (np.abs(vectors - vector) <= EQUAL_DISTANCES).all(axis=1)
