"""Writing a data set: a folder in the layout of 2018, or one parquet table."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xtalgraph.data.cells import find_present
from xtalgraph.data.dataset import Dataset
from xtalgraph.data.files import TABLE_NAME
from xtalgraph.data.parquet import require_pyarrow
from xtalgraph.errors import BadDataset, UnknownName
from xtalgraph.files import open_atomically, protect
from xtalgraph.structures.elements import SYMBOLS
from xtalgraph.structures.formats.cif import format_cif

STRUCTURE_COLUMNS = ("material_id", "lattice", "species", "frac")


def make_dataset_folder(
    dataset: Dataset, folder: str | Path, target: str | Sequence[str] | None = None
) -> Path:
    """Write `ID.cif` for each crystal, and `id_prop.csv`.

    The table has a header, numbers with their unit (`name [unit]`), and empty cells for missing
    labels.

    Args:
        dataset: The crystals and columns.
        folder: The output folder.
        target: Names of columns, as a list or comma-separated; all columns if None.

    Returns:
        The folder, which `read_dataset` and the 2018 code can read (the latter expects one target
        and no header).

    Raises:
        BadDataset: The folder already has an `id_prop.csv`, or ids repeat or cannot be file names.
    """
    folder = Path(folder)
    names = [target] if isinstance(target, str) else target
    headers = _choose_headers(dataset, names)
    ids = dataset.ids.tolist()
    _refuse_bad_file_names(ids, dataset.source)
    if (folder / TABLE_NAME).exists():
        raise BadDataset(
            f"{folder / TABLE_NAME} is there already. Choose another folder, or remove this one."
        )
    folder.mkdir(parents=True, exist_ok=True)
    for crystal in dataset.crystals:  # the table comes last: without it the folder is no data set
        (folder / f"{crystal.id}.cif").write_text(format_cif(crystal), encoding="utf-8")
    columns = [_write_cells(dataset.table[name]) for name in headers]
    with open_atomically(folder / TABLE_NAME) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["id", *headers.values()])
        writer.writerows(zip(map(protect, ids), *columns, strict=True))
    return folder


def write_parquet(dataset: Dataset, path: str | Path) -> Path:
    """Write one table that `read_dataset` reads back exactly.

    Its columns are those of `as_table`. 106,000 crystals take a few seconds.

    Args:
        dataset: The crystals and columns.
        path: The parquet file.

    Returns:
        The path.
    """
    path = Path(path)
    table = as_table(dataset)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_atomically(path, "wb") as file:
        require_pyarrow().parquet.write_table(table, file)
    return path


def as_table(dataset: Dataset) -> Any:
    """Return a data set as the table that `write_parquet` writes.

    Columns: `material_id`; `lattice`, nine numbers, the rows of the cell in Å; `species`, element
    symbols; `frac`, fractional coordinates one atom after another; then all others, numbers under
    `name [unit]`.
    """
    pa, store = require_pyarrow(), dataset.crystals
    offsets = pa.array(store.offsets)
    symbols = pa.array(SYMBOLS).take(pa.array(store.atomic_numbers.astype("int32")))
    columns = {
        "material_id": pa.array(store.ids.tolist(), pa.string()),
        "lattice": pa.FixedSizeListArray.from_arrays(pa.array(store.lattices.ravel()), 9).cast(
            pa.list_(pa.float64())
        ),
        "species": pa.LargeListArray.from_arrays(offsets, symbols),
        "frac": pa.LargeListArray.from_arrays(
            pa.array(3 * store.offsets), pa.array(store.fractional_positions.ravel())
        ),
    }
    for name, header in _choose_headers(dataset, None).items():
        if header in columns:
            raise BadDataset(
                f"{dataset.source}: column {name!r} has the name of a column of structures. "
                "Rename it."
            )
        column = dataset.table[name]
        columns[header] = pa.array(column, mask=~find_present(column))
    return pa.table(columns)


def _choose_headers(dataset: Dataset, names: Sequence[str] | None) -> dict[str, str]:
    """Header by column name; numbers carry their unit."""
    known = list(dataset.table)
    for name in names or ():
        if name not in known:
            raise UnknownName("column", name, known)
    targets = dataset.targets
    return {
        name: targets[name].column if name in targets else name
        for name in (known if names is None else names)
    }


def _write_cells(column: np.ndarray) -> list[object]:
    """Numbers with all their digits, blanks for what is missing."""
    cells = zip(column.tolist(), find_present(column), strict=True)
    return [
        (protect(cell) if isinstance(cell, str) else cell) if there else "" for cell, there in cells
    ]


def _refuse_bad_file_names(ids: Sequence[str], source: str) -> None:
    repeated = [id for id, count in Counter(ids).items() if count > 1]
    if repeated:
        raise BadDataset(
            f"{source}: {len(repeated)} ids repeat, first {repeated[0]!r}. Each crystal needs a "
            "file of its own; make the ids differ, or write parquet."
        )
    for id in ids:
        if not id or id != Path(id).name or id in (".", ".."):
            raise BadDataset(
                f"{source}: the id {id!r} cannot be a file name. Rename it, or write parquet."
            )
