"""Single cells of a table: which are blank, which are numbers, and columns of them as arrays.

Everything here is numpy and the standard library: tables are read where pandas is not installed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from xtalgraph.errors import MissingExtra
from xtalgraph.files import unprotect

if TYPE_CHECKING:
    import pandas

Column: TypeAlias = np.ndarray | Sequence
"""The cells of a column as they stand in the source."""

Table: TypeAlias = dict[str, np.ndarray]
"""Columns by name: float64 with nan, int64, bool, or objects with None for what is missing."""

_MARKS = {
    *("#n/a", "#n/a n/a", "#na", "#value!", "#div/0!", "#ref!", "#name?", "#num!", "#null!"),
    *("n.a.", "n.a", "n/a", "n.d.", "n.d", "--", "---", "–", "—", "?", "??", "nan", "<na>", "null"),
}
"""How a missing label is written that is no word: blank in every column. In lower case."""

_WORDS = {"na", "none", "nd", "-", "−", ".", "..", "...", "…"}
"""What is blank among numbers; among texts it may be a class (`none`), a formula (`Na`), a sign."""

_NUMBER = re.compile(
    r"(?P<value>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"(?:\s?\(\d+\)|\s*(?:±|\+/?-)\s*(?:\d+\.?\d*|\.\d+))?",
    re.ASCII,
)
_INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)
_LEADING_ZERO = re.compile(r"[+-]?0\d+", re.ASCII)  # 0123 is a name, not a number
_INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+", re.ASCII)
_TRUTH = {"true": True, "false": False}


def is_missing(cell: object) -> bool:
    """Return whether a cell has nothing in it, as JSON, numpy or pandas write that."""
    if cell is None or (isinstance(cell, (float, np.floating)) and math.isnan(cell)):
        return True
    return type(cell).__name__ in ("NAType", "NaTType")  # of pandas, which may not be installed


def strip(cell: object) -> str | None:
    """Return the text of a cell, or None where it is blank."""
    text = "" if is_missing(cell) else str(cell).strip()
    return None if not text or text.lower() in _MARKS else unprotect(text)


def is_blank_number(text: str) -> bool:
    """Return whether a text stands for a missing number."""
    text = text.strip().lower()
    return not text or text in _MARKS or text in _WORDS


def read_number(text: str, decimal: str = ".") -> float | None:
    """Return the number that a cell is, or None where it is none.

    An uncertainty behind it is left out: `-0.3(2)` and `-0.3 ± 0.2` are −0.3. Where the `decimal`
    sign is a comma, a number with a point is none: it may be one of thousands.

    >>> read_number("-0.3(2)"), read_number("−1e-3"), read_number("1,5", ","), read_number("~1.2")
    (-0.3, -0.001, 1.5, None)
    """
    text = text.strip().replace("\N{MINUS SIGN}", "-")
    if decimal == ",":
        if "." in text:
            return None
        text = text.replace(",", ".")
    found = _NUMBER.fullmatch(text)
    if found is not None:
        return float(found["value"])
    return float(text) if _INFINITE.fullmatch(text) else None


def find_decimal(cells: Sequence[str]) -> str:
    """Return the decimal sign of a table's cells: a comma if some need it and none has a point.

    `1,234` alone does not tell; it is then no number, and its column is refused as mixed.
    """
    has_comma = False
    for cell in cells:
        text = cell.strip().replace("\N{MINUS SIGN}", "-")
        if "." in text and _NUMBER.fullmatch(text):
            return "."
        if "," in text and read_number(text, ",") is not None and not _THOUSANDS.fullmatch(text):
            has_comma = True
    return "," if has_comma else "."


def read_texts(cells: Column, decimal: str = ".") -> np.ndarray:
    """Return a column of texts as numbers or true and false, if all that are not blank are such."""
    texts = ["" if is_missing(cell) else str(cell).strip() for cell in cells]
    numbers = _read_numbers(texts, decimal)
    if numbers is not None:
        return numbers
    stripped = [strip(text) for text in texts]
    present = {text.lower() for text in stripped if text is not None}
    if present and present <= set(_TRUTH):
        return _truths([None if text is None else _TRUTH[text.lower()] for text in stripped])
    return as_objects(stripped)


def _read_numbers(texts: Sequence[str], decimal: str) -> np.ndarray | None:
    """None unless every cell that is not blank is a number; all blank is a column of missing."""
    present = [text for text in texts if not is_blank_number(text)]
    if not texts or any(_LEADING_ZERO.fullmatch(text) for text in present):
        return None
    found = [read_number(text, decimal) for text in present]
    if any(number is None for number in found):
        return None
    if present and len(present) == len(texts) and all(map(_INTEGER.fullmatch, texts)):
        return np.array([int(text) for text in texts], dtype=np.int64)
    numbers = iter(found)
    return np.array(
        [np.nan if is_blank_number(text) else next(numbers) for text in texts], dtype=np.float64
    )


def read_typed(cells: Column) -> np.ndarray:
    """Return a column whose cells have types, as those of JSON and parquet.

    Texts stay texts, unless they stand among numbers.
    """
    if isinstance(cells, np.ndarray) and cells.dtype.kind in "biuf":
        if cells.dtype.kind == "b":
            return cells
        return cells.astype(np.float64 if cells.dtype.kind == "f" else np.int64)
    found = [None if is_missing(cell) else cell for cell in cells]
    found = [strip(cell) if isinstance(cell, str) else cell for cell in found]
    present = [cell for cell in found if cell is not None]
    if any(map(_is_number, present)):
        found = [_read_among_numbers(cell) for cell in found]
        present = [cell for cell in found if cell is not None]
    if all(map(_is_number, present)):
        if present and len(present) == len(found) and all(map(_is_integer, present)):
            return np.array(found, dtype=np.int64)
        return np.array([np.nan if cell is None else _to_float(cell) for cell in found], float)
    if all(isinstance(cell, (bool, np.bool_)) for cell in present):
        return _truths(found)
    return as_objects(found)


def _read_among_numbers(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    if is_blank_number(cell):
        return None
    number = None if _LEADING_ZERO.fullmatch(cell) else read_number(cell)
    return cell if number is None else number


def _is_number(cell: object) -> bool:
    return isinstance(cell, (int, float, np.number)) and not isinstance(cell, (bool, np.bool_))


def _is_integer(cell: object) -> bool:
    return isinstance(cell, (int, np.integer)) and abs(int(cell)) < 2**63


def _to_float(cell: object) -> float:
    try:
        return float(cell)  # type: ignore[arg-type]
    except OverflowError:  # an integer of more than 308 digits
        return math.inf if int(cell) > 0 else -math.inf  # type: ignore[call-overload]


def _truths(cells: Sequence) -> np.ndarray:
    return np.array(cells, dtype=bool) if None not in cells else as_objects(cells)


def as_objects(cells: Sequence) -> np.ndarray:
    """Return an array of objects, also where the cells are lists."""
    array = np.empty(len(cells), dtype=object)
    array[:] = cells
    return array


def kind_of(column: np.ndarray) -> str:
    """Return what a column of a `Table` holds: number, truth or other."""
    if column.dtype.kind in "biuf":
        return "truth" if column.dtype.kind == "b" else "number"
    present = [cell for cell in column if cell is not None]
    is_truth = bool(present) and all(isinstance(cell, (bool, np.bool_)) for cell in present)
    return "truth" if is_truth else "other"


def find_present(column: np.ndarray) -> np.ndarray:
    """Return which cells of a column of a `Table` are not missing."""
    if column.dtype.kind == "f":
        return ~np.isnan(column)
    if column.dtype.kind in "biu":
        return np.ones(len(column), dtype=bool)
    return np.array([not is_missing(cell) for cell in column], dtype=bool)


def as_floats(column: np.ndarray) -> np.ndarray:
    """Return a column of numbers as float64, nan where one is missing."""
    if column.dtype.kind in "biuf":
        return column.astype(np.float64)
    return np.array([np.nan if is_missing(cell) else float(cell) for cell in column], np.float64)


def join_columns(parts: Sequence[Mapping[str, Column]], counts: Sequence[int]) -> dict[str, Column]:
    """Return tables of the same source one after another; where one lacks a column it is missing.

    `counts` are their rows.
    """
    joined: dict[str, Column] = {}
    for name in dict.fromkeys(name for part in parts for name in part):
        found = [part.get(name) for part in parts]
        if all(isinstance(one, np.ndarray) and one.dtype.kind in "biuf" for one in found):
            kinds = {one.dtype.kind == "b" for one in found}  # type: ignore[union-attr]
            if len(kinds) == 1:
                joined[name] = np.concatenate(found)  # type: ignore[arg-type]
                continue
        cells: list = []
        for one, count in zip(found, counts, strict=True):
            cells += [None] * count if one is None else _listed(one)
        joined[name] = cells
    return joined


def _listed(column: Column) -> list:
    return column.tolist() if isinstance(column, np.ndarray) else list(column)


def to_frame(table: Table, n_rows: int) -> pandas.DataFrame:
    """Return a table as a data frame of pandas."""
    try:
        import pandas as pd
    except ImportError:
        raise MissingExtra("a table as a data frame", "tables") from None
    columns = {}
    for name, column in table.items():
        is_masked = column.dtype == object and kind_of(column) == "truth"
        if column.dtype == object:  # texts get the type that pandas has for them
            columns[name] = pd.Series(column.tolist(), dtype="boolean" if is_masked else None)
        else:
            columns[name] = pd.Series(column)
    return pd.DataFrame(columns, index=pd.RangeIndex(n_rows))


def from_frame(frame: pandas.DataFrame) -> Table:
    """Return the columns of a data frame, their types as they are."""
    table = {}
    for position, name in enumerate(frame.columns):
        values = frame.iloc[:, position]
        kind = getattr(values.dtype, "kind", "O")
        if isinstance(values.dtype, np.dtype) and kind in "biuf":
            table[str(name)] = read_typed(values.to_numpy())
        elif kind in "iuf":  # numbers of pandas that know what is missing
            table[str(name)] = values.to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            cells = [None if is_missing(cell) else cell for cell in values.tolist()]
            table[str(name)] = _truths(cells) if kind == "b" else as_objects(cells)
    return table
