"""The layout of 2018: a table of ids and targets beside one structure file for each id."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from xtalgraph.data.cells import is_blank_number, read_number
from xtalgraph.data.columns import NAMELESS, refuse_blank_ids
from xtalgraph.data.files import (
    ID_NAMES,
    TABLE_NAME,
    FilesChecksum,
    checksum_texts,
    explain_unreadable,
    plain_name,
)
from xtalgraph.data.pieces import Cells, Contents, Part, Source
from xtalgraph.data.text_rows import find_dialect, iterate_even_rows
from xtalgraph.errors import BadCrystal, BadDataset, Rejected
from xtalgraph.files import unprotect
from xtalgraph.structures import CrystalStore
from xtalgraph.structures.formats import FORMATS
from xtalgraph.structures.reading import list_by_priority, only_one, read_bytes, read_file

_ROWS = 2048  # read at a time
_SHOWN = 5  # files that are named


@dataclass(frozen=True, eq=False)
class FolderIndex:
    """A table of ids and targets, as texts, and the files next to it by their names."""

    names: tuple[str, ...]  # of the columns
    rows: list[list[str]]  # without the header
    id_column: int
    files: dict[str, str]  # names of files, by themselves and without their suffixes
    found: dict[str, str]  # names of files by id
    missing: dict[str, str]  # what to say of an id without file
    decimal: str = "."  # the sign that numbers have

    @property
    def ids(self) -> list[str]:
        """The id of each row."""
        return [unprotect(row[self.id_column].strip()) for row in self.rows]


class FolderSource(Source):
    """A table like `id_prop.csv`, whose structures are files next to it.

    Every column that is not the id is a target or a class. An id without file, and a file that
    cannot be read, have no crystal.
    """

    def __init__(self, table: Path, title: str, match: str = "exact") -> None:
        super().__init__(plain_name(table.parent if table.name == TABLE_NAME else table), title)
        with explain_unreadable(table):
            self.index = read_index(table, match)
        self.table, self.match = table, match
        unused = sorted(set(self.index.files.values()) - set(self.index.found.values()))
        if unused:
            named = ", ".join(unused[:_SHOWN]) + (", …" if len(unused) > _SHOWN else "")
            n_files = f"{len(unused)} structure file{'s are' if len(unused) > 1 else ' is'}"
            self.remarks = (f"{title}: {n_files} in no row and not read: {named}.",)
        self.n_crystals = len(self.index.rows)
        self._contents: dict[str, bytes] = {}  # of files, between their checksum and their parts

    def parts(self) -> Iterator[Part]:
        """Yield some thousand rows at a time."""
        index, folder = self.index, str(self.table.parent)
        id_column, ids = index.id_column, index.ids
        names = [name for place, name in enumerate(index.names) if place != id_column]
        for first in range(0, len(ids), _ROWS):
            some = ids[first : first + _ROWS]
            files = [index.found.get(id, "") for id in some]
            contents = [self._contents.pop(file, None) for file in files]
            rows = [row[:id_column] + row[id_column + 1 :] for row in index.rows[first:][:_ROWS]]
            entries = list(zip(some, files, contents, rows, strict=True))
            missing = {id: index.missing[id] for id in some if id in index.missing}
            yield Part(partial(_read_entries, folder, names, entries, missing, index.decimal))

    def identity(self) -> dict[str, Any]:
        """Return a checksum of the table, and of the names, sizes and times of its files."""
        texts = [f"{row}" for row in self.index.rows]
        for name in sorted(set(self.index.found.values())):
            status = (self.table.parent / name).stat()
            texts.append(f"{name} {status.st_size} {status.st_mtime_ns}")
        return {"kind": "folder", "checksum": checksum_texts(texts)}

    def checksum(self) -> str:
        """Return the SHA-256 of the table and of the files that it names.

        What is read for it is kept for the parts, so that each file is read once.
        """
        folder, total = self.table.parent, FilesChecksum()
        files = set(self.index.found.values())
        for name in sorted([*files, self.table.name]):
            if name == self.table.name:
                total.add(name, self.table.read_bytes())
                continue
            try:
                content = read_bytes(f"{folder}/{name}")
            except BadCrystal:
                continue  # reading it as a crystal says what is wrong
            self._contents[name] = content
            total.add(name, content)
        return total.give()


def _read_entries(
    folder: str,
    names: Sequence[str],
    entries: Sequence[tuple[str, str, bytes | None, list[str]]],
    missing: dict[str, str],
    decimal: str,
) -> Contents:
    """Read the structure files of some rows, and keep the cells of those that are good."""
    crystals, rejected, kept = [], [], []
    for id, file, content, cells in entries:
        if not file:
            rejected.append(Rejected(id, f"no structure file {id}.cif in {folder}{missing[id]}"))
            continue
        try:
            crystals.append(only_one(read_file(f"{folder}/{file}", id, content=content), id))
            kept.append(cells)
        except BadCrystal as error:
            rejected.append(Rejected(id, f"{file}: {error.reason}"))
    columns = {name: [row[place] for row in kept] for place, name in enumerate(names)}
    return Contents(CrystalStore.from_crystals(crystals), rejected, Cells(columns, True, decimal))


def names_files(table: Path) -> bool:
    """Return whether a table has a row for some structure file next to it."""
    with explain_unreadable(table):
        rows = list(islice(iterate_even_rows(table), _ROWS))
    files = _index_files(table.parent)
    return any(cell.strip() in files for row in rows for cell in row)


def read_index(table: Path, match: str = "exact") -> FolderIndex:
    """Read a table like `id_prop.csv`, and find the structure files next to it.

    With or without header. Without one a single column is called as the file, or `target` in
    `id_prop.csv`; several are `target_1`, `target_2`, … The id is the column called so, or the
    first. Refused: rows that are longer than the first, a blank id, a table none of whose ids has
    a file.
    """
    rows = _cut_empty(list(iterate_even_rows(table)))
    files = _index_files(table.parent)
    names, rows = _name_columns(rows, table, files)
    id_column = _find_id(names, rows)
    ids = [unprotect(row[id_column].strip()) for row in rows]
    refuse_blank_ids(ids, names[id_column])
    found, missing = match_files(ids, files, match)
    if not found:
        raise BadDataset(
            f"{table}: no structure file for any of its {len(ids)} ids, as {ids[0]}.cif in "
            f"{table.parent}{missing[ids[0]]}. Put the files there; or give the table a column "
            "'cif' of CIF text, or 'lattice', 'species' and 'frac'."
        )
    decimal = find_dialect(table).decimal
    return FolderIndex(names, rows, id_column, files, found, missing, decimal)


def match_files(
    ids: Sequence[str], files: Mapping[str, str], match: str
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the file of each id, and for each id without one what to say of it.

    A file that one row has is no other's: of two ids that are loosely the same neither is taken.

    >>> match_files(["A", "7"], {"a": "a.cif", "007": "007.cif"}, "loose")[0]
    {'A': 'a.cif', '7': '007.cif'}
    """
    found = {id: files[id] for id in ids if id in files}
    missing = {id: "" for id in ids if id not in files}
    if not missing:
        return found, missing
    near: dict[str, set[str]] = {}
    for file in set(files.values()):
        near.setdefault(_loosely(file), set()).add(file)
    wanted = Counter(_loosely(id) for id in missing)
    taken = set(found.values())
    for id in list(missing):
        candidates = sorted(near.get(_loosely(id), set()))
        if not candidates:
            continue
        free = len(candidates) == 1 and candidates[0] not in taken and wanted[_loosely(id)] == 1
        if free and match == "loose":
            found[id] = candidates[0]
            del missing[id]
        elif free:
            missing[id] = f" (near is {candidates[0]}: --match loose takes it)"
        else:
            missing[id] = f" (near is {', '.join(candidates[:3])}, which is not this row's alone)"
    return found, missing


def _loosely(name: str) -> str:
    """Return an id or file name without suffix, capitals, and zeros in front of numbers."""
    name = FORMATS.stem(name) if FORMATS.find(name) is not None else name
    return re.sub(r"(?<!\d)0+(?=\d)", "", name.strip().casefold())


def _index_files(folder: Path) -> dict[str, str]:
    """Return the names of structure files by themselves, and without their suffixes."""
    names = list_by_priority(folder)[::-1]
    return {FORMATS.stem(name): name for name in names} | {name: name for name in names}


def _cut_empty(rows: list[list[str]]) -> list[list[str]]:
    """Take columns at the end away that are blank in every row."""
    width = max(place + 1 for row in rows for place, cell in enumerate(row) if cell.strip())
    return [row[:width] for row in rows]


def _name_columns(
    rows: list[list[str]], table: Path, files: dict[str, str]
) -> tuple[tuple[str, ...], list[list[str]]]:
    """Take the header off, if there is one, or give the columns names."""
    first = [cell.strip() for cell in rows[0]]
    if _is_header(first, files):
        if len(rows) == 1:
            raise BadDataset(f"{table}: a header and no rows. Is it complete?")
        first = [name or f"{NAMELESS} {place}" for place, name in enumerate(first)]
        if len(set(first)) < len(first):
            raise BadDataset(f"{table}: two columns have one name: {', '.join(first)}. Rename one.")
        return tuple(first), rows[1:]
    if len(first) == 2:
        return ("id", "target" if table.name == TABLE_NAME else plain_name(table)), rows
    return ("id", *(f"target_{number}" for number in range(1, len(first)))), rows


def _is_header(first: Sequence[str], files: dict[str, str]) -> bool:
    """A header names no file, and has a word where the rows below it have numbers."""
    if first[0] in files or match_files(first[:1], files, "loose")[0]:
        return False
    if first[0].lower() in ID_NAMES:
        return True
    return any(
        not is_blank_number(cell) and read_number(cell.replace(",", ".")) is None
        for cell in first[1:]
    )


def _find_id(names: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Return the column called as ids are (`name` if it has no repeats), or the first."""
    lower = [name.lower() for name in names]
    for word in ID_NAMES:
        if word in lower:
            column = lower.index(word)
            if word != "name" or len({row[column] for row in rows}) == len(rows):
                return column
    return 0
