"""Crystals of consecutive rows of a table as flat arrays, and the reasons of rows without one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from xtalgraph.errors import BadCrystal
from xtalgraph.structures.checks import find_overlaps, overlap_error
from xtalgraph.structures.store import CrystalStore


@dataclass(frozen=True, eq=False)
class FlatCrystals:
    """The crystals of consecutive rows of a table, and why some rows have none.

    The arrays hold the good rows only, in order; `bad` gives the reason for each other row, by its
    number counted from the first row of this piece. A row's id is not needed here: it may depend on
    rows that have not been read yet.
    """

    lattices: Float64[np.ndarray, "n_crystals 3 3"]
    fractional_positions: Float64[np.ndarray, "n_atoms 3"]
    atomic_numbers: UInt8[np.ndarray, "n_atoms"]
    n_atoms: Int64[np.ndarray, "n_crystals"]
    n_rows: int
    bad: dict[int, str] = field(default_factory=dict)

    @classmethod
    def from_store(cls, store: CrystalStore, n_rows: int, bad: dict[int, str]) -> FlatCrystals:
        """Take over crystals that were read one by one."""
        return cls(
            store.lattices,
            store.fractional_positions,
            store.atomic_numbers,
            store.n_atoms,
            n_rows,
            bad,
        )


def join_flat(pieces: Sequence[FlatCrystals], ids: np.ndarray) -> CrystalStore:
    """Give the store of all good rows of consecutive pieces; `ids` are those of the good rows."""
    counts = np.concatenate([piece.n_atoms for piece in pieces])
    return CrystalStore(
        np.concatenate([piece.lattices for piece in pieces]),
        np.concatenate([piece.fractional_positions for piece in pieces]),
        np.concatenate([piece.atomic_numbers for piece in pieces]),
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        ids,
    )


def join_bad(pieces: Sequence[FlatCrystals]) -> dict[int, str]:
    """Give the reasons of all bad rows of consecutive pieces, by row of the whole table."""
    bad, start = {}, 0
    for piece in pieces:
        bad.update({start + row: reason for row, reason in piece.bad.items()})
        start += piece.n_rows
    return bad


def drop_rows(flat: FlatCrystals, reasons: dict[int, str]) -> FlatCrystals:
    """Give the piece without some of its rows, whose reasons replace those found before."""
    if not reasons:
        return flat
    good_rows = [row for row in range(flat.n_rows) if row not in flat.bad]
    keep = np.array([row not in reasons for row in good_rows], dtype=bool)
    atoms = np.repeat(keep, flat.n_atoms)
    return FlatCrystals(
        flat.lattices[keep],
        flat.fractional_positions[atoms],
        flat.atomic_numbers[atoms],
        flat.n_atoms[keep],
        flat.n_rows,
        dict(sorted((flat.bad | reasons).items())),
    )


def drop_overlaps(flat: FlatCrystals) -> FlatCrystals:
    """Give the piece without the rows in which two atoms overlap."""
    nameless = np.full(len(flat.n_atoms), "", dtype=np.dtypes.StringDType())
    store = join_flat([flat], nameless)
    good_rows = [row for row in range(flat.n_rows) if row not in flat.bad]
    reasons = {
        good_rows[position]: describe_problem(overlap_error(store[position], overlap))
        for position, overlap in find_overlaps(store).items()
    }
    return drop_rows(flat, reasons)


def describe_problem(error: BadCrystal) -> str:
    """Give the reason of a refused crystal without its id, which stands beside it in a list."""
    where = f"site {error.site}: " if error.site is not None else ""
    return f"{where}{error.problem}." + (f" {error.remedy}" if error.remedy else "")
