"""Refusals: atoms that overlap, and one bad crystal among several that are good."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xtalgraph.errors import BadConfig, BadCrystal, Rejected
from xtalgraph.structures.elements import SYMBOLS
from xtalgraph.structures.neighbours import RADIUS, find_neighbours, has_pair_within
from xtalgraph.tolerances import OVERLAP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from xtalgraph.structures.crystal import Crystal, CrystalStore

READER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What the readers of others raise at a file that is not as they expect it."""

Overlap = tuple[int, int, float]  # two sites and their distance in Å


def refuse_overlap(crystal: Crystal, min_distance: float = OVERLAP) -> None:
    """Raise `BadCrystal` where two atoms are nearer than `min_distance` in Å, images included.

    Exact for every cell, because it is the neighbour search of the graphs.
    """
    overlap = find_overlap(crystal, min_distance)
    if overlap is not None:
        raise overlap_error(crystal, overlap, min_distance)


def overlap_error(crystal: Crystal, overlap: Overlap, min_distance: float = OVERLAP) -> BadCrystal:
    """Return the error that names two sites that overlap."""
    first, second, distance = overlap
    numbers = crystal.atomic_numbers
    partner = "its own periodic image" if first == second else f"site {second}"
    return BadCrystal(
        f"{SYMBOLS[numbers[first]]} and {partner} ({SYMBOLS[numbers[second]]}) are {distance:.3f} Å"
        f" apart, nearer than {min_distance:g} Å",
        id=crystal.id,
        site=first,
        remedy="Remove the duplicate atom, or choose one of the disordered positions; check also "
        "the unit of the lattice (Å).",
    )


def find_overlap(crystal: Crystal, min_distance: float = OVERLAP) -> Overlap | None:
    """Return the nearest pair of sites within `min_distance` in Å and their distance, or None."""
    if min_distance > 0 and not has_pair_within(
        crystal.lattice, crystal.fractional_positions, min_distance
    ):
        return None  # nearly always, and known within a microsecond
    lattices, offsets = crystal.lattice[None], np.array([0, crystal.n_atoms])
    overlaps = _search(lattices, crystal.fractional_positions, offsets, min_distance)
    return overlaps.get(0)


def find_overlaps(store: CrystalStore, min_distance: float = OVERLAP) -> dict[int, Overlap]:
    """Return the nearest pair of sites of each crystal that has one within `min_distance` in Å."""
    return _search(store.lattices, store.fractional_positions, store.offsets, min_distance)


def _search(
    lattices: np.ndarray, positions: np.ndarray, offsets: np.ndarray, min_distance: float
) -> dict[int, Overlap]:
    if not 0 < min_distance < 10:
        raise BadConfig(f"min_distance = {min_distance} Å; it must lie in (0, 10).")
    neighbours, _, distances, counts = find_neighbours(
        lattices, positions, offsets, 0, len(lattices), RADIUS, 0, min_distance
    )
    if len(neighbours) == 0:  # nearly always
        return {}
    centres = np.repeat(np.arange(len(counts)), counts)
    overlaps: dict[int, Overlap] = {}
    for edge in np.argsort(distances, kind="stable").tolist():
        atom, partner = int(centres[edge]), int(neighbours[edge])
        row = int(np.searchsorted(offsets, atom, side="right")) - 1
        begin, distance = int(offsets[row]), float(distances[edge])
        if distance < min_distance and row not in overlaps:
            overlaps[row] = min(atom, partner) - begin, max(atom, partner) - begin, distance
    return overlaps


def read_each(
    pending: Iterable[tuple[str, Callable[[], Crystal]]], rejected: list[Rejected] | None
) -> list[Crystal]:
    """Return the crystals that can be read; the others go to `rejected`, or are raised without it.

    `pending` holds the id of each crystal and the function that reads it.
    """
    crystals = []
    for id, read in pending:
        try:
            crystals.append(read())
        except BadCrystal as problem:
            if rejected is None:
                raise
            rejected.append(Rejected(id, str(problem)))
    return crystals


def number_ids(id: str, n_crystals: int) -> list[str]:
    """Return the ids of the crystals of one source: `id` for one, else `id#0`, `id#1`, …

    >>> number_ids("run", 2)
    ['run#0', 'run#1']
    """
    return [id] if n_crystals == 1 else [f"{id}#{index}" for index in range(n_crystals)]
