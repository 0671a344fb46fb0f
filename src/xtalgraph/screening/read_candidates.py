"""Candidates that are read: tables in pieces, folders some files at a time, data sets in memory."""

from __future__ import annotations

import glob
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xtalgraph.data import Dataset, read_dataset
from xtalgraph.data.column_names import find_structure_columns
from xtalgraph.data.files import checksum_texts
from xtalgraph.data.read import EMBEDDED, iterate_table
from xtalgraph.data.sources import (
    TABLE_NAME,
    find_structure_files,
    is_one_structure,
    table_suffix,
)
from xtalgraph.data.tables import read_header
from xtalgraph.errors import BadDataset, Rejected
from xtalgraph.screening.candidates import CHUNK, Candidates, Chunk, ReadChunk, Source
from xtalgraph.structures import CrystalStore, read_crystals

FILES = 512
"""Structure files of a chunk."""


@dataclass(frozen=True, eq=False)
class DatasetCandidates:
    """The crystals of a data set in memory."""

    dataset: Dataset
    rejected: tuple[Rejected, ...] = ()  # what was left out when it was read

    may_repeat = True

    @property
    def title(self) -> str:
        """The name of the data set."""
        return self.dataset.name

    @property
    def n_candidates(self) -> int:
        """All crystals, with those that could not be read."""
        return len(self.dataset) + len(self.rejected)

    def describe(self) -> dict[str, Any]:
        """Name the data set, with its checksum."""
        checksum = self.dataset.checksum
        return {"kind": "dataset", "checksum": checksum, "n_crystals": len(self.dataset)}

    def chunks(self, done: Container[int]) -> Iterator[tuple[int, Chunk]]:
        """Give the chunks that are not done."""
        for number, first in enumerate(range(0, len(self.dataset), CHUNK)):
            if number not in done:
                rows = np.arange(first, min(first + CHUNK, len(self.dataset)))
                rejected = () if number else self.rejected
                yield number, ReadChunk(_as_candidates(self.dataset.crystals.take(rows), rejected))


@dataclass(frozen=True, eq=False)
class TableCandidates:
    """The crystals of a table (parquet, CSV, JSON), read in pieces of some thousand rows."""

    path: Path

    may_repeat = True
    n_candidates = None

    @property
    def title(self) -> str:
        """The name of the file."""
        return self.path.name

    def describe(self) -> dict[str, Any]:
        """Give size and time of the file: what is cheap to see of one that may be large."""
        status = self.path.stat()
        return {"kind": "table", "n_bytes": status.st_size, "changed": status.st_mtime_ns}

    def chunks(self, done: Container[int]) -> Iterator[tuple[int, Chunk]]:
        """Give the pieces that are not done; all are read."""
        for number, (store, rejected) in enumerate(iterate_table(self.path)):
            if number not in done:
                yield number, ReadChunk(_as_candidates(store, rejected))


@dataclass(frozen=True, eq=False)
class FileCandidates:
    """Structure files, read some hundreds at a time."""

    files: tuple[Path, ...]

    may_repeat = True

    @property
    def title(self) -> str:
        """The name of the file, or of the folder of the first."""
        return self.files[0].name if len(self.files) == 1 else self.files[0].parent.name

    @property
    def n_candidates(self) -> None:
        """Unknown: a file may hold several crystals."""
        return

    def describe(self) -> dict[str, Any]:
        """Give a checksum of the files' names, sizes and times."""
        texts = [f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in self.files]
        return {"kind": "files", "checksum": checksum_texts(texts)}

    def chunks(self, done: Container[int]) -> Iterator[tuple[int, Chunk]]:
        """Give the chunks that are not done; their files are read by who works on them."""
        for number, first in enumerate(range(0, len(self.files), FILES)):
            if number not in done:
                yield number, FileChunk(self.files[first : first + FILES])


@dataclass(frozen=True)
class FileChunk:
    """Some structure files."""

    files: tuple[Path, ...]

    def make(self) -> Candidates:
        """Read them; what is no crystal is listed."""
        rejected: list[Rejected] = []
        store = read_crystals(self.files, rejected=rejected)
        return _as_candidates(store, rejected)


def read_candidates(source: str | Path) -> Source:
    """Give the candidates of a table, a folder, a glob, a structure file, or `mp-sample`.

    What `read_dataset` reads, but in pieces wherever the format allows it: a folder of the layout
    of 2018 is read for its structure files alone.
    """
    path = Path(source)
    if path.is_dir():
        return _find_files(find_structure_files(path), source)
    if path.is_file():
        return _read_file(path)
    if str(source) == EMBEDDED:
        return DatasetCandidates(read_dataset(EMBEDDED))
    matches = [Path(match) for match in sorted(glob.glob(str(source), recursive=True))]
    return _find_files([file for file in matches if file.is_file()], source)


def _read_file(path: Path) -> Source:
    suffix = table_suffix(path)
    if not suffix or is_one_structure(path):
        return FileCandidates((path,))
    names_files = suffix.startswith(".csv") and not find_structure_columns(read_header(path))
    if path.name == TABLE_NAME or names_files:
        rejected: list[Rejected] = []
        return DatasetCandidates(read_dataset(path, rejected=rejected), tuple(rejected))
    return TableCandidates(path)


def _find_files(files: Sequence[Path], source: str | Path) -> Source:
    if not files:
        raise BadDataset(
            f"{source}: no such file, and no structure file in this folder. Give perovskites, "
            "prototype, a table, or a folder or a glob of structure files."
        )
    return FileCandidates(tuple(files))


def _as_candidates(store: CrystalStore, rejected: Sequence[Rejected]) -> Candidates:
    """Give crystals as candidates, ids that repeat within them told apart."""
    columns = pd.DataFrame(index=range(len(store)))
    dataset = Dataset("", store, columns, {}, "", "").with_unique_ids()
    return Candidates(dataset.crystals, columns, rejected=tuple(rejected))
