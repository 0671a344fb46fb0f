"""A source of crystals in pieces: what reading, predicting and screening all go through.

Nothing here loads pandas: one CIF is predicted without it. Columns are read when they are asked
for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from xtalgraph.data.files import checksum_files, checksum_texts
from xtalgraph.errors import BadCrystal, BadDataset, Rejected, summarise
from xtalgraph.structures.checks import number_ids
from xtalgraph.structures.crystal import CrystalStore
from xtalgraph.structures.formats import FORMATS
from xtalgraph.structures.reading import name_sources, read_file, read_text

if TYPE_CHECKING:
    import pandas as pd

    from xtalgraph.data.cells import Column, Table
    from xtalgraph.data.columns import Schema
    from xtalgraph.structures.crystal import Crystal
    from xtalgraph.units import Target

FILES = 512  # structure files of a piece
FRAMES = 2048  # structures of a piece of one large file
LARGE = 1 << 18  # bytes; from here on a file of many frames is read in pieces
_SHOWN = 10  # reasons of an error


@dataclass(frozen=True, eq=False)
class Cells:
    """The columns of some rows as they stand in the source."""

    content: Mapping[str, Column]  # by header, units included
    texts: bool  # every cell is a text, as in CSV
    decimal: str = "."  # of numbers in texts

    @cached_property
    def schema(self) -> Schema:
        """Names, types and units of columns of such cells."""
        from xtalgraph.data.columns import Schema

        return Schema.find(self.content, texts=self.texts, decimal=self.decimal)


class Contents(NamedTuple):
    """What a part of a source holds, once it is read."""

    crystals: CrystalStore
    rejected: list[Rejected]
    cells: Cells | None = None  # of the good rows; None where the source has no columns


class Part(NamedTuple):
    """A part of a source that is not read yet; it crosses to another process."""

    read: Callable[[], Contents]
    child: int = 0  # which of several sources it is of


@dataclass(frozen=True, eq=False)
class Piece:
    """Consecutive crystals of a source.

    Attributes:
        number: Which piece of the source it is, counted from 0; the same in every call.
        crystals: The crystals that can be read, with their ids.
        rejected: The others, with their reasons.
        cells: The columns as they stand in the source.
        like: Cells of the first piece, whose types the columns of all pieces have.
    """

    number: int
    crystals: CrystalStore
    rejected: tuple[Rejected, ...]
    cells: Cells | None = None
    like: Cells | None = None

    @cached_property
    def table(self) -> Table:
        """The columns under plain names, one row a crystal: numbers float64, blanks missing."""
        if self.cells is None or self.like is None:
            return {}
        return self.like.schema.read(self.cells.content, self.crystals.ids)

    @cached_property
    def columns(self) -> pd.DataFrame:
        """The same as a data frame."""
        from xtalgraph.data.cells import to_frame

        return to_frame(self.table, len(self.crystals))

    @property
    def targets(self) -> dict[str, Target]:
        """The units of numeric columns."""
        return {} if self.like is None else self.like.schema.targets


class Source(ABC):
    """Crystals that are read part by part.

    Attributes:
        name: What a data set of them is called.
        title: What messages call it: the path as it was given.
        paths: What `open_source` takes to open it again.
        has_columns: Whether there may be columns beside the structures.
        n_crystals: How many rows or crystals there are, None where only reading tells.
        remarks: What is passed over in opening it, in sentences for a person.
        match: How ids of a table find their structure files: `exact` or `loose`.
    """

    has_columns = True
    n_crystals: int | None = None
    remarks: tuple[str, ...] = ()
    match = "exact"

    def __init__(self, name: str, title: str, paths: Sequence[str] = ()) -> None:
        self.name, self.title, self.paths = name, title, tuple(paths) or (title,)

    @property
    def source(self) -> list[str]:
        """The paths as a list."""
        return list(self.paths)

    @abstractmethod
    def parts(self) -> Iterator[Part]:
        """Yield the parts in order; what they hold is read when they are asked for it."""

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Return what identifies this source and is cheap to see, for a manifest."""

    @abstractmethod
    def checksum(self) -> str:
        """Return the SHA-256 of the files."""

    def pieces(self, skip: Container[int] = ()) -> Iterator[Piece]:
        """Yield the pieces in order, but for those whose numbers are in `skip`.

        What is skipped is not turned into crystals, and files of it are not opened, but for one
        piece that tells the types of the columns.

        Raises:
            BadDataset: At the end, where nothing can be read; or where a file breaks off.
        """
        first: dict[int, Cells] = {}
        n_good, n_bad = 0, 0
        bad: list[Rejected] = []
        for number, part in enumerate(self.parts()):
            is_skipped = number in skip
            n_good += is_skipped
            if is_skipped and (part.child in first or not self.has_columns):
                continue
            crystals, rejected, cells = part.read()
            if cells is not None and len(crystals):
                first.setdefault(part.child, cells)
            if is_skipped:
                continue
            n_good, n_bad = n_good + len(crystals), n_bad + len(rejected)
            bad = (bad + rejected)[:_SHOWN]
            yield Piece(number, crystals, tuple(rejected), cells, first.get(part.child, cells))
        if not n_good:
            raise self.explain_nothing(n_bad, bad)

    def explain_nothing(self, n_bad: int, bad: Sequence[Rejected]) -> BadDataset:
        """Return the error of a source of which nothing can be read."""
        if not n_bad:
            return BadDataset(f"{self.title}: the table has no rows. Is it complete?")
        return BadDataset(
            f"{self.title}: none of its {n_bad} crystals can be read:\n{summarise(bad, _SHOWN)}"
        )


class FileSource(Source):
    """Structure files: crystals without columns."""

    has_columns = False

    def __init__(
        self, files: Sequence[Path], title: str, name: str, paths: Sequence[str] = ()
    ) -> None:
        super().__init__(name, title, paths)
        self.files = files

    def parts(self) -> Iterator[Part]:
        """Yield some hundred files at a time; a large file of many frames in parts of its own."""
        pending: list[tuple[Path, str]] = []
        for file, name in zip(self.files, name_sources(list(self.files)), strict=True):
            is_large = _is_large(file)
            if pending and (is_large or len(pending) == FILES):
                yield Part(partial(_read_files, pending))
                pending = []
            if is_large:
                yield from _split_frames(file, name)
            else:
                pending.append((file, name))
        if pending:
            yield Part(partial(_read_files, pending))

    def identity(self) -> dict[str, Any]:
        """Return a checksum of the files' names, sizes and times."""
        texts = [f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in self.files]
        return {"kind": "files", "checksum": checksum_texts(texts)}

    def checksum(self) -> str:
        """Return the SHA-256 of the files by name."""
        return checksum_files(self.files)


def _is_large(file: Path) -> bool:
    found = FORMATS.find(file.name)
    if found is None or found.split is None or file.suffix.lower() == ".gz":
        return False
    try:
        return file.stat().st_size > LARGE
    except OSError:
        return False  # reading it says what is wrong


def _read_files(files: Sequence[tuple[Path, str]]) -> Contents:
    crystals: list[Crystal] = []
    rejected: list[Rejected] = []
    for file, name in files:
        try:
            crystals += read_file(file, name, None, rejected)
        except BadCrystal as problem:
            rejected.append(Rejected(problem.id or name, str(problem)))
    return Contents(CrystalStore.from_crystals(crystals), rejected)


def _split_frames(file: Path, name: str) -> Iterator[Part]:
    """Yield the frames of a large file as parts; a file that breaks off is told where it does."""
    found = FORMATS.find(file.name)
    if found is None or found.split is None:
        return
    first = 0
    try:
        with open(file, encoding="utf-8-sig", errors="replace") as lines:
            frames = found.split(lines)
            while texts := list(islice(frames, FRAMES)):
                names = [f"{name}#{first + row}" for row in range(len(texts))]
                if first == 0 and len(texts) == 1:  # or else it was more than one
                    names = number_ids(name, 1)
                rows = list(zip(names, texts, strict=True))
                yield Part(partial(_read_frames, rows, found.name, str(file)))
                first += len(texts)
    except (BadCrystal, OSError) as problem:
        reason = getattr(problem, "problem", str(problem))
        error = BadCrystal(reason, id=name, file=str(file), remedy=getattr(problem, "remedy", ""))
        nothing = CrystalStore.from_crystals([])
        yield Part(partial(Contents, nothing, [Rejected(name, str(error))]))


def _read_frames(rows: Sequence[tuple[str, str]], format: str, file: str) -> Contents:
    crystals, rejected = [], []
    for name, text in rows:
        try:
            crystals += read_text(text, name, format)
        except BadCrystal as problem:
            rejected.append(Rejected(name, str(problem)))
    return Contents(CrystalStore.from_crystals(crystals), rejected)


class SeveralSource(Source):
    """Several sources one after another; one that is bad as a whole is told like a row."""

    def __init__(
        self, runs: Sequence[Sequence[str]], open_run: Callable[[Sequence[str]], Source]
    ) -> None:
        """Take the sources in runs: structure files that follow each other are one run."""
        paths = [path for run in runs for path in run]
        super().__init__("several", ", ".join(paths), paths)
        self._runs, self._open_run = runs, open_run

    def children(self) -> Iterator[Source | Rejected]:
        """Yield the sources, or the reason why one is none."""
        for run in self._runs:
            try:
                yield self._open_run(run)
            except BadDataset as error:
                yield Rejected(run[0], str(error))

    def parts(self) -> Iterator[Part]:
        """Yield the parts of all sources, and what is wrong with a source as a part of its own."""
        for number, child in enumerate(self.children()):
            if isinstance(child, Rejected):
                yield _tell(child, number)
                continue
            try:
                yield from (part._replace(child=number) for part in child.parts())
            except BadDataset as error:
                yield _tell(Rejected(child.paths[0], str(error)), number)

    def identity(self) -> dict[str, Any]:
        """Return the identities of all."""
        found = [
            {"rejected": child.id} if isinstance(child, Rejected) else child.identity()
            for child in self.children()
        ]
        return {"kind": "several", "sources": found}

    def checksum(self) -> str:
        """Return the SHA-256 of the checksums of all."""
        children = [child for child in self.children() if isinstance(child, Source)]
        return checksum_texts(child.checksum() for child in children)

    def explain_nothing(self, n_bad: int, bad: Sequence[Rejected]) -> BadDataset:
        """Return what is wrong with each."""
        return BadDataset(f"nothing of what was named can be read:\n{summarise(bad)}")


def _tell(problem: Rejected, child: int) -> Part:
    return Part(partial(Contents, CrystalStore.from_crystals([]), [problem]), child)
