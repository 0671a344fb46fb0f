"""Rows of JSON files one by one, through ijson: matbench's largest table is over 1 GB of text."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

import ijson

from xtalgraph.data.files import read_lines
from xtalgraph.data.structure_columns import BadRow
from xtalgraph.errors import BadDataset
from xtalgraph.structures.formats.pymatgen_json import OPTIMADE

INDEX_NAME = "Unnamed: index"
"""The column in which the index of a `split` table stands, if it has one."""

_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_DEEPEST = 500
_DEEP = re.compile(rb"[\[{]{%d}" % _DEEPEST)
_HEAD = 1 << 16  # bytes that are looked at to tell the form


class _Shallow:
    """A file whose JSON may not be nested hundreds of times: ijson's time grows as its square."""

    def __init__(self, file: BufferedReader, path: Path) -> None:
        self.file, self.path, self.brackets = file, path, b""

    def read(self, n_bytes: int = -1) -> bytes:
        """Return the next bytes; `BadDataset` where too many brackets open one after another."""
        content = self.file.read(n_bytes)
        self.brackets += content.translate(None, _NO_BRACKETS)
        if _DEEP.search(self.brackets):
            raise _broken(self.path, "it is nested too deeply")
        self.brackets = self.brackets[-_DEEPEST:]
        return content


def sniff_json(path: Path) -> str:
    """Return what a JSON file holds: `split`, `records`, `lines`, `pages`, or `structure`.

    `split` is pandas' form with columns, index and data, used by matbench; `records` a list of
    objects; `lines` one object a line; `pages` an answer of OPTIMADE; `structure` one object alone.
    """
    with _open(path) as file:
        head = file.read(_HEAD).lstrip(b"\xef\xbb\xbf \t\r\n")
        if head[:1] == b"[":
            return "records"
        if head[:1] != b"{":
            raise _broken(
                path, f"expected '{{' or '[', found {head[:1].decode(errors='replace')!r}"
            )
        first, _, rest = head.partition(b"\n")
        if rest.strip() and _is_object(first):
            return "lines"
        file.seek(0)
        with _explain(path):
            for prefix, event, value in ijson.parse(
                _Shallow(file, path), use_float=True, multiple_values=True
            ):
                if (prefix, event) == ("", "map_key") and value in ("index", "columns"):
                    return "split"
                if (prefix, event) == ("", "map_key") and value not in ("data", "meta", "links"):
                    return "structure"
                if prefix == "data.item":
                    return "pages" if event == "start_map" else "split"
                if prefix == "" and event == "end_map":
                    return "structure"
    raise _broken(path, "it ends before its first value does")


def iterate_records(path: Path, form: str) -> Iterator[dict[str, Any] | BadRow]:
    """Yield the rows of a JSON file of a form that `sniff_json` tells, as dicts, one by one.

    A line of its own that is broken is one bad row.
    """
    if form == "lines":
        yield from _iterate_lines(path)
    elif form == "split":
        yield from _iterate_split(path)
    else:
        with _open(path) as file, _explain(path):
            prefix = "item" if form == "records" else "data.item"
            for row in ijson.items(_Shallow(file, path), prefix, use_float=True):
                yield _flatten(_require_object(row, path))


def count_rows(path: Path, form: str) -> int:
    """Return the number of rows, from the index of a `split` table where it has one."""
    if form == "split":
        index = _read_head(path).get("index")
        if index is not None:
            return len(index)
    return sum(1 for _ in iterate_records(path, form))


def _iterate_lines(path: Path) -> Iterator[dict[str, Any] | BadRow]:
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except RecursionError:
            yield BadRow(f"line {number}", "the JSON is nested too deeply.")
        except ValueError as error:
            yield BadRow(f"line {number}", f"broken JSON ({error}). Is the line complete?")
        else:
            if isinstance(row, dict):
                yield _flatten(row)
            else:
                yield BadRow(f"line {number}", f"{_expected(row)}.")


def _iterate_split(path: Path) -> Iterator[dict[str, Any]]:
    head = _read_head(path)
    if "columns" not in head:
        raise BadDataset(f"{path}: the columns come after the data. Write them before.")
    columns, index = [str(name) for name in head["columns"]], head.get("index")
    with _open(path) as file, _explain(path):
        for number, row in enumerate(
            ijson.items(_Shallow(file, path), "data.item", use_float=True)
        ):
            if len(row) != len(columns) or (index is not None and number >= len(index)):
                raise BadDataset(
                    f"{path}: row {number} does not fit the {len(columns)} columns and the "
                    "index. Is the file complete?"
                )
            record = dict(zip(columns, row, strict=True))
            yield record if index is None else {INDEX_NAME: index[number], **record}


def _read_head(path: Path) -> dict[str, Any]:
    """Return what a `split` table has before its data."""
    head: dict[str, Any] = {}
    with _open(path) as file, _explain(path):
        builder: Any = None
        key = ""
        for prefix, event, value in ijson.parse(_Shallow(file, path), use_float=True):
            if prefix == "" and event == "map_key":
                if value == "data":
                    break
                key, builder = value, ijson.ObjectBuilder()
            elif builder is not None:
                builder.event(event, value)
                if prefix == key and event != "start_array" and event != "start_map":
                    head[key] = builder.value
    return head


def _flatten(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row of OPTIMADE as that of a table: attributes as columns, one of structures."""
    if isinstance(row.get("attributes"), dict) and "id" in row:
        row = {"id": row["id"], **row["attributes"]}
    if all(name in row for name in OPTIMADE):
        row["structure"] = {name: row.pop(name) for name in OPTIMADE}
    return row


def _require_object(row: Any, path: Path) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise BadDataset(f"{path}: {_expected(row)}.")
    return row


def _expected(row: Any) -> str:
    return f"a row is {type(row).__name__}, expected an object with named columns"


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _open(path: Path) -> BufferedReader:
    if path.suffix.lower() != ".gz":
        return open(path, "rb")
    return BufferedReader(gzip.GzipFile(path))


@contextmanager
def _explain(path: Path) -> Iterator[None]:
    try:
        yield
    except (ijson.JSONError, ValueError, OverflowError, RecursionError) as error:
        raise _broken(path, " ".join(str(error).split())[:120]) from error


def _broken(path: Path, problem: str) -> BadDataset:
    return BadDataset(f"{path}: broken JSON ({problem}). Is the file complete?")
