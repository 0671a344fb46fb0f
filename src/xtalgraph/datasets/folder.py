"""The layout of 2018: a table of ids and targets beside one structure file for each id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from xtalgraph.datasets.columns import ID_NAMES, find_id_column, read_columns, read_ids
from xtalgraph.datasets.dataset import Dataset
from xtalgraph.datasets.files import checksum_files, open_text
from xtalgraph.datasets.flat_crystals import describe_problem
from xtalgraph.datasets.sources import TABLE_NAME, find_structure_files, plain_name
from xtalgraph.datasets.tables import settle
from xtalgraph.errors import BadCrystal, BadDataset, Rejected
from xtalgraph.structures import Crystal, CrystalStore, read_crystal, read_crystals
from xtalgraph.structures.reading import stem_of

_ROWS = 2048  # read at a time


def read_folder(table: Path, rejected: list[Rejected] | None = None) -> Dataset:
    """Give the data set of a table like `id_prop.csv`, whose structures are files beside it.

    With or without header; the first column (or `material_id`, `id`) is the id, every other column
    a target or a class. Without header a single column is called as the file, or `target` in
    `id_prop.csv`; several are `target_1`, `target_2`, … An id without file, and a file that cannot
    be read, are collected: added to `rejected`, or refused together.
    """
    frame, id_column, ids, files = _read_index(table)
    crystals, found, good = _read_rows(ids, files, table.parent)
    settle(found, rejected, table, len(ids))
    columns, targets = read_columns(frame.drop(columns=id_column)[good], texts=True)
    name = plain_name(table.parent if table.name == TABLE_NAME else table)
    used = dict.fromkeys(files[id] for id in ids.tolist() if id in files)
    checksum = checksum_files([table, *used])
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


def _read_index(table: Path) -> tuple[pd.DataFrame, str, np.ndarray, dict[str, Path]]:
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


def _read_rows(
    ids: np.ndarray, files: dict[str, Path], folder: Path
) -> tuple[list[Crystal], list[Rejected], np.ndarray]:
    """Give the crystals of some rows, what is wrong with the others, and which are good."""
    crystals, found, good = [], [], np.zeros(len(ids), dtype=bool)
    for row, id in enumerate(ids.tolist()):
        path = files.get(id)
        if path is None:
            found.append(Rejected(id, f"no structure file {id}.cif in {folder}"))
            continue
        try:
            crystals.append(read_crystal(path, id=id))
            good[row] = True
        except BadCrystal as error:
            found.append(Rejected(id, f"{path.name}: {describe_problem(error)}"))
    return crystals, found, good


def _index_files(folder: Path) -> dict[str, Path]:
    """Structure files by their names, and by their names without suffixes."""
    files = find_structure_files(folder)[::-1]
    return {stem_of(path): path for path in files} | {path.name: path for path in files}


def _read_table(table: Path) -> pd.DataFrame:
    with open_text(table) as file:
        return pd.read_csv(file, header=None, dtype=str, keep_default_na=False)


def _name_columns(frame: pd.DataFrame, table: Path, files: dict[str, Path]) -> pd.DataFrame:
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


def _is_header(first: Sequence[str], files: dict[str, Path]) -> bool:
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
