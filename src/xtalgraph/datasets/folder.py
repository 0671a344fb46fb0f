"""The layout of 2018: a table of ids and targets beside one structure file for each id."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from xtalgraph.datasets.columns import read_columns
from xtalgraph.datasets.dataset import Dataset
from xtalgraph.datasets.files import checksum_files
from xtalgraph.datasets.folder_index import read_index, read_rows
from xtalgraph.datasets.sources import TABLE_NAME, plain_name
from xtalgraph.datasets.tables import settle
from xtalgraph.errors import Rejected
from xtalgraph.structures import CrystalStore, read_crystals


def read_folder(table: Path, rejected: list[Rejected] | None = None) -> Dataset:
    """Give the data set of a table like `id_prop.csv`, whose structures are files beside it.

    `read_index` says what its columns are called; every one that is not the id is a target or a
    class. An id without file, and a file that cannot be read, are collected: added to `rejected`,
    or refused together.
    """
    index = read_index(table)
    ids, names = index.ids, [*index.names]
    crystals, found, good = read_rows(ids, index.files, table.parent)
    settle(found, rejected, table, len(ids))
    kept = [row for row, is_good in zip(index.rows, good.tolist(), strict=True) if is_good]
    frame = pd.DataFrame(kept, columns=names, dtype=object).drop(columns=names[index.id_column])
    columns, targets = read_columns(frame, texts=True)
    name = plain_name(table.parent if table.name == TABLE_NAME else table)
    used = dict.fromkeys(index.files[id] for id in ids if id in index.files)
    checksum = checksum_files([table, *used])
    store = CrystalStore.from_crystals(crystals)
    return Dataset(name, store, columns, targets, str(table), checksum)


def read_structure_files(
    files: Sequence[Path], source: str, name: str, rejected: list[Rejected] | None = None
) -> Dataset:
    """Give the data set of structure files without targets, as for prediction."""
    found: list[Rejected] = []
    store = read_crystals(files, rejected=found)
    settle(found, rejected, source, len(store) + len(found))
    columns = pd.DataFrame(index=pd.RangeIndex(len(store)))
    return Dataset(name, store, columns, {}, source, checksum_files(files))
