"""What the commands write: tables, lists of rejected rows, lines for people."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from xtalgraph.errors import BadConfig, Rejected, summarise

if TYPE_CHECKING:
    import pandas

TABLE_FORMATS = (".csv", ".parquet", ".json")


def say(*lines: str) -> None:
    """Write lines for a person to stderr."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    for line in lines:
        console.print(line, markup=False)


def print_json(result: Any) -> None:
    """Write a result to stdout for a program to read; what is no finite number becomes null."""
    text = json.dumps(plain(result), indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write(text + "\n")


def print_lines(lines: Iterable[str]) -> None:
    """Write a result to stdout for a person to read."""
    sys.stdout.writelines(line + "\n" for line in lines)


def refuse_table(path: Path | None) -> None:
    """Refuse an output file that could not be written in the end, before any work is done for it.

    That is one of an unknown format, one in whose place there is a folder, or one that the system
    does not let us write.
    """
    if path is None:
        return
    if path.suffix.lower() not in TABLE_FORMATS:
        raise BadConfig(f"--out {path}: write the table as {', '.join(TABLE_FORMATS)}.")
    if path.is_dir():
        raise BadConfig(f"--out {path}: it is a folder. Give the name of a file.")
    path.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise BadConfig(f"--out {path}: it may not be written. Choose another place.")


def write_table(frame: pandas.DataFrame, path: Path | None) -> None:
    """Write a table to a file, in the format of its suffix, or as CSV to stdout."""
    if path is None:
        frame.to_csv(sys.stdout, index=False)
        return
    if path.suffix.lower() == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix.lower() == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_json(path, orient="records", indent=1, force_ascii=False)


def rejected_path(out: Path) -> Path:
    """Give the place of the list of what was left out, beside the result."""
    return out.with_name(out.name + ".rejected.csv")


def report_rejected(rejected: Sequence[Rejected], out: Path | None) -> None:
    """Say which rows were left out and why, and list them beside the result.

    The list of an earlier run is removed where now there is nothing to list.
    """
    path = None if out is None else rejected_path(out)
    if not rejected:
        if path is not None and path.is_file():
            path.unlink()
        return
    say(f"{len(rejected)} left out:", summarise(rejected))
    if path is None:
        return
    import pandas as pd

    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame([(row.id, row.reason) for row in rejected], columns=["id", "reason"]).to_csv(
        path, index=False
    )
    say(f"the list is in {path}")


def plain(value: Any) -> Any:
    """Give a value as JSON knows it, numbers of numpy as Python's."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "item"):  # a number or a truth value of numpy
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
