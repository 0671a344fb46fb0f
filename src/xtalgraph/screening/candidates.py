"""Candidates of a screen, in chunks that are built only when they are processed."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import pandas as pd

from xtalgraph.errors import Rejected
from xtalgraph.structures import CrystalStore
from xtalgraph.units import Target

CHUNK = 8192
"""Candidates per chunk, unless the source decides: the unit of work and of resumption.

With five atoms each they take 1.5 MB, and about 0.2 s on one core with one network."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """Consecutive candidates: their crystals and columns, and those that were left out.

    Attributes:
        crystals: The crystals; ids are unique within a chunk.
        columns: One row per crystal, with names that can be used in expressions.
        targets: Units of the columns that have one.
        left_out: Number of candidates that each filter left out.
        rejected: Candidates that could not be built, and why.
    """

    crystals: CrystalStore
    columns: pd.DataFrame
    targets: Mapping[str, Target] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    rejected: tuple[Rejected, ...] = ()

    @property
    def n_candidates(self) -> int:
        """Number of candidates in the chunk, including those that were left out."""
        return len(self.crystals) + sum(self.left_out.values()) + len(self.rejected)


@runtime_checkable
class Chunk(Protocol):
    """A unit of work that can be sent to another process."""

    def make(self) -> Candidates:
        """Return the candidates, always the same ones."""


@dataclass(frozen=True, eq=False)
class ReadChunk:
    """Candidates that have been read."""

    candidates: Candidates

    def make(self) -> Candidates:
        """Return them."""
        return self.candidates


@runtime_checkable
class Space(Protocol):
    """Candidates that are generated from their number, so that none needs to be stored."""

    def __len__(self) -> int: ...

    def make(self, first: int, last: int) -> Candidates:
        """Return the candidates `first` to `last` - 1."""


@dataclass(frozen=True)
class GeneratedChunk:
    """Candidates by their numbers in a space."""

    space: Space
    first: int
    last: int

    def make(self) -> Candidates:
        """Generate them."""
        return self.space.make(self.first, self.last)


@runtime_checkable
class Source(Protocol):
    """Where candidates come from."""

    @property
    def may_repeat(self) -> bool:
        """Whether a structure can occur more than once."""

    @property
    def n_candidates(self) -> int | None:
        """Number of candidates; None if it is unknown before the end of the file."""

    @property
    def title(self) -> str:
        """The name shown on the page."""

    def describe(self) -> dict[str, Any]:
        """Return what identifies this source, as JSON values."""

    def chunks(self, done: Container[int]) -> Iterator[tuple[int, Chunk]]:
        """Return the numbers and chunks that are not done, in order."""


def generate_chunks(space: Space, done: Container[int]) -> Iterator[tuple[int, Chunk]]:
    """Yield the chunks of a space that are not done."""
    for number, first in enumerate(range(0, len(space), CHUNK)):
        if number not in done:
            yield number, GeneratedChunk(space, first, min(first + CHUNK, len(space)))
