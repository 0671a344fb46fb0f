"""Refusals: atoms that overlap, and one bad crystal among several that are good."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from xtalgraph.errors import BadConfig, BadCrystal, CrystalWarning, Rejected
from xtalgraph.structures.crystal import (
    FLATTEST_CELL,
    LARGEST_FRACTION,
    LARGEST_VOLUME,
    LONGEST_CELL,
    refuse_bad_arrays,
)
from xtalgraph.structures.elements import SYMBOLS
from xtalgraph.structures.neighbours import RADIUS, find_neighbours, has_pair_within
from xtalgraph.tolerances import OVERLAP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from xtalgraph.structures.crystal import Crystal, CrystalStore

READER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What a reader may raise at a text that is not as it expects it, whoever has written it."""

Overlap = tuple[int, int, float]  # two sites and their distance in Å


def refuse_overlap(crystal: Crystal, min_distance: float = OVERLAP) -> None:
    """Raise `BadCrystal` if two atoms are too close, periodic images included.

    It is exact for every cell, because it uses the neighbour search of the graphs.

    Args:
        crystal: The crystal.
        min_distance: Smallest allowed distance in Å.
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
        crystal.lattice, crystal.fractional_positions, min_distance, crystal.id
    ):
        return None  # nearly always, and known within a microsecond
    lattices, offsets = crystal.lattice[None], np.array([0, crystal.n_atoms])
    overlaps = _search(lattices, crystal.fractional_positions, offsets, min_distance, [crystal.id])
    return overlaps.get(0)


def find_overlaps(store: CrystalStore, min_distance: float = OVERLAP) -> dict[int, Overlap]:
    """Return the nearest pair of sites of each crystal that has one within `min_distance` in Å."""
    arrays = store.lattices, store.fractional_positions, store.offsets
    return _search(*arrays, min_distance, store.ids)


def _search(
    lattices: np.ndarray,
    positions: np.ndarray,
    offsets: np.ndarray,
    min_distance: float,
    ids: Sequence[str] | np.ndarray,
) -> dict[int, Overlap]:
    if not 0 < min_distance < 10:
        raise BadConfig(f"min_distance = {min_distance} Å; it must lie in (0, 10).")
    _refuse_extreme(lattices, positions, offsets)
    neighbours, _, distances, counts = find_neighbours(
        lattices, positions, offsets, 0, len(lattices), RADIUS, 0, min_distance, ids
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


def note(id: str, text: str) -> None:
    """Warn of what was guessed or does not fit together in a crystal that is read nevertheless."""
    warnings.warn(CrystalWarning(f"crystal {id!r}: {text}"), stacklevel=2)


def note_periodicity(periodic: Sequence[bool], id: str) -> None:
    """Warn of a sheet or a wire, which is read as if it were repeated; refuse what never repeats.

    Raises:
        BadCrystal: No direction is periodic.
    """
    said = " ".join("T" if flag else "F" for flag in periodic)
    if not any(periodic):
        problem = f"it is not periodic in any direction (pbc {said})"
        remedy = "Set pbc to true if the cell repeats; give a molecule a box first."
        raise BadCrystal(problem, id=id, remedy=remedy)
    if not all(periodic):
        note(id, f"it is not periodic in three directions (pbc {said}), and read as if it were")


def _refuse_extreme(lattices: np.ndarray, positions: np.ndarray, offsets: np.ndarray) -> None:
    """Raise `BadCrystal` where arrays of a table break a bound that each `Crystal` is held to."""
    squares = (lattices * lattices).sum(axis=2)
    volumes = np.abs(np.linalg.det(lattices))
    flat = volumes < FLATTEST_CELL * np.sqrt(squares.prod(axis=1))
    sparse = volumes > LARGEST_VOLUME * np.diff(offsets)
    extreme = flat | sparse | (squares > LONGEST_CELL**2).any(axis=1)
    far = len(positions) and max(positions.max(), -positions.min()) > LARGEST_FRACTION
    if not (far or extreme.any()):
        return
    rows = np.flatnonzero(extreme)
    row = int(rows[0]) if len(rows) else 0
    if far:
        atom = int(np.abs(positions).max(axis=1).argmax())
        row = int(np.searchsorted(offsets, atom, side="right")) - 1
    atoms = positions[offsets[row] : offsets[row + 1]]
    refuse_bad_arrays(lattices[row], atoms, np.ones(len(atoms), np.uint8), "")


def explain(problem: Exception, id: str, file: str = "") -> BadCrystal:
    """Return the `BadCrystal` that says what went wrong in one item, whatever its reader raised."""
    if isinstance(problem, BadCrystal):
        id, file = problem.id or id, file or problem.file or ""
        text, site, remedy = problem.problem, problem.site, problem.remedy
        return BadCrystal(text, id=id, file=file or None, site=site, remedy=remedy)
    if isinstance(problem, RecursionError):
        text = "it is nested too deeply"
    elif isinstance(problem, MemoryError):
        text = "it asks for more memory than there is"
    else:  # the words of Python or numpy would not tell the reader of a file what to do
        text = f"its content is not what its format has there ({type(problem).__name__})"
    remedy = "Check that the file is complete and of the format that its name says."
    return BadCrystal(text, id=id, file=file or None, remedy=remedy)


def read_each(
    pending: Iterable[tuple[str, Callable[[], Crystal]]], rejected: list[Rejected] | None
) -> list[Crystal]:
    """Return the crystals that can be read; the others go to `rejected`, or are raised without it.

    `pending` holds the id of each crystal and the function that reads it. This and `read_file` are
    the two places where one bad item is kept from taking the others with it.
    """
    crystals = []
    for id, read in pending:
        try:
            crystals.append(read())
        except (BadCrystal, *READER_ERRORS) as problem:
            reason = explain(problem, id)
            if rejected is None:
                raise reason from problem
            rejected.append(Rejected(id, str(reason)))
    return crystals


def number_ids(id: str, n_crystals: int) -> list[str]:
    """Return the ids of the crystals of one source: `id` for one, else `id#0`, `id#1`, …

    >>> number_ids("run", 2)
    ['run#0', 'run#1']
    """
    return [id] if n_crystals == 1 else [f"{id}#{index}" for index in range(n_crystals)]
