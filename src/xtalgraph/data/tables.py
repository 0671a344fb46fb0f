"""Tables in one file: parquet, CSV, JSON lines, JSON; each is read in pieces of rows."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from xtalgraph.data.column_names import ID_NAMES, find_structure_columns
from xtalgraph.data.columns import find_id_column, read_columns, read_ids
from xtalgraph.data.dataset import Dataset
from xtalgraph.data.files import checksum_files, open_text
from xtalgraph.data.flat_crystals import (
    FlatCrystals,
    drop_overlaps,
    join_bad,
    join_flat,
)
from xtalgraph.data.json_stream import INDEX_NAME, iterate_records, sniff_json
from xtalgraph.data.matbench import matbench_ids
from xtalgraph.data.sources import plain_name, table_suffix
from xtalgraph.data.structure_columns import (
    read_cells,
    read_each,
    read_flat_columns,
)
from xtalgraph.errors import BadCrystal, BadDataset, Rejected, summarise
from xtalgraph.structures import Crystal, CrystalStore, read_crystal

_ROWS = 2048  # rows read at a time: a few MB of structures
_BUFFER = 1 << 20  # bytes; without it a whole row group is read at once, which may be the file

MEND = "Mend or remove them, or leave them out (--skip-bad; in Python: rejected=[])."


@dataclass(frozen=True)
class Piece:
    """Consecutive rows of a table: their columns, and their crystals."""

    columns: pd.DataFrame
    crystals: FlatCrystals


def read_table(path: Path, rejected: list[Rejected] | None = None) -> Dataset:
    """Give the data set of one file, CSV, parquet, JSON lines or JSON; also `.gz`.

    Structures stand in one column (CIF text or pymatgen's JSON) or in three: lattice, species and
    fractional positions. Ids are the column `material_id`, `id` or `name`, or else the first column
    of texts that all differ, or else the row numbers. Rows that make no crystal are collected: they
    are added to `rejected`, or refused together.
    """
    texts = table_suffix(path) in (".csv", ".csv.gz")
    pieces = list(_iterate_pieces(path))
    if not pieces or not sum(piece.crystals.n_rows for piece in pieces):
        raise BadDataset(f"{path}: the table has no rows. Is it complete?")
    frame = pd.concat([piece.columns for piece in pieces], ignore_index=True)
    id_column, ids = _find_ids(frame, path)
    crystals = [drop_overlaps(piece.crystals) for piece in pieces]
    bad = join_bad(crystals)
    settle([Rejected(str(ids[row]), why) for row, why in bad.items()], rejected, path, len(frame))
    good = np.ones(len(frame), dtype=bool)
    good[list(bad)] = False
    store = join_flat(crystals, ids[good])
    if id_column is not None and (id_column in ID_NAMES or id_column == INDEX_NAME):
        frame = frame.drop(columns=id_column)
    columns, targets = read_columns(frame[good].reset_index(drop=True), texts=texts)
    checksum = checksum_files([path])
    return Dataset(plain_name(path), store, columns, targets, str(path), checksum, (str(path),))


def iterate_crystals(path: Path) -> Iterator[tuple[CrystalStore, list[Rejected]]]:
    """Give the crystals of a table some thousand rows at a time, and the rows that make none.

    So a table may be larger than the memory. Ids are those of `read_table`, but that texts which
    all differ are looked for in the first piece alone; the other columns are not kept.
    """
    for store, _, rejected in iterate_rows(path):
        yield store, rejected


def iterate_rows(path: Path) -> Iterator[tuple[CrystalStore, pd.DataFrame, list[Rejected]]]:
    """Give likewise crystals, their other columns as they stand in the file, and what is bad."""
    first, id_column, official = 0, None, None
    for piece in _iterate_pieces(path):
        n_rows = piece.crystals.n_rows
        if first == 0:
            id_column = find_id_column(piece.columns)
            official = None if id_column is not None else _official_ids(path)
        if official is not None:
            ids = official[first : first + n_rows]
        else:
            values = None if id_column is None else piece.columns.get(id_column)
            ids = read_ids(values, n_rows, first)
        crystals = drop_overlaps(piece.crystals)
        good = np.ones(n_rows, dtype=bool)
        good[list(crystals.bad)] = False
        rejected = [Rejected(str(ids[row]), why) for row, why in crystals.bad.items()]
        frame = piece.columns[good].reset_index(drop=True)
        if id_column is not None and (id_column in ID_NAMES or id_column == INDEX_NAME):
            frame = frame.drop(columns=id_column, errors="ignore")
        yield join_flat([crystals], ids[good]), frame, rejected
        first += n_rows


def settle(
    found: Sequence[Rejected], rejected: list[Rejected] | None, source: Path | str, n_rows: int
) -> None:
    """Hand over what was left out, or refuse it all at once where nobody asked to go on."""
    if rejected is not None:
        rejected.extend(found)
    elif found:
        raise BadDataset(
            f"{source}: {len(found)} of {n_rows} crystals cannot be read:\n{summarise(found)}\n"
            f"{MEND}"
        )
    if len(found) == n_rows:
        raise BadDataset(
            f"{source}: none of its {n_rows} crystals can be read:\n{summarise(found)}"
        )


def read_header(path: Path) -> list[str]:
    """Give the first row of a CSV file."""
    with open_text(path) as file:
        frame = pd.read_csv(file, header=None, nrows=1, dtype=str, keep_default_na=False)
    return [str(cell) for cell in frame.iloc[0]]


def _official_ids(path: Path) -> np.ndarray | None:
    """Give the ids of a file of matbench, whose digits need the number of rows; None for others."""
    if matbench_ids(path.name, 0) is None:
        return None
    return matbench_ids(path.name, sum(1 for _ in iterate_records(path, sniff_json(path))))


def _find_ids(frame: pd.DataFrame, path: Path) -> tuple[str | None, np.ndarray]:
    id_column = find_id_column(frame)
    if id_column is None:
        official = matbench_ids(path.name, len(frame))
        if official is not None:
            return None, official
    return id_column, read_ids(None if id_column is None else frame[id_column], len(frame))


def _iterate_pieces(path: Path) -> Iterator[Piece]:
    suffix = table_suffix(path).removesuffix(".gz")
    if suffix == ".parquet":
        yield from _iterate_parquet(path)
    elif suffix == ".csv":
        yield from _iterate_csv(path)
    else:
        yield from _iterate_json(path)


def _iterate_parquet(path: Path) -> Iterator[Piece]:
    with pq.ParquetFile(path, buffer_size=_BUFFER) as file:
        structure = _require_structure(file.schema_arrow.names, path)
        for batch in file.iter_batches(batch_size=_ROWS):
            columns = [batch.column(name) for name in structure]
            if len(columns) == 3 and all(pa.types.is_nested(column.type) for column in columns):
                crystals = read_flat_columns(*columns)
            else:
                crystals = _read_cells([column.to_pylist() for column in columns])
            others = batch.drop_columns(list(structure))
            yield Piece(others.to_pandas(), crystals)


def _iterate_csv(path: Path) -> Iterator[Piece]:
    with open_text(path) as file:
        frames = pd.read_csv(
            file, dtype=str, keep_default_na=False, na_filter=False, chunksize=_ROWS
        )
        for frame in frames:
            structure = _require_structure(list(frame.columns), path)
            cells = [frame[name].tolist() for name in structure]
            if len(cells) == 3:
                cells = [[_read_list(text) for text in column] for column in cells]
            yield Piece(frame.drop(columns=list(structure)), _read_cells(cells))


def _iterate_json(path: Path) -> Iterator[Piece]:
    form = "lines" if ".jsonl" in path.name.lower() else sniff_json(path)
    structure: tuple[str, ...] = ()
    rows = iterate_records(path, form)
    while records := list(islice(rows, _ROWS // 4)):
        names = list(dict.fromkeys(name for record in records for name in record))
        structure = structure or _require_structure(names, path)
        cells = [[record.pop(name, None) for record in records] for name in structure]
        yield Piece(pd.DataFrame.from_records(records), _read_cells(cells))


def _require_structure(names: Sequence[str], path: Path) -> tuple[str, ...]:
    structure = find_structure_columns(names)
    if not structure:
        raise BadDataset(
            f"{path}: no structures in the columns {', '.join(names)}. "
            "Name the column of CIF text 'cif', or give 'lattice', 'species' and 'frac'."
        )
    return structure


def _read_cells(cells: list[list[Any]]) -> FlatCrystals:
    return read_cells(*cells) if len(cells) == 3 else read_each(cells[0], _read_structure)


def _read_structure(cell: Any) -> Crystal:
    """One cell of a column of structures: pymatgen's dict, or the text of a structure file."""
    if isinstance(cell, str) and "\n" not in cell and not cell.lstrip().startswith("{"):
        raise BadCrystal(
            f"{cell[:40]!r} is not the text of a structure",
            remedy="Put the content of the file into the cell, not its name.",
        )
    is_cif = isinstance(cell, str) and cell.lstrip().startswith(("data_", "#"))
    return read_crystal(cell, format="cif" if is_cif else None)


def _read_list(text: str) -> Any:
    """A list in a cell of CSV, as JSON or as Python writes it; None if it is neither."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return None
