"""What the commands print: results to stdout, remarks to stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from xtalgraph.errors import BadConfig
from xtalgraph.files import format_json

if TYPE_CHECKING:
    import pandas

TABLE_FORMATS = (".csv", ".parquet", ".json")


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


def print_table(table: pandas.DataFrame, *, json: bool = False) -> None:
    """Write the rows of a table to stdout, for a person or as JSON records for a program."""
    if json:
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
    if path.is_dir():
        raise BadConfig(f"--out {path}: it is a folder. Give the name of a file.")
    path.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise BadConfig(f"--out {path}: permission denied. Choose another place.")


def rejected_path(out: Path) -> Path:
    """Give the place of the list of what was left out, beside the result."""
    return out.with_name(out.name + ".rejected.csv")
