"""Tables in one file: parquet, CSV, JSON lines, JSON; each is read in pieces of rows."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from xtalgraph.data.columns import are_different_texts, counts_rows, list_id_columns, read_ids
from xtalgraph.data.files import (
    ID_NAMES,
    checksum_files,
    explain_unreadable,
    find_structure_columns,
    open_text,
    plain_name,
    table_suffix,
)
from xtalgraph.data.json_rows import INDEX_NAME, count_rows, iterate_records, sniff_json
from xtalgraph.data.pieces import Cells, Contents, Part, Source
from xtalgraph.data.structure_columns import (
    FlatCrystals,
    drop_overlaps,
    join_flat,
    read_cells,
    read_each,
    read_flat_columns,
)
from xtalgraph.errors import BadCrystal, BadDataset, Rejected
from xtalgraph.structures import Crystal, read_crystal

_ROWS = 2048  # rows read at a time: a few MB of structures
_JSON_ROWS = 512
_BUFFER = 1 << 20  # bytes; without it a whole row group is read at once, which may be the file
_MATBENCH = re.compile(r"matbench_(?P<task>\w+)\.json(\.gz)?")

Batch = tuple[pd.DataFrame, list[Any]]
"""The other columns of some rows, and their cells of structures, a column each."""


class TableSource(Source):
    """A file of rows with a column of structures, or three of lattice, species and positions.

    Ids are the column `material_id`, `id`, `name`, `cif_id` or `jid`, or else the first column of
    texts that all differ, or else the row numbers.
    """

    def __init__(self, path: Path, title: str) -> None:
        super().__init__(plain_name(path), title)
        self.path = path
        self.texts = table_suffix(path).startswith(".csv")

    def identity(self) -> dict[str, Any]:
        """Return size and time of the file: what is cheap to see of one that may be large."""
        status = self.path.stat()
        return {"kind": "table", "n_bytes": status.st_size, "changed": status.st_mtime_ns}

    def checksum(self) -> str:
        """Return the SHA-256 of the file."""
        return checksum_files([self.path])

    def parts(self) -> Iterator[Part]:
        """Yield some thousand rows at a time."""
        with explain_unreadable(self.path):
            first = 0
            column: str | None = None
            official: np.ndarray | None = None
            batches = self._batches()
            begun = list(islice(batches, 2))
            if not begun or not sum(len(frame) for frame, _ in begun):
                raise BadDataset(f"{self.title}: the table has no rows. Is it complete?")
            start = begun[0][0]
            counting = [
                name for name in start if _is_nameless(str(name)) and counts_rows(start[name])
            ]
            column = self._find_id_column(start, is_all=len(begun) == 1)
            if column is None:
                official = self._official_ids()
            for frame, structures in _chain(begun, batches):
                n_rows = len(frame)
                if official is not None:
                    ids = official[first : first + n_rows]
                elif column is None:
                    ids = read_ids(None, n_rows, first)
                else:
                    blank = pd.Series([None] * n_rows, name=column, dtype=object)
                    ids = read_ids(frame.get(column, blank), n_rows, first)
                gone = [column] if column in (*ID_NAMES, INDEX_NAME) else []
                frame = frame.drop(columns=gone + counting, errors="ignore")
                yield Part(partial(_read_rows, frame, structures, ids, self.texts))
                first += n_rows

    def _find_id_column(self, first: pd.DataFrame, *, is_all: bool) -> str | None:
        """Return the column of ids; where its texts must differ, the whole file is searched."""
        candidates = list(list_id_columns(first))
        for name, must_differ in candidates:
            if must_differ and not self._differs(name, first, is_all=is_all):
                continue
            return name
        return None

    def _differs(self, name: str, first: pd.DataFrame, *, is_all: bool) -> bool:
        if not first[name].is_unique:
            return False
        if is_all:
            return True
        seen = []
        for frame in self._column(name):
            if name != "name" and not are_different_texts(frame):
                return False
            seen.append(np.fromiter(map(hash, map(str, frame)), np.int64, len(frame)))
        hashes = np.concatenate(seen)  # eight bytes a row, where the texts may be a hundred
        return len(np.unique(hashes)) == len(hashes)

    def _column(self, name: str) -> Iterator[pd.Series]:
        """Yield one column, some rows at a time."""
        suffix = table_suffix(self.path).removesuffix(".gz")
        if suffix == ".parquet":
            with pq.ParquetFile(self.path, buffer_size=_BUFFER) as file:
                for batch in file.iter_batches(batch_size=_ROWS, columns=[name]):
                    yield batch.to_pandas()[name]
        elif suffix == ".csv":
            for frame in _read_csv(self.path, usecols=[name]):
                yield frame[name]
        else:
            records = iterate_records(self.path, self._form())
            while rows := [record.get(name) for record in islice(records, _ROWS)]:
                yield pd.Series(rows, dtype=object)

    def _official_ids(self) -> np.ndarray | None:
        """Return the ids by which matbench's leaderboard calls the rows of its files."""
        match = _MATBENCH.fullmatch(self.path.name)
        if match is None:
            return None
        return matbench_ids(match["task"], count_rows(self.path, self._form()))

    def _batches(self) -> Iterator[Batch]:
        suffix = table_suffix(self.path).removesuffix(".gz")
        if suffix == ".parquet":
            return self._iterate_parquet()
        return self._iterate_csv() if suffix == ".csv" else self._iterate_json()

    def _iterate_parquet(self) -> Iterator[Batch]:
        with pq.ParquetFile(self.path, buffer_size=_BUFFER) as file:
            structure = self._require_structure(file.schema_arrow.names)
            for batch in file.iter_batches(batch_size=_ROWS):
                others = batch.drop_columns(list(structure)).to_pandas()
                yield others, [batch.column(name) for name in structure]

    def _iterate_csv(self) -> Iterator[Batch]:
        for frame in _read_csv(self.path):
            structure = self._require_structure(list(frame.columns))
            cells = [frame[name].tolist() for name in structure]
            yield frame.drop(columns=list(structure)), cells

    def _iterate_json(self) -> Iterator[Batch]:
        structure: tuple[str, ...] = ()
        rows = iterate_records(self.path, self._form())
        while records := list(islice(rows, min(_ROWS, _JSON_ROWS))):
            names = list(dict.fromkeys(name for record in records for name in record))
            structure = structure or self._require_structure(names)
            cells = [[record.pop(name, None) for record in records] for name in structure]
            yield pd.DataFrame.from_records(records, index=range(len(records))), cells

    def _form(self) -> str:
        return "lines" if ".jsonl" in self.path.name.lower() else sniff_json(self.path)

    def _require_structure(self, names: Sequence[str]) -> tuple[str, ...]:
        structure = find_structure_columns(names)
        if not structure:
            raise BadDataset(
                f"{self.title}: no structures in the columns {', '.join(names)}. "
                "Name the column of CIF text 'cif', or give 'lattice', 'species' and 'frac'."
            )
        return structure


def matbench_ids(task: str, n_rows: int) -> np.ndarray:
    """Return the official ids of a task's rows, counted from 1 in as many digits as `n_rows` has.

    >>> matbench_ids("mp_gap", 312)[0]
    'mb-mp-gap-001'
    """
    name, digits = task.replace("_", "-"), len(str(n_rows))
    ids = [f"mb-{name}-{row:0{digits}d}" for row in range(1, n_rows + 1)]
    return np.array(ids, dtype=np.dtypes.StringDType())


def _is_nameless(header: str) -> bool:
    """Return whether pandas has written a column in front of a table, or called it so."""
    return not header.strip() or header.startswith("Unnamed:")


def _chain(begun: list[Batch], batches: Iterator[Batch]) -> Iterator[Batch]:
    while begun:
        yield begun.pop(0)
    yield from batches


def _read_csv(path: Path, usecols: list[str] | None = None) -> Iterator[pd.DataFrame]:
    with open_text(path) as file:
        yield from pd.read_csv(
            file,
            dtype=str,
            keep_default_na=False,
            na_filter=False,
            chunksize=_ROWS,
            usecols=usecols,
        )


def _read_rows(
    frame: pd.DataFrame, structures: list[Any], ids: np.ndarray, texts: bool
) -> Contents:
    """Turn the cells of some rows into crystals, and keep the columns of the good ones."""
    flat = drop_overlaps(_read_structures(structures, texts))
    good = np.ones(flat.n_rows, dtype=bool)
    good[list(flat.bad)] = False
    rejected = [Rejected(str(ids[row]), why) for row, why in flat.bad.items()]
    kept = frame[good].reset_index(drop=True)
    return Contents(join_flat([flat], ids[good]), rejected, Cells(kept, texts))


def _read_structures(columns: list[Any], texts: bool) -> FlatCrystals:
    if isinstance(columns[0], pa.Array):
        if len(columns) == 3 and all(pa.types.is_nested(column.type) for column in columns):
            return read_flat_columns(*columns)
        columns = [column.to_pylist() for column in columns]
    if len(columns) == 1:
        return read_each(columns[0], _read_structure)
    if texts:
        columns = [[_read_list(text) for text in column] for column in columns]
    return read_cells(*columns)


def _read_structure(cell: Any) -> Crystal:
    """One cell of a column of structures: a dict, or the text of a structure file."""
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
