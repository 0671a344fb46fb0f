"""Candidates that are read: the parts of a source, each read by the worker that screens it."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from xtalgraph.data import Dataset, Source as DataSource, open_source
from xtalgraph.data.packed import DatasetSource
from xtalgraph.data.pieces import Cells, Part, Piece
from xtalgraph.screening.candidates import Candidates, Chunk, Source
from xtalgraph.screening.screener import plain_name
from xtalgraph.units import Target


class ReadCandidates:
    """The crystals of a source that `read_dataset` reads, with their columns."""

    may_repeat = True

    def __init__(self, source: DataSource) -> None:
        self.source = source

    @property
    def title(self) -> str:
        """The name of the file or folder."""
        return Path(self.source.title).name

    @property
    def n_candidates(self) -> int | None:
        """Number of rows, including unreadable ones, if the source knows it."""
        return self.source.n_crystals

    def describe(self) -> dict[str, Any]:
        """Return what identifies this source."""
        return self.source.identity()

    def chunks(self, done: Container[int]) -> Iterator[tuple[int, Chunk]]:
        """Yield the parts that are not done; they are read by the worker that screens them."""
        for number, part in enumerate(self.source.parts()):
            if number not in done:
                yield number, PartChunk(number, part, self._first)

    @cached_property
    def _first(self) -> Cells | None:
        """Cells of the first piece with columns, which all chunks have in common."""
        if not self.source.has_columns:
            return None
        return next(
            (piece.cells for piece in self.source.pieces() if piece.cells is not None), None
        )


class DatasetCandidates(ReadCandidates):
    """The crystals of a data set in memory, with their columns."""

    def __init__(self, dataset: Dataset) -> None:
        super().__init__(DatasetSource(dataset, dataset.name))


@dataclass(frozen=True)
class PartChunk:
    """A part of a source that has not been read."""

    number: int
    part: Part
    first: Cells | None  # of the source, whose columns all chunks have

    def make(self) -> Candidates:
        """Read the part; invalid crystals are listed, and repeated ids are made unique."""
        crystals, rejected, cells = self.part.read()
        piece = Piece(self.number, crystals, tuple(rejected), cells, self.first)
        columns, targets = _choose_columns(piece)
        dataset = Dataset("", crystals, columns, targets, "", "").with_unique_ids()
        return Candidates(dataset.crystals, columns, targets, rejected=piece.rejected)


def _choose_columns(piece: Piece) -> tuple[pd.DataFrame, dict[str, Target]]:
    """Return the numeric, text and boolean columns, under names for expressions."""
    if piece.like is None:
        return piece.columns, {}
    schema = piece.like.schema
    names = {
        name: plain_name(name)
        for header, name in schema.names.items()
        if schema.kinds[name] != "other" or all(map(_is_text, piece.like.content[header]))
    }
    rows = pd.DataFrame(index=pd.RangeIndex(len(piece.crystals)))
    own = piece.columns if piece.cells is not None else rows
    columns = own.reindex(columns=list(names))
    targets = {
        names[name]: Target(names[name], target.unit, target.per)
        for name, target in schema.targets.items()
        if name in names
    }
    return columns.rename(columns=names), targets


def _is_text(cell: object) -> bool:
    return cell is None or isinstance(cell, str) or cell != cell  # nan


def read_candidates(source: str | Path) -> Source:
    """Return the candidates of a structure file, a folder, a glob, a table or a packed folder.

    Ids, columns and rejections are those of `read_dataset`; the columns can be used in expressions.

    Args:
        source: A path or glob, as for `open_source`.

    Returns:
        The candidates, which are read chunk by chunk.

    Raises:
        BadDataset: There is no such file, or none of the files is a structure or a table.
    """
    return ReadCandidates(open_source(source))
