"""The folder of a screen while it runs: what was asked, and two files a finished chunk.

A part is written under a temporary name and then renamed, so that it is whole or not there; which
chunks are done is read off the parts themselves, and nothing can disagree with them. The
predictions of all candidates of a chunk lie beside its part, and are written before it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from xtalgraph.errors import BadConfig, Rejected
from xtalgraph.screening.screener import COUNTS, REJECTED, Verdict

ASKED, PARTS, PREDICTED = "screen.json", "parts", "predicted"


class PartFolder:
    """The parts of one screen, and the description that they belong to."""

    def __init__(self, folder: Path, asked: Mapping[str, Any]) -> None:
        """Begin a screen, or go on with one of the same description; another one is refused."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.parts, self.predicted = folder / PARTS, folder / PREDICTED
        text = json.dumps(asked, indent=1, ensure_ascii=False) + "\n"
        file = folder / ASKED
        if file.is_file():
            _refuse_changes(file, json.loads(file.read_text(encoding="utf-8")), json.loads(text))
        elif any(folder.iterdir()):
            raise BadConfig(f"{folder}: not empty, and no screen. Choose another folder (--out).")
        write_whole(file, text.encode())
        for parts in (self.parts, self.predicted):
            parts.mkdir(exist_ok=True)
            for left_over in parts.glob("*.unfinished"):
                left_over.unlink()

    def done(self) -> dict[int, Path]:
        """Give the parts by the number of their chunk, in order."""
        return {
            int(path.stem): path
            for path in sorted(self.parts.glob("*.parquet"))
            if (self.predicted / path.name).is_file()
        }

    def write(self, number: int, verdict: Verdict) -> None:
        """Put a chunk on the disk; when this returns it is there for good."""
        name = f"{number:08d}.parquet"
        _write_table(self.predicted / name, verdict.predicted)
        _write_table(self.parts / name, verdict.as_part())


def read_counts(path: Path) -> dict[str, int]:
    """Give the counts of a part."""
    return json.loads(pq.read_metadata(path).metadata[COUNTS])


def read_rejected(path: Path) -> list[Rejected]:
    """Give what a part could not judge, and why."""
    return [Rejected(*row) for row in json.loads(pq.read_metadata(path).metadata[REJECTED])]


def _write_table(path: Path, table: pa.Table) -> None:
    temporary = path.with_suffix(".unfinished")
    pq.write_table(table, temporary, compression="zstd")
    with open(temporary, "rb") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is never seen half."""
    temporary = path.with_name(path.name + ".unfinished")
    temporary.write_bytes(content)
    os.replace(temporary, path)


def _refuse_changes(file: Path, then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    changed = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    if changed:
        raise BadConfig(
            f"{file.parent} holds a screen that differs in {', '.join(changed)}. Choose another "
            "folder (--out), or ask as it was asked then."
        )
