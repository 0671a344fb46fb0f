"""JSON read piece by piece: matbench's largest table is over 1 GB of text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from xtalgraph.data.files import open_text
from xtalgraph.errors import BadDataset

_PIECE = 1 << 20  # characters read at a time


class JsonStream:
    """A JSON text from which one value after another is taken, without holding the rest."""

    def __init__(self, file: TextIOWrapper, source: str) -> None:
        self._file, self._source = file, source
        self._text, self._start = "", 0
        self._decoder = json.JSONDecoder()
        self._ended = False

    def peek(self) -> str:
        """Give the next character that is no white space, or nothing at the end."""
        while True:
            while self._start < len(self._text):
                if not self._text[self._start].isspace():
                    return self._text[self._start]
                self._start += 1
            if not self._read_more():
                return ""

    def take(self, expected: str) -> bool:
        """Step over the next character if it is `expected`, and tell whether it was."""
        found = self.peek() == expected
        self._start += found
        return found

    def require(self, expected: str) -> None:
        """Step over the next character, which must be `expected`."""
        if not self.take(expected):
            raise self._broken(f"expected {expected!r}, found {self.peek() or 'the end'!r}")

    def value(self) -> Any:
        """Give the next whole value."""
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._start)
            except json.JSONDecodeError as error:
                if self._read_more():
                    continue
                raise self._broken(str(error)) from error
            if end == len(self._text) and self._read_more():
                continue  # a number may go on behind the piece
            self._start = end
            return value

    def items(self) -> Iterator[Any]:
        """Give the values of the array that comes next, one by one."""
        self.require("[")
        if self.take("]"):
            return
        while True:
            yield self.value()
            if not self.take(","):
                self.require("]")
                return

    def _read_more(self) -> bool:
        """Read on, twice as much where one value did not fit; False at the end of the file."""
        if self._ended:
            return False
        rest = self._text[self._start :]
        piece = self._file.read(max(_PIECE, len(rest)))
        self._ended = not piece
        self._text, self._start = rest + piece, 0
        return not self._ended

    def _broken(self, problem: str) -> BadDataset:
        return BadDataset(f"{self._source}: broken JSON ({problem}). Is the file complete?")


def sniff_json(path: Path) -> str:
    """Tell what a JSON file holds: `split`, `records`, `lines`, or `structure`.

    `split` is pandas' form with columns, index and data, used by matbench; `records` a list of
    objects; `lines` one object a line; `structure` one object alone.
    """
    with open_text(path) as file:
        stream = JsonStream(file, str(path))
        if stream.peek() == "[":
            return "records"
        stream.require("{")
        if stream.take("}"):
            return "structure"
        key = stream.value()
    if key in ("index", "columns", "data"):
        return "split"
    with open_text(path) as file:
        stream = JsonStream(file, str(path))
        stream.value()
        return "lines" if stream.peek() else "structure"


def iterate_records(path: Path, form: str) -> Iterator[dict[str, Any]]:
    """Give the rows of a JSON file of form `split`, `records` or `lines` as dicts, one by one."""
    with open_text(path) as file:
        stream = JsonStream(file, str(path))
        if form == "split":
            yield from _iterate_split(stream, str(path))
        elif form == "records":
            yield from (_require_object(row, str(path)) for row in stream.items())
        else:
            while stream.peek():
                yield _require_object(stream.value(), str(path))


def _iterate_split(stream: JsonStream, source: str) -> Iterator[dict[str, Any]]:
    parts: dict[str, list] = {}
    stream.require("{")
    while True:
        key = stream.value()
        stream.require(":")
        if key != "data":
            parts[key] = stream.value()
        elif "columns" not in parts:
            raise BadDataset(f"{source}: the columns come after the data. Write them before.")
        else:
            columns = [str(name) for name in parts["columns"]]
            index = parts.get("index")
            for number, row in enumerate(stream.items()):
                if len(row) != len(columns) or (index is not None and number >= len(index)):
                    raise BadDataset(
                        f"{source}: row {number} does not fit the {len(columns)} columns and the "
                        "index. Is the file complete?"
                    )
                record = dict(zip(columns, row, strict=True))
                if index is not None:
                    record = {INDEX_NAME: index[number], **record}
                yield record
        if not stream.take(","):
            stream.require("}")
            return


INDEX_NAME = "Unnamed: index"
"""The column in which the index of a `split` table stands, if it has one."""


def _require_object(row: Any, source: str) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise BadDataset(
            f"{source}: a row is {type(row).__name__}, expected an object with named columns."
        )
    return row
