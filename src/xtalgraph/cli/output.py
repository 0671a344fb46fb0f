"""What the commands print and write: results to stdout or a file, remarks to stderr."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from rich.console import Console

from xtalgraph.errors import BadConfig, Rejected, summarise
from xtalgraph.extras import import_extra
from xtalgraph.files import format_json, plain, protect, publish, temporary_name

if TYPE_CHECKING:
    import numpy as np
    import pandas

    from xtalgraph.prediction import PredictionGroup, Predictions

TABLE_FORMATS = (".csv", ".parquet", ".json")
_PARQUET = "a table as parquet"
_SHOWN = 10  # reasons that are told; the others are in the list


def say(*lines: str) -> None:
    """Write lines for a person to stderr."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    for line in lines:
        console.print(line, markup=False)


def print_json(result: Any) -> None:
    """Write a result to stdout as JSON, NaN as null."""
    sys.stdout.write(format_json(result) + "\n")


def print_lines(lines: Iterable[str]) -> None:
    """Write a result to stdout for a person to read."""
    sys.stdout.writelines(line + "\n" for line in lines)


def print_table(table: pandas.DataFrame, *, as_json: bool = False) -> None:
    """Write the rows of a table to stdout, for a person or as JSON records for a program."""
    if as_json:
        print_json(table.to_dict(orient="records"))
    else:
        print_lines(table.to_string(index=False).split("\n"))


def print_columns(rows: Iterable[Sequence[object]]) -> None:
    """Write rows of texts to stdout in columns, which needs no pandas."""
    lines = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    print_lines(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def refuse_table(path: Path | None) -> None:
    """Refuse an output file that cannot be written, before any work is done for it.

    That is one of an unknown format, a folder, or one without permission to write.
    """
    if path is None:
        return
    if path.suffix.lower() not in TABLE_FORMATS:
        raise BadConfig(f"--out {path}: write the table as {', '.join(TABLE_FORMATS)}.")
    if path.suffix.lower() == ".parquet":
        import_extra("pyarrow", _PARQUET)
    if path.is_dir():
        raise BadConfig(f"--out {path}: it is a folder. Give the name of a file.")
    path.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise BadConfig(f"--out {path}: permission denied. Choose another place.")


def rejected_path(out: Path) -> Path:
    """Return the place of the list of what was left out, next to the result."""
    return out.with_name(out.name + ".rejected.csv")


class TableStream:
    """A table that grows by pieces: a file of the suffix's format, or CSV to stdout.

    Leaving its context puts the file in its place; after an error nothing is left of it.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.format = ".csv" if path is None else path.suffix.lower()
        self.part = None if path is None else temporary_name(path)
        self.file: Any = sys.stdout if path is None else None
        self.n_rows = 0

    def __enter__(self) -> TableStream:
        return self

    def write(self, columns: Mapping[str, np.ndarray]) -> None:
        """Append rows; the columns are the same each time."""
        n_rows = len(next(iter(columns.values())))
        if not n_rows:
            return
        if self.format == ".parquet":
            self._write_parquet(columns)
        else:
            if self.file is None and self.part is not None:
                self.file = open(self.part, "w", newline="", encoding="utf-8")  # noqa: SIM115
            rows = zip(*(values.tolist() for values in columns.values()), strict=True)
            if self.format == ".csv":
                writer = csv.writer(self.file, lineterminator="\n")
                if not self.n_rows:
                    writer.writerow(columns)
                # as pandas does it, no number is an empty cell
                writer.writerows(map(_write_cell, row) for row in rows)
            else:
                _write_records(self.file, list(columns), rows, is_first=not self.n_rows)
        self.n_rows += n_rows

    def _write_parquet(self, columns: Mapping[str, np.ndarray]) -> None:
        table = import_extra("pyarrow", _PARQUET).table(dict(columns))
        if self.file is None:
            parquet = import_extra("pyarrow.parquet", _PARQUET)
            self.file = parquet.ParquetWriter(self.part, table.schema)
        self.file.write_table(table)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self.path is None or self.part is None or self.file is None:
            return
        if self.format == ".json" and error is None:
            self.file.write("\n]\n")
        self.file.close()
        if error is None:
            publish(self.part, self.path)
        else:
            self.part.unlink(missing_ok=True)


class RejectedStream:
    """What was left out: its number, the first reasons, and the whole list next to the result."""

    def __init__(self, out: Path | None) -> None:
        self.table = TableStream(None if out is None else rejected_path(out))
        self.n_rows = 0
        self.first: list[Rejected] = []

    def add(self, rejected: Sequence[Rejected]) -> None:
        """Count rows, and append them to the list."""
        import numpy as np

        self.n_rows += len(rejected)
        self.first = (self.first + list(rejected))[:_SHOWN]
        if self.table.path is not None:
            texts = np.array([(row.id, row.reason) for row in rejected], dtype=object)
            texts = texts.reshape(-1, 2)
            self.table.write({"id": texts[:, 0], "reason": texts[:, 1]})

    def __enter__(self) -> RejectedStream:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        self.table.__exit__(kind, error, traceback)
        path = self.table.path
        if error is None and not self.n_rows and path is not None and path.is_file():
            path.unlink()  # it would be of an earlier table

    def tell(self) -> None:
        """Report how many rows were left out and why, and where the list is."""
        if self.n_rows:
            say(f"{self.n_rows} left out:", self.summary())
            if self.table.path is not None:
                say(f"the list is in {self.table.path}")

    def summary(self) -> str:
        """Return the first reasons, one a line, and how many more there are."""
        return _summarise(self.first, self.n_rows)


def report_rejected(rejected: Sequence[Rejected], out: Path | None) -> None:
    """Report which rows were left out and why, and write them to a file next to the result."""
    if rejected and out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
    with RejectedStream(out) as stream:
        stream.add(rejected)
    stream.tell()


class DomainWarning:
    """Which crystals are nothing like those that a model has learned from."""

    def __init__(self) -> None:
        self.n_crystals, self.is_group = 0, False
        self.n_out: dict[str, int] = {}  # by model
        self.first: list[Rejected] = []

    def add(self, result: Predictions | PredictionGroup) -> None:
        """Count the crystals of a result, and those out of the domain."""
        self.n_crystals += len(result.ids)
        self.is_group = isinstance(result, Mapping)
        parts = result if isinstance(result, Mapping) else {"": result}
        for name, part in parts.items():
            rows = zip(part.ids, part.domain or (), part.domain_reason, strict=False)
            out = [Rejected(id, reason) for id, level, reason in rows if level == "out"]
            if out:
                self.n_out[name] = self.n_out.get(name, 0) + len(out)
                self.first = (self.first + out)[:_SHOWN]

    def tell(self) -> None:
        """Report how many they are, and of one model the first of them."""
        if self.is_group and self.n_out:
            say(f"warning: out of the domain of these models, of {self.n_crystals} crystals:")
            say(*(f"  {name}: {n_out}" for name, n_out in self.n_out.items()))
        elif self.n_out:
            (n_out,) = self.n_out.values()
            say(f"warning: {n_out} of {self.n_crystals} out of the model's domain:")
            say(_summarise(self.first, n_out))


def _summarise(first: Sequence[Rejected], n_rows: int) -> str:
    text = summarise(first)
    return text if n_rows <= len(first) else f"{text}\n  … and {n_rows - len(first)} more"


def _write_cell(cell: object) -> object:
    if isinstance(cell, str):
        return protect(cell)
    return "" if cell != cell else cell


def _write_records(file: IO[str], names: list[str], rows: Any, *, is_first: bool) -> None:
    """Append JSON records, one a line, to an array that is closed in the end."""
    for row in rows:
        record = plain(dict(zip(names, row, strict=True)))
        text = json.dumps(record, ensure_ascii=False, allow_nan=False)
        file.write(("[\n " if is_first else ",\n ") + text)
        is_first = False
