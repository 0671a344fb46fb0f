"""What the commands write: tables, lists of rejected rows, lines for people."""

from __future__ import annotations

import json
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
    """Write a result to stdout for a program to read."""
    sys.stdout.write(json.dumps(result, indent=2, ensure_ascii=False, default=str) + "\n")


def print_lines(lines: Iterable[str]) -> None:
    """Write a result to stdout for a person to read."""
    sys.stdout.writelines(line + "\n" for line in lines)


def refuse_table_format(path: Path | None) -> None:
    """Refuse an output file whose format is not known, before any work is done for it."""
    if path is not None and path.suffix not in TABLE_FORMATS:
        raise BadConfig(f"{path}: write the table as {', '.join(TABLE_FORMATS)}.")


def write_table(frame: pandas.DataFrame, path: Path | None) -> None:
    """Write a table to a file, in the format of its suffix, or as CSV to stdout."""
    if path is None:
        frame.to_csv(sys.stdout, index=False)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_json(path, orient="records", indent=1, force_ascii=False)


def report_rejected(rejected: Sequence[Rejected], out: Path | None) -> None:
    """Say which rows were left out and why, and list them beside the result."""
    if not rejected:
        return
    say(f"{len(rejected)} left out:", summarise(rejected))
    if out is None:
        return
    import pandas as pd

    path = out.with_name(out.name + ".rejected.csv")
    pd.DataFrame([(row.id, row.reason) for row in rejected], columns=["id", "reason"]).to_csv(
        path, index=False
    )
    say(f"the list is in {path}")
