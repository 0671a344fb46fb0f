"""Which column is what: ids, structures, targets with units, class labels, and what is blank."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from xtalgraph.data.files import ID_NAMES
from xtalgraph.errors import BadConfig, BadDataset
from xtalgraph.units import KNOWN_TARGETS, Target, read_target_header

_BLANK_NUMBERS = ("", "nan", "NaN", "NAN", "NA", "N/A", "n/a", "None", "none", "null", "NULL", "-")
_LEADING_ZERO = re.compile(r"[+-]?0\d+")  # 0123 is a name, not a number
_INTEGER = re.compile(r"[+-]?\d+")
_TRUTH = {"true": True, "false": False}


def list_id_columns(frame: pd.DataFrame) -> Iterator[tuple[str, bool]]:
    """Yield the columns that may hold the ids, the best first, and whether their texts must differ.

    First those that are called so; `name` must be without repeats to count, while a repeat in
    `material_id` or `id` is kept for the pre-flight check to report. Then columns of texts.
    """
    lower = {str(name).strip().lower(): name for name in reversed(frame.columns)}
    for name in ID_NAMES:
        if name in lower:
            yield lower[name], name == "name"
    for name in frame.columns:
        if are_different_texts(frame[name]) and _read_numbers(frame[name]) is None:
            yield name, True


def are_different_texts(values: pd.Series) -> bool:
    """Return whether every cell is a text that is not blank, and no two are the same."""
    is_text = values.map(lambda value: isinstance(value, str) and value.strip() != "").all()
    return bool(is_text) and values.is_unique


def read_ids(values: pd.Series | None, n_rows: int, first: int = 0) -> np.ndarray:
    """Return one id a row as an array of strings: the column's, or the row numbers from `first`.

    A blank id is refused, since what is reported about its row could not be found again.
    """
    if values is None:
        rows = range(first, first + n_rows)
        return np.array([str(row) for row in rows], dtype=np.dtypes.StringDType())
    texts = ["" if _is_missing(value) else _write_id(value) for value in values]
    blank = [row for row, text in enumerate(texts) if not text]
    if blank:
        raise BadDataset(
            f"column {values.name!r}: no id in {len(blank)} rows, first in row {first + blank[0]} "
            "(counted from 0). Fill it in, or rename the column so that it is not taken for ids."
        )
    return np.array(texts, dtype=np.dtypes.StringDType())


def read_columns(
    frame: pd.DataFrame, *, texts: bool, names: dict[str, str] | None = None
) -> tuple[pd.DataFrame, dict[str, Target]]:
    """Return the columns by plain name, with blanks as missing, and the units of numeric ones.

    `texts` says that every cell is a text, as in CSV: columns of numbers and of true/false are then
    recognised. Numbers become float64 (int64 where all are whole and none is missing), true/false
    `bool` or pandas' `boolean`, texts objects with None for a blank. `names` is filled with the
    plain names by header.
    """
    columns: dict[str, pd.Series] = {}
    targets: dict[str, Target] = {}
    for position, header in enumerate(frame.columns):
        values = frame.iloc[:, position]
        name = str(header).strip()
        if not name or name.startswith("Unnamed:"):
            if counts_rows(values):
                continue  # the row numbers that pandas writes in front of a table
            name = f"column_{position}"
        target = _read_header(name)
        if target.name in columns:
            raise BadDataset(
                f"two columns are called {target.name!r} (units do not count). Rename one."
            )
        values = _read_texts(values) if texts else _read_typed(values)
        columns[target.name] = values
        if names is not None:
            names[header] = target.name
        if _is_numeric(values):
            targets[target.name] = target
    return pd.DataFrame(columns, index=pd.RangeIndex(len(frame))), targets


@dataclass(frozen=True)
class Schema:
    """Names, types and units of the columns of a source, as its first piece shows them.

    So the columns of all its pieces have the same types, however long it is.
    """

    names: dict[str, str]  # by header
    kinds: dict[str, str]  # by name: number, truth, or what the column holds as it is
    targets: dict[str, Target]
    texts: bool

    @classmethod
    def find(cls, frame: pd.DataFrame, *, texts: bool) -> Schema:
        """Read the types off the cells of the first piece."""
        names: dict[str, str] = {}
        columns, targets = read_columns(frame, texts=texts, names=names)
        kinds = {str(name): _kind_of(columns[name], name in targets) for name in columns.columns}
        return cls(names, kinds, targets, texts)

    def read(self, frame: pd.DataFrame, ids: np.ndarray) -> pd.DataFrame:
        """Return the columns of a piece under plain names.

        Raises:
            BadDataset: A cell is no number where the cells of the first piece are numbers.
        """
        columns: dict[str, pd.Series] = {}
        for header, name in self.names.items():
            kind = self.kinds[name]
            if header in frame.columns:
                columns[name] = self._read(frame[header].reset_index(drop=True), name, kind, ids)
            else:
                blank = np.nan if kind == "number" else None
                columns[name] = pd.Series([blank] * len(frame), dtype=_DTYPES.get(kind, object))
        later = frame.drop(columns=[header for header in self.names if header in frame.columns])
        if len(later.columns):  # of JSON, whose rows may have other names further on
            found, targets = read_columns(later, texts=self.texts)
            for name in found.columns:
                if name in self.kinds:
                    now, then = targets.get(name, Target(name)), self.targets.get(name)
                    raise BadDataset(
                        f"{now.column!r}, but the rows before have {(then or now).column!r}. "
                        "Convert one of them to the unit of the other."
                    )
                columns[str(name)] = found[name]
        return pd.DataFrame(columns, index=pd.RangeIndex(len(frame)))

    def _read(self, values: pd.Series, name: str, kind: str, ids: np.ndarray) -> pd.Series:
        if kind not in _DTYPES:
            return pd.Series([_strip(c) if isinstance(c, str) else c for c in values], dtype=object)
        found = _read_texts(values) if self.texts else _read_typed(values)
        if found.isna().all():
            found = pd.Series([None] * len(found), dtype=object)
        elif _kind_of(found, _is_numeric(found)) != kind:
            hint = describe_texts(found, ids) if kind == "number" else ""
            raise BadDataset(
                f"column {name!r}: not every cell is a {kind}, as in the first rows.{hint} "
                "Correct these cells, or quote all as texts."
            )
        return found.astype("float64" if kind == "number" else "boolean")


_DTYPES = {"number": "float64", "truth": "boolean"}


def _kind_of(values: pd.Series, is_target: bool) -> str:
    return "number" if is_target else "truth" if pd.api.types.is_bool_dtype(values) else "other"


def _is_numeric(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def describe_texts(values: pd.Series, ids: np.ndarray) -> str:
    """Return which cells keep a column of texts from being numbers, or nothing if most do."""
    texts = values.astype(object)
    present = texts.notna()
    numbers = pd.to_numeric(texts, errors="coerce")
    wrong = np.flatnonzero((present & numbers.isna()).to_numpy())
    if len(wrong) == 0 or len(wrong) > int(present.sum()) / 2:
        return ""
    first = int(wrong[0])
    return (
        f" {len(wrong)} of {int(present.sum())} cells are no numbers, "
        f"first {texts.iloc[first]!r} (id {str(ids[first])!r})."
    )


def _read_header(name: str) -> Target:
    if name in KNOWN_TARGETS:
        return KNOWN_TARGETS[name]
    try:
        return read_target_header(name)
    except BadConfig:  # a header like `E [eV] (PBE)` is a name; only `name [unit]` has a unit
        return Target(name)


def _read_texts(values: pd.Series) -> pd.Series:
    numbers = _read_numbers(values)
    if numbers is not None:
        return numbers
    texts = pd.Series([_strip(value) for value in values], dtype=object)
    present = texts.dropna().str.lower()
    if len(present) and present.isin(list(_TRUTH)).all():
        truth = texts.map(lambda text: None if text is None else _TRUTH[text.lower()])
        return truth.astype("boolean" if truth.isna().any() else "bool")
    return texts


def _read_numbers(values: pd.Series) -> pd.Series | None:
    """None unless every cell that is not blank is a number and one at least is there."""
    texts = pd.Series([_strip(value) or "" for value in values], dtype=object)
    blank = texts.isin(_BLANK_NUMBERS)
    present = texts[~blank]
    if present.str.fullmatch(_LEADING_ZERO).any():
        return None
    numbers = pd.to_numeric(present, errors="coerce")
    if numbers.isna().any():
        return None
    if len(present) == 0:  # an empty column is one of missing labels, if its blanks are numbers'
        return texts.map(lambda text: np.nan).astype(np.float64) if len(texts) else None
    if not blank.any() and present.str.fullmatch(_INTEGER).all():
        return numbers.astype(np.int64) if pd.api.types.is_integer_dtype(numbers) else numbers
    return numbers.reindex(texts.index).astype(np.float64)


def _read_typed(values: pd.Series) -> pd.Series:
    """Columns that come with a type; mixed objects (JSON) are sorted out by what they hold."""
    values = values.reset_index(drop=True)
    if pd.api.types.is_bool_dtype(values):
        return values if values.isna().any() else values.astype("bool")
    if pd.api.types.is_numeric_dtype(values):
        kept = pd.api.types.is_integer_dtype(values) and not values.isna().any()
        return values.astype(np.int64 if kept else np.float64)
    if not pd.api.types.is_object_dtype(values) and not pd.api.types.is_string_dtype(values):
        return values
    cells = [None if _is_missing(value) else value for value in values]
    present = [cell for cell in cells if cell is not None]
    if not present or all(_is_number(cell) for cell in present):
        return pd.Series([np.nan if cell is None else float(cell) for cell in cells])
    if all(isinstance(cell, (bool, np.bool_)) for cell in present):
        return pd.Series(cells, dtype="boolean" if len(present) < len(cells) else "bool")
    return pd.Series([_strip(c) if isinstance(c, str) else c for c in cells], dtype=object)


def _is_number(cell: object) -> bool:
    return isinstance(cell, (int, float, np.number)) and not isinstance(cell, (bool, np.bool_))


def _is_missing(value: object) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def _strip(value: object) -> str | None:
    text = "" if _is_missing(value) else str(value).strip()
    return text or None


def _write_id(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a column of whole numbers with a gap comes as floats
    return str(value).strip()


def counts_rows(values: pd.Series) -> bool:
    """Return whether a column has the row numbers 0, 1, 2, …, as pandas writes them."""
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return bool(np.array_equal(numbers, np.arange(len(numbers))))
