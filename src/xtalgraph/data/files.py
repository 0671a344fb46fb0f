"""The files of a data set: opening them, and their checksum."""

from __future__ import annotations

import csv
import gzip
import hashlib
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path

from xtalgraph.errors import BadDataset


def checksum_files(paths: Sequence[Path]) -> str:
    """Give the SHA-256 of files: of the bytes of one, of the sorted names and bytes of several.

    Several files are ordered by name, so that the order in which a folder lists them is no matter.
    """
    if len(paths) == 1:
        with open(paths[0], "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    total = FilesChecksum()
    for path in sorted(paths, key=lambda path: (path.name, str(path))):
        total.add(path.name, path.read_bytes())
    return total.give()


class FilesChecksum:
    """The same of files that are read anyway, and are added in the order of their names."""

    def __init__(self) -> None:
        self._total = hashlib.sha256()

    def add(self, name: str, content: bytes) -> None:
        """Take the next file."""
        encoded = name.encode()
        # Lengths go in too: otherwise a byte could move from a name into the content unseen.
        self._total.update(f"{len(encoded)} {len(content)} ".encode() + encoded + content)

    def give(self) -> str:
        """Give the SHA-256 of what was added."""
        return self._total.hexdigest()


def checksum_texts(texts: Iterable[str]) -> str:
    """Give the SHA-256 of texts, one a line, in their order."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def refuse_other_separator(path: Path) -> None:
    """Raise `BadDataset` where the cells of a CSV file are parted by semicolons or tabs."""
    with open_text(path) as file:
        first = next((line for line in file if line.strip()), "")
    for separator, word in ((";", "semicolons"), ("\t", "tabs")):
        if separator in first and "," not in first:
            raise BadDataset(
                f"{path}: its cells are separated by {word}, {first.strip()[:60]!r}. Write it with "
                "commas between cells and points in numbers."
            )


@contextmanager
def explain_unreadable(path: Path) -> Iterator[None]:
    """Turn what the readers of files raise into an error of ours."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise BadDataset(
            f"{path}: it is not text in UTF-8 (byte {error.start}). Save it as UTF-8."
        ) from error
    except _errors_of_readers() as error:
        reason = str(error).strip()
        raise BadDataset(f"{path}: it cannot be read ({reason}). Is the file complete?") from error


def _errors_of_readers() -> tuple[type[Exception], ...]:
    """Give what pandas and pyarrow may raise only where they were loaded: they take long to."""
    errors: list[type[Exception]] = [OSError, EOFError, zlib.error, csv.Error]
    if "pyarrow" in sys.modules:
        errors.append(sys.modules["pyarrow"].ArrowException)
    if "pandas" in sys.modules:
        from pandas.errors import EmptyDataError, ParserError

        errors += [EmptyDataError, ParserError]
    return tuple(errors)


def open_text(path: Path) -> TextIOWrapper:
    """Open a text file, `.gz` or plain, with or without a byte-order mark."""
    if path.suffix.lower() == ".gz":
        return TextIOWrapper(gzip.open(path), encoding="utf-8-sig")
    return open(path, encoding="utf-8-sig")
