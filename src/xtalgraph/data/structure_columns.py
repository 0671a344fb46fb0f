"""From columns of a table to the flat arrays of many crystals, without a loop over atoms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float64, Int, Int64, UInt8

from xtalgraph.errors import BadCrystal
from xtalgraph.structures.checks import find_overlaps, overlap_error
from xtalgraph.structures.crystal import Crystal, CrystalStore
from xtalgraph.structures.elements import SYMBOLS, atomic_number


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
    """Return the store of all good rows of consecutive pieces; `ids` are those of the good rows."""
    counts = np.concatenate([piece.n_atoms for piece in pieces])
    return CrystalStore(
        np.concatenate([piece.lattices for piece in pieces]),
        np.concatenate([piece.fractional_positions for piece in pieces]),
        np.concatenate([piece.atomic_numbers for piece in pieces]),
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        ids,
    )


def drop_rows(flat: FlatCrystals, reasons: dict[int, str]) -> FlatCrystals:
    """Return the piece without some of its rows, whose reasons replace those found before."""
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
    """Return the piece without the rows in which two atoms overlap."""
    nameless = np.full(len(flat.n_atoms), "", dtype=np.dtypes.StringDType())
    store = join_flat([flat], nameless)
    good_rows = [row for row in range(flat.n_rows) if row not in flat.bad]
    reasons = {
        good_rows[position]: overlap_error(store[position], overlap).reason
        for position, overlap in find_overlaps(store).items()
    }
    return drop_rows(flat, reasons)


def lattices_from_parameters(
    parameters: np.ndarray,  # n_crystals × 6
) -> Float64[np.ndarray, "n_crystals 3 3"]:
    """Return the lattice rows (Å) of many cells from a, b, c (Å), α, β, γ (degrees).

    The orientation is that of `lattice_from_parameters`: c along z, a in the xz plane.
    """
    a, b, c = parameters[:, :3].T
    cos_alpha, cos_beta, cos_gamma = np.cos(np.radians(parameters[:, 3:])).T
    sin_alpha, sin_beta = np.sin(np.radians(parameters[:, 3:5])).T
    with np.errstate(divide="ignore", invalid="ignore"):  # flat cells are refused by their volume
        ratio = (cos_alpha * cos_beta - cos_gamma) / (sin_alpha * sin_beta)
    gamma_star = np.arccos(np.clip(ratio, -1.0, 1.0))
    lattices = np.zeros((len(parameters), 3, 3))
    lattices[:, 0, 0] = a * sin_beta
    lattices[:, 0, 2] = a * cos_beta
    lattices[:, 1, 0] = -b * sin_alpha * np.cos(gamma_star)
    lattices[:, 1, 1] = b * sin_alpha * np.sin(gamma_star)
    lattices[:, 1, 2] = b * cos_alpha
    lattices[:, 2, 2] = c
    lattices[(parameters[:, :3] <= 0).any(axis=1)] = 0.0  # a negative length is no cell
    return lattices


def read_flat_columns(lattice: pa.Array, species: pa.Array, positions: pa.Array) -> FlatCrystals:
    """Return the crystals of three list columns: lattice, species and fractional positions.

    A lattice is six parameters (Å, degrees) or three vectors as rows (Å), flat or nested; species
    are element symbols or atomic numbers; positions are n × 3, flat or nested. A row that makes no
    crystal is left out and its reason kept.
    """
    lattice_list = _FlatList.from_arrow(lattice)
    species_list = _FlatList.from_arrow(species)
    position_list = _FlatList.from_arrow(positions)
    numbers, unknown = _read_species(species_list)
    cells = _to_floats(lattice_list)
    coordinates = _to_floats(position_list)
    lattices = _read_lattices(cells, lattice_list)
    reasons = _Reasons(len(lattice))
    _refuse_wrong_counts(reasons, lattice_list, species_list, position_list)
    reasons.add(_any_by_row(numbers == 0, species_list.counts), unknown)
    finite = np.isfinite(lattices).all(axis=(1, 2))
    finite &= ~_any_by_row(~np.isfinite(coordinates), position_list.counts)
    reasons.add(~finite, lambda row: "a lattice number or a coordinate is not a finite number")
    with np.errstate(invalid="ignore"):
        flat = ~(np.abs(np.linalg.det(lattices)) >= 1e-6)
    reasons.add(flat, lambda row: "the cell has no volume. Check its lengths and angles")
    good = reasons.good
    return FlatCrystals(
        lattices[good],
        coordinates[np.repeat(good, position_list.counts)].reshape(-1, 3),
        numbers[np.repeat(good, species_list.counts)],
        species_list.counts[good],
        len(lattice),
        reasons.by_row,
    )


def read_cells(lattice: Sequence, species: Sequence, positions: Sequence) -> FlatCrystals:
    """Return the crystals of three columns of Python lists, as JSON has them; see the sister above.

    Cells of one column may differ in form from row to row. A row whose cells are no lists of
    numbers and symbols is left out and its reason kept.
    """
    rows, reasons = [], {}
    for row, cells in enumerate(zip(lattice, species, positions, strict=True)):
        try:
            rows.append(_read_cell_row(*cells))
        except (TypeError, ValueError) as error:
            reasons[row] = f"lattice, species or positions are not lists ({error})"
            rows.append(([1.0] * 6, ["H"], [0.0] * 3))  # a stand-in, taken out again below
    columns = list(zip(*rows, strict=True)) or [[], [], []]
    flat = read_flat_columns(
        pa.array(columns[0], pa.list_(pa.float64())),
        pa.array(columns[1], pa.list_(pa.string())),
        pa.array(columns[2], pa.list_(pa.float64())),
    )
    return drop_rows(flat, reasons)


def read_each(cells: Sequence[Any], read: Callable[[Any], Crystal]) -> FlatCrystals:
    """Return the crystals of a column of whole structures, each read by `read`; blanks are bad."""
    crystals, bad = [], {}
    for row, cell in enumerate(cells):
        if not isinstance(cell, (str, dict)) or not cell or cell == "nan":
            bad[row] = "there is no structure in this row."
            continue
        try:
            crystals.append(read(cell))
        except BadCrystal as error:
            bad[row] = error.reason
    return FlatCrystals.from_store(CrystalStore.from_crystals(crystals), len(cells), bad)


@dataclass(frozen=True)
class _FlatList:
    """A list column with its nesting taken away: all values, and how many belong to each row."""

    values: pa.Array
    counts: Int64[np.ndarray, "n_rows"]
    regular: Bool[np.ndarray, "n_rows"]  # False where a nested row is not made of triples

    @classmethod
    def from_arrow(cls, column: pa.Array) -> _FlatList:
        """Take one or two levels of lists away; a missing row counts as an empty one."""
        counts = _list_lengths(column)
        values = column.flatten()
        regular = np.ones(len(counts), dtype=bool)
        if _is_list(values.type):
            inner = _list_lengths(values)
            regular = ~_any_by_row(inner != 3, counts)
            ends = np.cumsum(counts)
            totals = np.concatenate([[0], np.cumsum(inner)])
            counts = totals[ends] - totals[ends - counts]
            values = values.flatten()
        return cls(values, counts, regular)


class _Reasons:
    """The first thing that is wrong with each row."""

    def __init__(self, n_rows: int) -> None:
        self.good = np.ones(n_rows, dtype=bool)
        self._by_row: dict[int, str] = {}

    def add(self, wrong: Bool[np.ndarray, "n_rows"], say: Callable[[int], str]) -> None:
        """Mark the rows where `wrong` is true; a row that has a reason keeps it."""
        for row in np.flatnonzero(wrong & self.good).tolist():
            self._by_row[row] = say(row) + "."
        self.good &= ~wrong

    @property
    def by_row(self) -> dict[int, str]:
        """The reasons, in the order of the rows."""
        return dict(sorted(self._by_row.items()))


def _refuse_wrong_counts(
    reasons: _Reasons, lattice: _FlatList, species: _FlatList, positions: _FlatList
) -> None:
    reasons.add(
        ~lattice.regular | ~np.isin(lattice.counts, (6, 9)),
        lambda row: (
            f"the lattice has {lattice.counts[row]} numbers. "
            "Give a, b, c, alpha, beta, gamma or three vectors as rows"
        ),
    )
    reasons.add(species.counts == 0, lambda row: "it has no atoms")
    reasons.add(
        ~positions.regular | (positions.counts != 3 * species.counts),
        lambda row: (
            f"{species.counts[row]} species but {positions.counts[row]} coordinates. "
            "Give three fractional coordinates for each atom, atom after atom"
        ),
    )


def _is_list(kind: pa.DataType) -> bool:
    return (
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def _list_lengths(column: pa.Array) -> Int64[np.ndarray, "n_rows"]:
    lengths = pc.fill_null(pc.list_value_length(column), 0)
    return lengths.to_numpy(zero_copy_only=False).astype(np.int64)


def _to_floats(column: _FlatList) -> np.ndarray:
    values = column.values.cast(pa.float64())
    return values.to_numpy(zero_copy_only=False).astype(np.float64)  # null becomes nan


def _read_lattices(cells: np.ndarray, column: _FlatList) -> Float64[np.ndarray, "n_crystals 3 3"]:
    """Rows that are neither six nor nine numbers become nan."""
    starts = np.cumsum(column.counts) - column.counts
    lattices = np.full((len(column.counts), 3, 3), np.nan)
    for n_numbers in (6, 9):
        rows = np.flatnonzero(column.counts == n_numbers)
        block = cells[starts[rows][:, None] + np.arange(n_numbers)]
        lattices[rows] = (
            lattices_from_parameters(block) if n_numbers == 6 else block.reshape(-1, 3, 3)
        )
    return lattices


def _read_species(
    column: _FlatList,
) -> tuple[UInt8[np.ndarray, "n_atoms"], Callable[[int], str]]:
    """Return atomic numbers, 0 where there is no such element, and what to say about such a row."""
    values = column.values
    if not pa.types.is_dictionary(values.type):
        values = values.dictionary_encode()
    labels = [str(label) for label in values.dictionary.to_pylist()]
    codes = pc.fill_null(values.indices, len(labels)).to_numpy(zero_copy_only=False)
    table = np.array([_number_or_zero(label) for label in [*labels, "missing"]], dtype=np.uint8)
    numbers = table[codes]
    ends = np.cumsum(column.counts)

    def say(row: int) -> str:
        start = ends[row] - column.counts[row]
        site = int(np.flatnonzero(numbers[start : ends[row]] == 0)[0])
        label = [*labels, "missing"][codes[start + site]]
        return f"site {site}: {label!r} is not an element. Use element symbols, or leave it out"

    return numbers, say


def _number_or_zero(label: str) -> int:
    if label.isdigit():
        return int(label) if int(label) < len(SYMBOLS) else 0
    try:
        return atomic_number(label)
    except BadCrystal:
        return 0


def _read_cell_row(lattice: Any, species: Any, positions: Any) -> tuple[list, list, list]:
    cell = np.asarray(lattice, dtype=np.float64)
    coordinates = np.asarray(positions, dtype=np.float64)
    if coordinates.ndim == 2 and coordinates.shape[1] != 3:
        raise ValueError(f"positions of shape {coordinates.shape}")
    if not isinstance(species, (list, tuple)) or not all(
        isinstance(s, (str, int)) for s in species
    ):
        raise ValueError("species must be a list of element symbols")
    return cell.ravel().tolist(), [str(symbol) for symbol in species], coordinates.ravel().tolist()


def _any_by_row(mask: np.ndarray, counts: Int[np.ndarray, "n_rows"]) -> Bool[np.ndarray, "n_rows"]:
    """Return for each row whether any of its `counts` values is true; False for an empty row."""
    totals = np.concatenate([[0], np.cumsum(mask)])
    ends = np.cumsum(counts)
    return totals[ends] - totals[ends - counts] > 0
