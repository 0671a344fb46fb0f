"""The layout of 2018, row by row: which structure file belongs to which id. Without pandas."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xtalgraph.data.column_names import ID_NAMES
from xtalgraph.data.files import open_text
from xtalgraph.data.flat_crystals import describe_problem
from xtalgraph.data.sources import TABLE_NAME, find_structure_names, plain_name
from xtalgraph.errors import BadCrystal, BadDataset, Rejected
from xtalgraph.structures import Crystal, CrystalStore
from xtalgraph.structures.formats import FORMATS
from xtalgraph.structures.reading import only_one, read_bytes, read_file

_ROWS = 2048  # read at a time


@dataclass(frozen=True, eq=False)
class FolderIndex:
    """A table of ids and targets, as texts, and the files beside it by their names."""

    names: tuple[str, ...]  # of the columns
    rows: list[list[str]]  # without the header
    id_column: int
    files: dict[str, str]  # names of files, by themselves and without their suffixes

    @property
    def ids(self) -> list[str]:
        """The id of each row."""
        return [row[self.id_column].strip() for row in self.rows]


def read_index(table: Path) -> FolderIndex:
    """Read a table like `id_prop.csv`, and find the structure files beside it.

    With or without header. Without one a single column is called as the file, or `target` in
    `id_prop.csv`; several are `target_1`, `target_2`, … The id is the column called so, or the
    first. Refused: rows that are longer than the first, a blank id, a table none of whose ids has
    a file.
    """
    rows = _read_rows_of(table)
    files = _index_files(table.parent)
    names, rows = _name_columns(rows, table, files)
    index = FolderIndex(names, rows, _find_id(names, rows), files)
    ids = index.ids
    blank = [row for row, id in enumerate(ids) if not id]
    if blank:
        raise BadDataset(
            f"column {names[index.id_column]!r}: no id in {len(blank)} rows, first in row "
            f"{blank[0]} (counted from 0). Fill it in, or rename the column so that it is not "
            "taken for ids."
        )
    if not any(id in files for id in ids):
        raise BadDataset(
            f"{table}: no structure file for any of its {len(ids)} ids, as {ids[0]}.cif in "
            f"{table.parent}. Put the files there; or give the table a column 'cif' of CIF text, "
            "or 'lattice', 'species' and 'frac'."
        )
    return index


def iterate_folder(table: Path) -> Iterator[tuple[CrystalStore, list[Rejected]]]:
    """Give the crystals of such a table some thousand at a time, and the rows that have none."""
    index = read_index(table)
    ids = index.ids
    for first in range(0, len(ids), _ROWS):
        crystals, found, _ = read_rows(ids[first : first + _ROWS], index.files, table.parent)
        yield CrystalStore.from_crystals(crystals), found


def read_rows(
    ids: Sequence[str], files: dict[str, str], folder: Path
) -> tuple[list[Crystal], list[Rejected], np.ndarray]:
    """Give the crystals of some rows, what is wrong with the others, and which are good."""
    return part_rows(
        [read_row(id, folder, files[id]) if id in files else tell_missing(id, folder) for id in ids]
    )


def read_row(id: str, folder: Path, name: str, content: bytes | None = None) -> Crystal | Rejected:
    """Give the crystal of a file, or of its `content` where that was read before, or the reason."""
    try:
        return only_one(read_file(f"{folder}/{name}", id, content=content), id)
    except BadCrystal as error:
        return Rejected(id, f"{name}: {describe_problem(error)}")


def read_content(folder: Path, name: str) -> bytes | None:
    """Give the bytes of a file, or None: reading it as a crystal then says what is wrong."""
    try:
        return read_bytes(f"{folder}/{name}")
    except BadCrystal:
        return None


def tell_missing(id: str, folder: Path) -> Rejected:
    """Give the reason why an id without a file has no crystal."""
    return Rejected(id, f"no structure file {id}.cif in {folder}")


def part_rows(
    rows: list[Crystal | Rejected],
) -> tuple[list[Crystal], list[Rejected], np.ndarray]:
    """Give the crystals among some rows, the reasons of the others, and which are crystals."""
    good = np.array([isinstance(row, Crystal) for row in rows], dtype=bool)
    crystals = [row for row in rows if isinstance(row, Crystal)]
    return crystals, [row for row in rows if isinstance(row, Rejected)], good


def _index_files(folder: Path) -> dict[str, str]:
    """Give the names of structure files by themselves, and without their suffixes."""
    names = find_structure_names(folder)[::-1]
    return {FORMATS.stem(name): name for name in names} | {name: name for name in names}


def _read_rows_of(table: Path) -> list[list[str]]:
    """Give the cells of a CSV file; short rows are filled up with blanks."""
    rows: list[list[str]] = []
    with open_text(table) as file:
        reader = csv.reader(file, strict=True)
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if rows and len(row) > len(rows[0]):
                raise BadDataset(
                    f"{table}: it cannot be read ({len(row)} cells in line {reader.line_num}, "
                    f"expected {len(rows[0])}). Is the file complete?"
                )
            rows.append(row + [""] * (len(rows[0]) - len(row) if rows else 0))
    if not rows:
        raise BadDataset(f"{table}: it cannot be read (it is empty). Is the file complete?")
    return rows


def _name_columns(
    rows: list[list[str]], table: Path, files: dict[str, str]
) -> tuple[tuple[str, ...], list[list[str]]]:
    """Take the header off, if there is one, or give the columns names."""
    first = [cell.strip() for cell in rows[0]]
    if _is_header(first, files):
        if len(rows) == 1:
            raise BadDataset(f"{table}: a header and no rows. Is it complete?")
        if len(set(first)) < len(first):
            raise BadDataset(f"{table}: two columns have one name: {', '.join(first)}. Rename one.")
        return tuple(first), rows[1:]
    if len(first) == 2:
        return ("id", "target" if table.name == TABLE_NAME else plain_name(table)), rows
    return ("id", *(f"target_{number}" for number in range(1, len(first)))), rows


def _is_header(first: Sequence[str], files: dict[str, str]) -> bool:
    """A header names no file, and has a word where the rows below it have numbers."""
    if first[0] in files:
        return False
    if first[0].lower() in ID_NAMES:
        return True
    return any(cell and not _is_number(cell) for cell in first[1:])


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _find_id(names: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Give the column called as ids are (`name` if it has no repeats), or the first."""
    lower = [name.lower() for name in names]
    for word in ID_NAMES:
        if word in lower:
            column = lower.index(word)
            if word != "name" or len({row[column] for row in rows}) == len(rows):
                return column
    return 0
