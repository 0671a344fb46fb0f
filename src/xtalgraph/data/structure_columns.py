"""From columns of a table to the flat arrays of many crystals, without a loop over atoms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int, Int64, UInt8

from xtalgraph.errors import BadCrystal
from xtalgraph.structures.checks import READER_ERRORS, find_overlaps, overlap_error, refuse_overlap
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


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be read, which stands for each of its cells."""

    place: str
    reason: str

    def get(self, name: str) -> BadRow:
        """Return the cell of a column."""
        return self

    def __iter__(self) -> Iterator[str]:
        """Yield the names of its columns: none are known."""
        return iter(())

    def __str__(self) -> str:
        return self.place


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
    """Return the piece without the rows in which two atoms overlap, or that cannot be searched."""
    nameless = np.full(len(flat.n_atoms), "", dtype=np.dtypes.StringDType())
    store = join_flat([flat], nameless)
    good_rows = [row for row in range(flat.n_rows) if row not in flat.bad]
    try:
        found = {row: overlap_error(store[row], one) for row, one in find_overlaps(store).items()}
    except BadCrystal:  # one that cannot be searched: which, is seen one by one
        found = {row: error for row in range(len(store)) if (error := _find_error(store[row]))}
    return drop_rows(flat, {good_rows[row]: error.reason for row, error in found.items()})


def _find_error(crystal: Crystal) -> BadCrystal | None:
    try:
        refuse_overlap(crystal)
    except BadCrystal as error:
        return error
    return None


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


@dataclass(frozen=True, eq=False)
class FlatList:
    """A column of lists with its nesting taken away: all values, and how many belong to each row.

    Where the lists hold species, the values are numbers of `labels`.
    """

    values: np.ndarray  # float64, or int64 of labels
    counts: Int64[np.ndarray, "n_rows"]
    regular: Bool[np.ndarray, "n_rows"]  # False where a nested row is not made of triples
    labels: tuple[str, ...] = ()


def read_flat_columns(lattice: FlatList, species: FlatList, positions: FlatList) -> FlatCrystals:
    """Return the crystals of three columns of lists: lattice, species and fractional positions.

    A lattice is six parameters (Å, degrees) or three vectors as rows (Å), flat or nested; species
    are element symbols or atomic numbers; positions are n × 3, flat or nested. A row that makes no
    crystal is left out and its reason kept.
    """
    numbers, unknown = _read_species(species)
    lattices = _read_lattices(lattice)
    reasons = _Reasons(len(lattice.counts))
    _refuse_wrong_counts(reasons, lattice, species, positions)
    reasons.add(any_by_row(numbers == 0, species.counts), unknown)
    ends = np.cumsum(positions.counts)
    symbol_ends = np.cumsum(species.counts)
    odd = find_odd_crystals(lattices, positions.values, positions.counts)
    for row in np.flatnonzero(reasons.good & odd).tolist():
        atoms = slice(symbol_ends[row] - species.counts[row], symbol_ends[row])
        place = positions.values[ends[row] - positions.counts[row] : ends[row]]
        try:
            Crystal(lattices[row], place.reshape(-1, 3), numbers[atoms])
        except BadCrystal as error:
            reasons.refuse(row, error.reason)
    good = reasons.good
    return FlatCrystals(
        lattices[good],
        positions.values[np.repeat(good, positions.counts)].reshape(-1, 3),
        numbers[np.repeat(good, species.counts)],
        species.counts[good],
        len(lattice.counts),
        reasons.by_row,
    )


def find_odd_crystals(
    lattices: Float64[np.ndarray, "n_crystals 3 3"], positions: np.ndarray, counts: np.ndarray
) -> Bool[np.ndarray, "n_crystals"]:
    """Return which rows `Crystal` has to check, which reports what is wrong: few, if any."""
    with np.errstate(invalid="ignore", over="ignore"):
        lengths = np.linalg.norm(lattices, axis=2)
        volumes = np.abs(np.linalg.det(lattices))
        usual = (volumes > 1e-2) & (volumes > 1e-2 * lengths.prod(axis=1)) & (volumes < 1e9)
        far = ~(np.abs(positions) < 1e3)
    far = far.any(axis=1) if far.ndim > 1 else far
    return ~usual | ~(lengths < 1e3).all(axis=1) | any_by_row(far, counts)


def read_cells(lattice: Sequence, species: Sequence, positions: Sequence) -> FlatCrystals:
    """Return the crystals of three columns of Python lists, as JSON has them; see the sister above.

    Cells of one column may differ in form from row to row. A row whose cells are no lists of
    numbers and symbols is left out and its reason kept.
    """
    rows: list[tuple[np.ndarray, list[str], np.ndarray]] = []
    reasons: dict[int, str] = {}
    stand_in = (np.ones(6), ["H"], np.zeros(3))  # taken out again below
    for row, cells in enumerate(zip(lattice, species, positions, strict=True)):
        if isinstance(cells[0], BadRow):
            reasons[row] = cells[0].reason
            rows.append(stand_in)
            continue
        try:
            rows.append(_read_cell_row(*cells))
        except (*READER_ERRORS, BadCrystal) as error:
            reasons[row] = f"lattice, species or positions are not lists ({describe_cell(error)})."
            rows.append(stand_in)
    labels: dict[str, int] = {}
    codes = [labels.setdefault(label, len(labels)) for _, symbols, _ in rows for label in symbols]
    counts = np.array([len(symbols) for _, symbols, _ in rows], dtype=np.int64)
    regular = np.ones(len(rows), dtype=bool)
    flat = read_flat_columns(
        _flatten([cell for cell, _, _ in rows]),
        FlatList(np.array(codes, dtype=np.int64), counts, regular, tuple(labels)),
        _flatten([place for _, _, place in rows]),
    )
    return drop_rows(flat, reasons)


def describe_cell(error: Exception) -> str:
    """Return the words of an error of ours, and in ours what Python has raised."""
    if isinstance(error, BadCrystal):
        return error.problem
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return "expected numbers in brackets, and symbols in brackets"


def read_each(cells: Sequence[Any], read: Callable[[Any], Crystal]) -> FlatCrystals:
    """Return the crystals of a column of whole structures, each read by `read`; blanks are bad.

    Whatever reading one raises is the reason of its row: the others are kept.
    """
    crystals, bad = [], {}
    for row, cell in enumerate(cells):
        if isinstance(cell, BadRow):
            bad[row] = cell.reason
            continue
        if not isinstance(cell, (str, dict)) or not cell or cell == "nan":
            bad[row] = "there is no structure in this row."
            continue
        try:
            crystals.append(read(cell))
        except BadCrystal as error:
            bad[row] = error.reason
        except READER_ERRORS as error:
            bad[row] = f"its structure cannot be read ({type(error).__name__}). Is it complete?"
    return FlatCrystals.from_store(CrystalStore.from_crystals(crystals), len(cells), bad)


class _Reasons:
    """The first thing that is wrong with each row."""

    def __init__(self, n_rows: int) -> None:
        self.good = np.ones(n_rows, dtype=bool)
        self._by_row: dict[int, str] = {}

    def add(self, wrong: Bool[np.ndarray, "n_rows"], say: Callable[[int], str]) -> None:
        """Mark the rows where `wrong` is true; a row that has a reason keeps it."""
        for row in np.flatnonzero(wrong & self.good).tolist():
            self.refuse(row, say(row) + ".")

    def refuse(self, row: int, reason: str) -> None:
        """Mark a row."""
        self._by_row[row] = reason
        self.good[row] = False

    @property
    def by_row(self) -> dict[int, str]:
        """The reasons, in the order of the rows."""
        return dict(sorted(self._by_row.items()))


def _refuse_wrong_counts(
    reasons: _Reasons, lattice: FlatList, species: FlatList, positions: FlatList
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


def _read_lattices(column: FlatList) -> Float64[np.ndarray, "n_crystals 3 3"]:
    """Rows that are neither six nor nine numbers become nan."""
    starts = np.cumsum(column.counts) - column.counts
    lattices = np.full((len(column.counts), 3, 3), np.nan)
    for n_numbers in (6, 9):
        rows = np.flatnonzero(column.counts == n_numbers)
        block = column.values[starts[rows][:, None] + np.arange(n_numbers)]
        lattices[rows] = (
            lattices_from_parameters(block) if n_numbers == 6 else block.reshape(-1, 3, 3)
        )
    return lattices


def _read_species(
    column: FlatList,
) -> tuple[UInt8[np.ndarray, "n_atoms"], Callable[[int], str]]:
    """Return atomic numbers, 0 where there is no such element, and what to say about such a row."""
    table = np.array([_number_or_zero(label) for label in column.labels], dtype=np.uint8)
    numbers = table[column.values] if len(table) else np.zeros(0, np.uint8)
    ends = np.cumsum(column.counts)

    def say(row: int) -> str:
        start = ends[row] - column.counts[row]
        site = int(np.flatnonzero(numbers[start : ends[row]] == 0)[0])
        label = column.labels[column.values[start + site]][:40]
        return f"site {site}: {label!r} is not an element. Use element symbols, or leave it out"

    return numbers, say


def _number_or_zero(label: str) -> int:
    if label.isascii() and label.isdigit():  # "²" is a digit to Python, and no number
        return int(label) if len(label) < 4 and int(label) < len(SYMBOLS) else 0
    try:
        return atomic_number(label)
    except BadCrystal:
        return 0


def _read_cell_row(
    lattice: Any, species: Any, positions: Any
) -> tuple[np.ndarray, list[str], np.ndarray]:
    cell = _read_array(lattice, "lattice")
    coordinates = _read_array(positions, "positions")
    if coordinates.ndim > 1 and coordinates.shape[-1] != 3:
        raise BadCrystal(f"positions of shape {coordinates.shape}")
    if not isinstance(species, (list, tuple)) or not all(
        isinstance(s, (str, int)) for s in species
    ):
        raise BadCrystal("species must be a list of element symbols")
    return cell.ravel(), [str(symbol) for symbol in species], coordinates.ravel()


def _read_array(cell: Any, name: str) -> np.ndarray:
    """Return nested lists of numbers as an array; texts that look like numbers are none."""
    if not isinstance(cell, (list, tuple)):
        raise BadCrystal(f"{name} must be a list of numbers")
    return np.asarray(cell, dtype=np.float64)


def _flatten(arrays: Sequence[np.ndarray]) -> FlatList:
    counts = np.array([len(array) for array in arrays], dtype=np.int64)
    values = np.concatenate(arrays) if len(arrays) else np.empty(0)
    return FlatList(values, counts, np.ones(len(arrays), dtype=bool))


def any_by_row(mask: np.ndarray, counts: Int[np.ndarray, "n_rows"]) -> Bool[np.ndarray, "n_rows"]:
    """Return for each row whether any of its `counts` values is true; False for an empty row."""
    totals = np.concatenate([[0], np.cumsum(mask)])
    ends = np.cumsum(counts)
    return totals[ends] - totals[ends - counts] > 0
