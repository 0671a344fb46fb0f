"""The layout of 2018: a table of ids and targets beside one structure file for each id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from xtalgraph.datasets.columns import ID_NAMES, find_id_column, read_columns, read_ids
from xtalgraph.datasets.dataset import Dataset
from xtalgraph.datasets.files import FilesChecksum, checksum_files, open_text
from xtalgraph.datasets.flat_crystals import describe_problem
from xtalgraph.datasets.sources import TABLE_NAME, find_structure_names, plain_name
from xtalgraph.datasets.tables import settle
from xtalgraph.errors import BadCrystal, BadDataset, Rejected
from xtalgraph.structures import Crystal, CrystalStore, read_crystals
from xtalgraph.structures.reading import only_one, read_bytes, read_file, stem_of_name

_ROWS = 2048  # read at a time


def read_folder(table: Path, rejected: list[Rejected] | None = None) -> Dataset:
    """Give the data set of a table like `id_prop.csv`, whose structures are files beside it.

    With or without header; the first column (or `material_id`, `id`) is the id, every other column
    a target or a class. Without header a single column is called as the file, or `target` in
    `id_prop.csv`; several are `target_1`, `target_2`, … An id without file, and a file that cannot
    be read, are collected: added to `rejected`, or refused together.
    """
    frame, id_column, ids, files = _read_index(table)
    crystals, found, good, checksum = _read_with_checksum(ids, files, table)
    settle(found, rejected, table, len(ids))
    columns, targets = read_columns(frame.drop(columns=id_column)[good], texts=True)
    name = plain_name(table.parent if table.name == TABLE_NAME else table)
    store = CrystalStore.from_crystals(crystals)
    return Dataset(name, store, columns, targets, str(table), checksum)


def iterate_folder(table: Path) -> Iterator[tuple[CrystalStore, list[Rejected]]]:
    """Give the crystals of such a table some thousand at a time, and the rows that have none."""
    _, _, ids, files = _read_index(table)
    for first in range(0, len(ids), _ROWS):
        crystals, found, _ = _read_rows(ids[first : first + _ROWS], files, table.parent)
        yield CrystalStore.from_crystals(crystals), found


def read_structure_files(
    files: Sequence[Path], source: str, name: str, rejected: list[Rejected] | None = None
) -> Dataset:
    """Give the data set of structure files without targets, as for prediction."""
    found: list[Rejected] = []
    store = read_crystals(files, rejected=found)
    settle(found, rejected, source, len(store) + len(found))
    columns = pd.DataFrame(index=pd.RangeIndex(len(store)))
    return Dataset(name, store, columns, {}, source, checksum_files(files))


def _read_index(table: Path) -> tuple[pd.DataFrame, str, np.ndarray, dict[str, str]]:
    """Give the table, its column of ids, the ids, and the files beside it by their names."""
    frame = _read_table(table)
    files = _index_files(table.parent)
    frame = _name_columns(frame, table, files)
    id_column = _find_id(frame)
    ids = read_ids(frame[id_column], len(frame))
    if not any(id in files for id in ids.tolist()):
        raise BadDataset(
            f"{table}: no structure file for any of its {len(ids)} ids, as {ids[0]}.cif in "
            f"{table.parent}. Put the files there; or give the table a column 'cif' of CIF text, "
            "or 'lattice', 'species' and 'frac'."
        )
    return frame, id_column, ids, files


def _read_with_checksum(
    ids: np.ndarray, files: dict[str, str], table: Path
) -> tuple[list[Crystal], list[Rejected], np.ndarray, str]:
    """Give what `_read_rows` does, and the checksum of the table and of the files that it names.

    The files are read in the order in which they are summed, so that each is read once.
    """
    rows_of: dict[str, list[int]] = {}
    for row, id in enumerate(ids.tolist()):
        rows_of.setdefault(files.get(id, ""), []).append(row)
    read: dict[int, Crystal | Rejected] = {}
    for row in rows_of.pop("", ()):
        read[row] = _tell_missing(ids[row], table.parent)
    checksum = FilesChecksum()
    for name in sorted([*rows_of, table.name]):
        if name == table.name:
            checksum.add(name, table.read_bytes())
            continue
        content = _read_content(table.parent, name)
        if content is not None:
            checksum.add(name, content)
        for row in rows_of[name]:
            read[row] = _read_row(ids[row], table.parent, name, content)
    return *_part([read[row] for row in range(len(ids))]), checksum.give()


def _read_rows(
    ids: np.ndarray, files: dict[str, str], folder: Path
) -> tuple[list[Crystal], list[Rejected], np.ndarray]:
    """Give the crystals of some rows, what is wrong with the others, and which are good."""
    return _part(
        [
            _read_row(id, folder, files[id]) if id in files else _tell_missing(id, folder)
            for id in ids.tolist()
        ]
    )


def _read_row(id: str, folder: Path, name: str, content: bytes | None = None) -> Crystal | Rejected:
    try:
        return only_one(read_file(f"{folder}/{name}", id, content=content), id)
    except BadCrystal as error:
        return Rejected(id, f"{name}: {describe_problem(error)}")


def _read_content(folder: Path, name: str) -> bytes | None:
    """Give the bytes of a file, or None: reading it as a crystal then says what is wrong."""
    try:
        return read_bytes(f"{folder}/{name}")
    except BadCrystal:
        return None


def _tell_missing(id: str, folder: Path) -> Rejected:
    return Rejected(id, f"no structure file {id}.cif in {folder}")


def _part(
    rows: list[Crystal | Rejected],
) -> tuple[list[Crystal], list[Rejected], np.ndarray]:
    good = np.array([isinstance(row, Crystal) for row in rows], dtype=bool)
    crystals = [row for row in rows if isinstance(row, Crystal)]
    return crystals, [row for row in rows if isinstance(row, Rejected)], good


def _index_files(folder: Path) -> dict[str, str]:
    """Give the names of structure files by themselves, and without their suffixes."""
    names = find_structure_names(folder)[::-1]
    return {stem_of_name(name): name for name in names} | {name: name for name in names}


def _read_table(table: Path) -> pd.DataFrame:
    with open_text(table) as file:
        return pd.read_csv(file, header=None, dtype=str, keep_default_na=False)


def _name_columns(frame: pd.DataFrame, table: Path, files: dict[str, str]) -> pd.DataFrame:
    """Take the header off, if there is one, or give the columns names."""
    first = [str(cell).strip() for cell in frame.iloc[0]]
    if _is_header(first, files):
        frame = frame.iloc[1:].reset_index(drop=True)
        names = first
        if frame.empty:
            raise BadDataset(f"{table}: a header and no rows. Is it complete?")
        if len(set(names)) < len(names):
            raise BadDataset(f"{table}: two columns have one name: {', '.join(names)}. Rename one.")
    elif len(first) == 2:
        names = ["id", "target" if table.name == TABLE_NAME else plain_name(table)]
    else:
        names = ["id", *(f"target_{number}" for number in range(1, len(first)))]
    frame.columns = pd.Index(names)
    return frame


def _is_header(first: Sequence[str], files: dict[str, str]) -> bool:
    """A header names no file, and has a word where the rows below it have numbers."""
    if first[0] in files:
        return False
    if first[0].lower() in ID_NAMES:
        return True
    numbers = pd.to_numeric(pd.Series(first[1:], dtype=object), errors="coerce")
    blank = np.array([cell == "" for cell in first[1:]], dtype=bool)
    return bool((numbers.isna().to_numpy() & ~blank).any())


def _find_id(frame: pd.DataFrame) -> str:
    named = find_id_column(frame)
    is_named = named is not None and str(named).strip().lower() in ID_NAMES
    return str(named) if is_named else str(frame.columns[0])
