"""Tables in one file: CSV, spreadsheets, JSON lines, JSON, parquet; each is read in pieces of rows.

What reads parquet or spreadsheets is loaded only where there is such a file.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from xtalgraph.data.cells import Column
from xtalgraph.data.columns import (
    NAMELESS,
    are_different_texts,
    counts_rows,
    list_id_columns,
    read_ids,
)
from xtalgraph.data.files import (
    ID_NAMES,
    TEXT_SUFFIXES,
    checksum_files,
    explain_unreadable,
    find_structure_columns,
    plain_name,
    table_suffix,
)
from xtalgraph.data.json_rows import INDEX_NAME, count_rows, iterate_records, sniff_json
from xtalgraph.data.pieces import Cells, Contents, Part, Source
from xtalgraph.data.structure_columns import (
    BadRow,
    FlatCrystals,
    drop_overlaps,
    join_flat,
    read_cells,
    read_each,
)
from xtalgraph.data.text_rows import find_dialect, iterate_text_columns
from xtalgraph.errors import BadCrystal, BadDataset, Rejected
from xtalgraph.structures import Crystal, read_crystal

_ROWS = 2048  # rows read at a time: a few MB of structures
_JSON_ROWS = 512
_MATBENCH = re.compile(r"matbench_(?P<task>\w+)\.json(\.gz)?")

Batch = dict[str, Any]
"""The columns of some rows by header: of texts, of JSON, or of arrow."""


class TableSource(Source):
    """A file of rows with a column of structures, or three of lattice, species and positions.

    Ids are the column `material_id`, `id`, `name`, `cif_id` or `jid`, or else the first column of
    texts that all differ, or else the row numbers.
    """

    def __init__(self, path: Path, title: str) -> None:
        super().__init__(plain_name(path), title)
        self.path = path
        self.texts = table_suffix(path) in TEXT_SUFFIXES

    def identity(self) -> dict[str, Any]:
        """Return size and time of the file: what is cheap to see of one that may be large."""
        status = self.path.stat()
        return {"kind": "table", "n_bytes": status.st_size, "changed": status.st_mtime_ns}

    def checksum(self) -> str:
        """Return the SHA-256 of the file."""
        return checksum_files([self.path])

    @cached_property
    def decimal(self) -> str:
        """The decimal sign of its numbers."""
        return find_dialect(self.path).decimal if self.texts else "."

    def parts(self) -> Iterator[Part]:
        """Yield some thousand rows at a time."""
        with explain_unreadable(self.path):
            first = 0
            official: np.ndarray | None = None
            batches = self._batches()
            begun = list(islice(batches, 2))
            start: Batch = begun[0] if begun else {}
            structure = self._require_structure(list(start)) if start else ()
            if not sum(map(_count, begun)):
                raise BadDataset(f"{self.title}: the table has no rows. Is it complete?")
            others = self._others(start, structure)
            counting = [name for name in others if _is_nameless(name) and counts_rows(others[name])]
            column = self._find_id_column(others, is_all=len(begun) == 1)
            if column is None:
                official = self._official_ids()
            for batch in _chain(begun, batches):
                n_rows = _count(batch)
                cells = self._others(batch, structure)
                if official is not None:
                    ids = official[first : first + n_rows]
                elif column is None:
                    ids = read_ids(None, n_rows, first)
                else:
                    ids = read_ids(cells.get(column, [None] * n_rows), n_rows, first, column)
                gone = {*counting, *([column] if column in (*ID_NAMES, INDEX_NAME) else [])}
                kept = {name: cells[name] for name in cells if name not in gone}
                found = [batch.get(name, [None] * n_rows) for name in structure]
                yield Part(partial(_read_rows, kept, found, ids, self.texts, self.decimal))
                first += n_rows

    def _others(self, batch: Batch, structure: Sequence[str]) -> dict[str, Column]:
        """Return the columns that are not of structures."""
        others = {name: column for name, column in batch.items() if name not in structure}
        if not self._suffix.startswith(".parquet"):
            return others
        from xtalgraph.data.parquet import to_column

        return {name: to_column(column) for name, column in others.items()}

    def _find_id_column(self, first: Mapping[str, Column], *, is_all: bool) -> str | None:
        """Return the column of ids; where its texts must differ, the whole file is searched."""
        for name, must_differ in list_id_columns(first):
            if must_differ and not self._differs(name, first[name], is_all=is_all):
                continue
            return name
        return None

    def _differs(self, name: str, first: Column, *, is_all: bool) -> bool:
        if len(set(map(str, first))) < len(first):
            return False
        if is_all:
            return True
        seen = []
        for cells in self._column(name):
            if name != "name" and not are_different_texts(cells):
                return False
            seen.append(np.fromiter(map(hash, map(str, cells)), np.int64, len(cells)))
        hashes = np.concatenate(seen)  # eight bytes a row, where the texts may be a hundred
        return len(np.unique(hashes)) == len(hashes)

    @cached_property
    def _suffix(self) -> str:
        return table_suffix(self.path).removesuffix(".gz")

    def _column(self, name: str) -> Iterator[Column]:
        """Yield one column, some rows at a time."""
        if self.texts:
            for columns in iterate_text_columns(self.path, _ROWS, [name]):
                yield columns[name]
        elif self._suffix == ".parquet":
            from xtalgraph.data.parquet import iterate_batches, to_column

            for batch in iterate_batches(self.path, _ROWS, [name]):
                yield to_column(batch[name])
        else:
            records = iterate_records(self.path, self._form())
            while rows := [record.get(name) for record in islice(records, _ROWS)]:
                yield rows

    def _official_ids(self) -> np.ndarray | None:
        """Return the ids by which matbench's leaderboard calls the rows of its files."""
        match = _MATBENCH.fullmatch(self.path.name)
        if match is None:
            return None
        return matbench_ids(match["task"], count_rows(self.path, self._form()))

    def _batches(self) -> Iterator[Batch]:
        if self.texts:
            yield from iterate_text_columns(self.path, _ROWS)
        elif self._suffix == ".parquet":
            from xtalgraph.data.parquet import iterate_batches

            yield from iterate_batches(self.path, _ROWS)
        else:
            rows, records = iterate_records(self.path, self._form()), []
            while more := list(islice(rows, min(_ROWS, _JSON_ROWS))):
                records += more
                names = dict.fromkeys(name for record in records for name in record)
                if names:  # bad rows alone have none, and wait for one that has
                    yield {name: [record.get(name) for record in records] for name in names}
                    records = []
            for row in records:
                if isinstance(row, BadRow):
                    problem = f"none of its rows can be read: {row}, {row.reason}"
                    raise BadDataset(f"{self.title}: {problem}")

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
    return not header.strip() or header.startswith(NAMELESS)


def _count(batch: Batch) -> int:
    return len(next(iter(batch.values()))) if batch else 0


def _chain(begun: list[Batch], batches: Iterator[Batch]) -> Iterator[Batch]:
    while begun:
        yield begun.pop(0)
    yield from batches


def _read_rows(
    cells: dict[str, Column], structures: list[Any], ids: np.ndarray, texts: bool, decimal: str
) -> Contents:
    """Turn the cells of some rows into crystals, and keep the columns of the good ones."""
    flat = drop_overlaps(_read_structures(structures, texts))
    good = np.ones(flat.n_rows, dtype=bool)
    good[list(flat.bad)] = False
    rejected = [Rejected(str(ids[row]), why) for row, why in flat.bad.items()]
    kept = {name: _take(column, good) for name, column in cells.items()}
    return Contents(join_flat([flat], ids[good]), rejected, Cells(kept, texts, decimal))


def _take(column: Column, good: np.ndarray) -> Column:
    if isinstance(column, np.ndarray):
        return column[good]
    return column if good.all() else [cell for cell, kept in zip(column, good, strict=True) if kept]


def _read_structures(columns: list[Any], texts: bool) -> FlatCrystals:
    if not isinstance(columns[0], list):
        from xtalgraph.data.parquet import read_structures

        flat = read_structures(columns)
        if flat is not None:
            return flat
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
    except (ValueError, RecursionError):
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return None
