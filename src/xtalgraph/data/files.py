"""The files of a data set: what their names say, opening them, and their checksum."""

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
from xtalgraph.files import checksum

EMBEDDED = "mp-sample"
"""The name of the embedded data set, as a source of `read_dataset` and of the commands."""

REPLACED = "ionic"
"""The name of the embedded set of version 0.1, which is answered with what replaced it."""

TABLE_NAME = "id_prop.csv"
"""The table of a folder in the layout of 2018."""

PACKED_NAME = "packed.json"
"""What tells a folder that `pack_dataset` wrote."""

TABLE_SUFFIXES = (".csv", ".csv.gz", ".parquet", ".jsonl", ".jsonl.gz", ".json", ".json.gz")
"""What the name of a table ends in."""

ID_NAMES = ("material_id", "id", "name", "cif_id", "jid")
"""Names of the column of ids, in the order in which they are looked for."""

TEXT_NAMES = ("cif", "structure", "cif_text", "cif_string", "poscar", "atoms")
"""Names of a column that holds whole structures: CIF text, or the JSON of pymatgen or JARVIS."""

LATTICE_NAMES = ("lattice",)
SPECIES_NAMES = ("species", "symbols", "atomic_numbers")
POSITION_NAMES = ("frac", "frac_coords", "fractional_positions")

CORRECT = "Correct or remove them, or leave them out (--skip-bad; in Python: rejected=[])."


def table_suffix(path: Path) -> str:
    """Return the suffix that says how a table is written (`.csv.gz`), or nothing."""
    name = path.name.lower()
    return next((suffix for suffix in TABLE_SUFFIXES if name.endswith(suffix)), "")


def plain_name(path: Path) -> str:
    """Return the name of a file or folder without what says how it is written."""
    return path.name[: len(path.name) - len(table_suffix(path))] or path.resolve().name


def find_structure_columns(names: Sequence[str]) -> tuple[str, ...]:
    """Return the one column of whole structures, or the three of lattice, species and positions.

    Nothing where the table has neither. The three win over the one, being cheaper to read.

    >>> find_structure_columns(["id", "CIF", "gap"])
    ('CIF',)
    >>> find_structure_columns(["frac", "lattice", "species", "cif"])
    ('lattice', 'species', 'frac')
    """
    three = [_find(names, legal) for legal in (LATTICE_NAMES, SPECIES_NAMES, POSITION_NAMES)]
    if all(three):
        return tuple(name for name in three if name)
    text = _find(names, TEXT_NAMES)
    return (text,) if text else ()


def _find(names: Sequence[str], legal: Sequence[str]) -> str | None:
    lower = {str(name).strip().lower(): name for name in reversed(names)}
    return next((lower[name] for name in legal if name in lower), None)


def checksum_files(paths: Sequence[Path]) -> str:
    """Return the SHA-256 of files: of the bytes of one, of the sorted names and bytes of several.

    Several files are ordered by name, so that the order in which a folder lists them is no matter.
    """
    if len(paths) == 1:
        return checksum(paths[0])
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
        """Return the SHA-256 of what was added."""
        return self._total.hexdigest()


def checksum_texts(texts: Iterable[str]) -> str:
    """Return the SHA-256 of texts, one a line, in their order."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def read_first_row(path: Path) -> list[str]:
    """Return the cells of the first row of a CSV file."""
    with open_text(path) as file:
        row = next(csv.reader(file), None)
    if row is None:
        raise BadDataset(f"{path}: it cannot be read (it is empty). Is the file complete?")
    return row


def refuse_other_separator(path: Path) -> None:
    """Raise `BadDataset` where the cells of a CSV file are separated by semicolons or tabs."""
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
    """Return what pandas and pyarrow may raise only where they were loaded: they take long to."""
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
