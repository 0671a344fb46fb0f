"""Parquet: rows in batches, lists without their nesting, and a data set as one table of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Int64

from xtalgraph.data.cells import Column
from xtalgraph.data.structure_columns import (
    FlatCrystals,
    FlatList,
    any_by_row,
    read_flat_columns,
)
from xtalgraph.errors import BadDataset, MissingExtra

_BUFFER = 1 << 20  # bytes; without it a whole row group is read at once, which may be the file
_INDEX = "__index_level_"  # how pandas calls a column of row numbers


def require_pyarrow(what: str = "parquet") -> ModuleType:
    """Return pyarrow with its parquet, or say which extra has it."""
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.parquet
    except ImportError:
        raise MissingExtra(what, "tables") from None
    return pyarrow


def iterate_batches(
    path: Path, n_rows: int, columns: Sequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the columns of some rows at a time, as arrow has them."""
    pa = require_pyarrow()
    try:
        with pa.parquet.ParquetFile(path, buffer_size=_BUFFER) as file:
            names = file.schema_arrow.names
            if len(set(names)) < len(names):
                raise BadDataset(f"{path}: two columns have one name: {', '.join(names)}.")
            for batch in file.iter_batches(batch_size=n_rows, columns=columns):
                found = {name: batch.column(name) for name in batch.schema.names}
                yield {name: one for name, one in found.items() if not name.startswith(_INDEX)}
    except pa.ArrowException as error:
        reason = " ".join(str(error).split())[:200]
        raise BadDataset(f"{path}: it cannot be read ({reason}). Is the file complete?") from error


def list_columns(path: Path) -> list[str]:
    """Return the names of the columns of a file."""
    return list(next(iterate_batches(path, 1), {}))


def to_column(column: Any) -> Column:
    """Return a column of arrow as numbers, or as a list of what its cells hold."""
    pa = require_pyarrow()
    types, kind = pa.types, column.type
    if types.is_dictionary(kind):
        column = column.dictionary_decode()
    is_whole = types.is_integer(kind) or types.is_boolean(kind)
    if types.is_floating(kind) or (is_whole and not column.null_count):
        return column.to_numpy(zero_copy_only=False)
    if types.is_integer(kind):
        return column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return column.to_pylist()


def read_structures(columns: Sequence[Any]) -> FlatCrystals | None:
    """Return the crystals of three columns of lists, without a loop over atoms; None of others."""
    pa = require_pyarrow()
    if len(columns) != 3 or not all(pa.types.is_nested(column.type) for column in columns):
        return None
    lattice, species, positions = columns
    try:
        return read_flat_columns(_flatten(lattice), _flatten_species(species), _flatten(positions))
    except pa.ArrowException:  # texts among the numbers: row by row, only theirs is bad
        return None


def _flatten(column: Any) -> FlatList:
    pa = require_pyarrow()
    values, counts, regular = _unnest(column)
    floats = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return FlatList(floats.astype(np.float64), counts, regular)  # null has become nan


def _flatten_species(column: Any) -> FlatList:
    pa = require_pyarrow()
    values, counts, regular = _unnest(column)
    if not pa.types.is_dictionary(values.type):
        values = values.dictionary_encode()
    labels = [str(label) for label in values.dictionary.to_pylist()]
    codes = pa.compute.fill_null(values.indices, len(labels)).to_numpy(zero_copy_only=False)
    return FlatList(codes.astype(np.int64), counts, regular, (*labels, "missing"))


def _unnest(column: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    """Take one or two levels of lists away; a missing row counts as an empty one."""
    counts = _list_lengths(column)
    values = column.flatten()
    regular = np.ones(len(counts), dtype=bool)
    if _is_list(values.type):
        inner = _list_lengths(values)
        regular = ~any_by_row(inner != 3, counts)
        ends = np.cumsum(counts)
        totals = np.concatenate([[0], np.cumsum(inner)])
        counts = totals[ends] - totals[ends - counts]
        values = values.flatten()
    return values, counts, regular


def _is_list(kind: Any) -> bool:
    types = require_pyarrow().types
    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)


def _list_lengths(column: Any) -> Int64[np.ndarray, "n_rows"]:
    compute = require_pyarrow().compute
    lengths = compute.fill_null(compute.list_value_length(column), 0)
    return lengths.to_numpy(zero_copy_only=False).astype(np.int64)
