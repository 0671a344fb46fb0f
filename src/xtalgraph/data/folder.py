"""The layout of 2018: a table of ids and targets beside one structure file for each id."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from xtalgraph.data.columns import read_columns
from xtalgraph.data.dataset import Dataset
from xtalgraph.data.files import FilesChecksum, checksum_files
from xtalgraph.data.folder_index import (
    FolderIndex,
    part_rows,
    read_content,
    read_index,
    read_row,
    tell_missing,
)
from xtalgraph.data.sources import TABLE_NAME, plain_name
from xtalgraph.data.tables import settle
from xtalgraph.errors import Rejected
from xtalgraph.structures import Crystal, CrystalStore, read_crystals


def read_folder(table: Path, rejected: list[Rejected] | None = None) -> Dataset:
    """Give the data set of a table like `id_prop.csv`, whose structures are files beside it.

    `read_index` says what its columns are called; every one that is not the id is a target or a
    class. An id without file, and a file that cannot be read, are collected: added to `rejected`,
    or refused together.
    """
    index = read_index(table)
    ids, names = index.ids, [*index.names]
    crystals, found, good, checksum = _read_with_checksum(index, table)
    settle(found, rejected, table, len(ids))
    kept = [row for row, is_good in zip(index.rows, good.tolist(), strict=True) if is_good]
    frame = pd.DataFrame(kept, columns=names, dtype=object).drop(columns=names[index.id_column])
    columns, targets = read_columns(frame, texts=True)
    name = plain_name(table.parent if table.name == TABLE_NAME else table)
    store = CrystalStore.from_crystals(crystals)
    return Dataset(name, store, columns, targets, str(table), checksum, (str(table),))


def read_structure_files(
    files: Sequence[Path], source: str, name: str, rejected: list[Rejected] | None = None
) -> Dataset:
    """Give the data set of structure files without targets, as for prediction."""
    found: list[Rejected] = []
    store = read_crystals(files, rejected=found)
    settle(found, rejected, source, len(store) + len(found))
    columns = pd.DataFrame(index=pd.RangeIndex(len(store)))
    return Dataset(name, store, columns, {}, source, checksum_files(files), (source,))


def _read_with_checksum(
    index: FolderIndex, table: Path
) -> tuple[list[Crystal], list[Rejected], np.ndarray, str]:
    """Give what `read_rows` does, and the checksum of the table and of the files that it names.

    The files are read in the order in which they are summed, so that each is read once.
    """
    ids, folder = index.ids, table.parent
    rows_of: dict[str, list[int]] = {}
    for row, id in enumerate(ids):
        rows_of.setdefault(index.files.get(id, ""), []).append(row)
    read: dict[int, Crystal | Rejected] = {}
    for row in rows_of.pop("", ()):
        read[row] = tell_missing(ids[row], folder)
    checksum = FilesChecksum()
    for name in sorted([*rows_of, table.name]):
        if name == table.name:
            checksum.add(name, table.read_bytes())
            continue
        content = read_content(folder, name)
        if content is not None:
            checksum.add(name, content)
        for row in rows_of[name]:
            read[row] = read_row(ids[row], folder, name, content)
    return *part_rows([read[row] for row in range(len(ids))]), checksum.give()
