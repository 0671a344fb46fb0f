"""Which column is what: ids, structures, targets with units, class labels, and what is blank."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xtalgraph.data.cells import (
    Column,
    Table,
    as_objects,
    find_present,
    is_blank_number,
    is_missing,
    kind_of,
    read_number,
    read_texts,
    read_typed,
    strip,
)
from xtalgraph.data.files import ID_NAMES
from xtalgraph.errors import BadConfig, BadDataset
from xtalgraph.files import unprotect
from xtalgraph.units import KNOWN_TARGETS, Target, read_target_header

NAMELESS = "Unnamed:"
"""How the header of a column begins that has none, as pandas calls it."""

_SHOWN = 5  # odd cells that are named


def list_id_columns(cells: Mapping[str, Column]) -> Iterator[tuple[str, bool]]:
    """Yield the columns that may hold the ids, the best first, and whether their texts must differ.

    First those that are called so; `name` must be without repeats to count, while a repeat in
    `material_id` or `id` is kept for the pre-flight check to report. Then columns of texts.
    """
    lower = {str(name).strip().lower(): name for name in reversed(list(cells))}
    for name in ID_NAMES:
        if name in lower:
            yield lower[name], name == "name"
    for name, column in cells.items():
        if are_different_texts(column) and kind_of(read_texts(column)) != "number":
            yield name, True


def are_different_texts(cells: Column) -> bool:
    """Return whether every cell is a text that is not blank, and no two are the same."""
    is_text = all(isinstance(cell, str) and cell.strip() for cell in cells)
    return is_text and len(set(cells)) == len(cells)


def read_ids(cells: Column | None, n_rows: int, first: int = 0, name: str = "") -> np.ndarray:
    """Return one id a row as an array of strings: the column's, or the row numbers from `first`.

    A blank id is refused, since what is reported about its row could not be found again.
    """
    if cells is None:
        rows = range(first, first + n_rows)
        return np.array([str(row) for row in rows], dtype=np.dtypes.StringDType())
    texts = ["" if is_missing(cell) else _write_id(cell) for cell in cells]
    refuse_blank_ids(texts, name, first)
    return np.array(texts, dtype=np.dtypes.StringDType())


def refuse_blank_ids(texts: Sequence[str], name: str, first: int = 0) -> None:
    """Raise `BadDataset` where a row has no id."""
    blank = [first + row for row, text in enumerate(texts) if not text]
    if blank:
        raise BadDataset(
            f"column {name!r}: no id in {len(blank)} rows, first in row {blank[0]} (counted from "
            "0). Fill it in, or rename the column so that it is not taken for ids."
        )


def read_columns(
    cells: Mapping[str, Column],
    *,
    texts: bool,
    decimal: str = ".",
    names: dict[str, str] | None = None,
) -> tuple[Table, dict[str, Target]]:
    """Return the columns under plain names with blanks as missing, and the units of the numeric.

    Args:
        cells: Columns by header.
        texts: Every cell is a text, as in CSV: columns of numbers and of true and false are then
            recognised.
        decimal: The sign that numbers have in such texts.
        names: Filled with the plain names by header.

    Returns:
        Numbers as float64 (int64 where all are whole and none is missing), true and false as bool
        (objects where some are missing), texts as objects with None for a blank; and the targets.

    Raises:
        BadDataset: Two columns have one name.
    """
    columns: Table = {}
    targets: dict[str, Target] = {}
    for position, (header, column) in enumerate(cells.items()):
        name = str(header).strip()
        if not name or name.startswith(NAMELESS):
            if counts_rows(column) or all(strip(cell) is None for cell in column):
                continue  # the row numbers that pandas writes in front, or nothing at the end
            name = f"column_{position}"
        target = _read_header(name)
        if target.name in columns:
            raise BadDataset(
                f"two columns are called {target.name!r} (units do not count). Rename one."
            )
        found = read_texts(column, decimal) if texts else read_typed(column)
        columns[target.name] = found
        if names is not None:
            names[header] = target.name
        if kind_of(found) == "number":
            targets[target.name] = target
    return columns, targets


@dataclass(frozen=True)
class Schema:
    """Names, types and units of the columns of a source, as its first piece shows them.

    So the columns of all its pieces have the same types, however long it is.
    """

    names: dict[str, str]  # by header
    kinds: dict[str, str]  # by name: number, truth, or what the column holds as it is
    targets: dict[str, Target]
    texts: bool
    decimal: str = "."

    @classmethod
    def find(cls, cells: Mapping[str, Column], *, texts: bool, decimal: str = ".") -> Schema:
        """Read the types off the cells of the first piece."""
        names: dict[str, str] = {}
        columns, targets = read_columns(cells, texts=texts, decimal=decimal, names=names)
        kinds = {name: kind_of(column) for name, column in columns.items()}
        return cls(names, kinds, targets, texts, decimal)

    def read(self, cells: Mapping[str, Column], ids: np.ndarray) -> Table:
        """Return the columns of a piece under plain names.

        Raises:
            BadDataset: A cell is no number where the cells of the first piece are numbers.
        """
        columns: Table = {}
        for header, name in self.names.items():
            found = cells.get(header, [None] * len(ids))
            columns[name] = self._read(found, name, self.kinds[name], ids)
        later = {header: column for header, column in cells.items() if header not in self.names}
        if later:  # of JSON, whose rows may have other names further on
            more, targets = read_columns(later, texts=self.texts, decimal=self.decimal)
            for name, column in more.items():
                if name in self.kinds:
                    now, then = targets.get(name, Target(name)), self.targets.get(name)
                    raise BadDataset(
                        f"{now.column!r}, but the rows before have {(then or now).column!r}. "
                        "Convert one of them to the unit of the other."
                    )
                columns[name] = column
        return columns

    def _read(self, cells: Column, name: str, kind: str, ids: np.ndarray) -> np.ndarray:
        if kind == "other":
            texts = [strip(cell) if isinstance(cell, str) else cell for cell in cells]
            return as_objects([None if is_missing(cell) else cell for cell in texts])
        found = read_texts(cells, self.decimal) if self.texts else read_typed(cells)
        if not find_present(found).any():
            nothing = np.full(len(found), np.nan)
            return nothing if kind == "number" else as_objects([None] * len(found))
        if kind_of(found) != kind:
            hint = (
                describe_texts(found, ids, self.decimal, has_rows=False) if kind == "number" else ""
            )
            raise BadDataset(
                f"column {name!r}: not every cell is a {kind}, as in the first rows.{hint} "
                "Correct these cells, or quote all as texts."
            )
        return found.astype(np.float64) if kind == "number" else found


def describe_texts(
    column: np.ndarray, ids: np.ndarray, decimal: str = ".", *, has_rows: bool = True
) -> str:
    """Return which cells keep a column of texts from being numbers, or nothing if most do.

    They are named by row (counted from 0 among the crystals that were read), id and text; without
    the row where these are the rows of a piece.
    """
    odd = find_odd_cells(column, decimal)
    if not odd:
        return ""
    named = [
        (f"row {row} (id {str(ids[row])!r}) " if has_rows else f"id {str(ids[row])!r} ")
        + _show(column[row])
        for row in odd[:_SHOWN]
    ]
    more = f", … and {len(odd) - _SHOWN} more" if len(odd) > _SHOWN else ""
    return (
        f" {len(odd)} of {int(find_present(column).sum())} cells are no numbers: "
        f"{', '.join(named)}{more}."
    )


def find_odd_cells(column: np.ndarray, decimal: str = ".") -> list[int]:
    """Return the rows that keep a column of mostly numbers from being one; none of others."""
    present = [row for row in np.flatnonzero(find_present(column)) if not _is_blank(column[row])]
    odd = [int(row) for row in present if not _is_numeric(column[row], decimal)]
    return odd if len(odd) < len(present) / 2 else []


def _is_blank(cell: object) -> bool:
    return isinstance(cell, str) and is_blank_number(cell)


def _is_numeric(cell: object, decimal: str) -> bool:
    if isinstance(cell, str):
        return read_number(cell, decimal) is not None
    return isinstance(cell, (int, float, np.number)) and not isinstance(cell, (bool, np.bool_))


def _show(cell: object) -> str:
    text = repr(cell)
    return text if len(text) <= 40 else f"{text[:40]}…"


def _read_header(name: str) -> Target:
    if name in KNOWN_TARGETS:
        return KNOWN_TARGETS[name]
    try:
        return read_target_header(name)
    except BadConfig:  # a header like `E [eV] (PBE)` is a name; only `name [unit]` has a unit
        return Target(name)


def _write_id(cell: object) -> str:
    if isinstance(cell, (float, np.floating)) and float(cell).is_integer():
        return str(int(cell))  # a column of whole numbers with a gap comes as floats
    text = unprotect(str(cell).strip())
    return text.encode("utf-8", "replace").decode()  # JSON may hold half a character


def counts_rows(column: Column) -> bool:
    """Return whether a column has the row numbers 0, 1, 2, …, as pandas writes them."""
    try:
        return all(float(cell) == row for row, cell in enumerate(column))
    except (TypeError, ValueError, OverflowError):
        return False
