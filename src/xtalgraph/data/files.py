"""The files of a data set: what their names say, opening them, and their checksum."""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
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

TEXT_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".xlsx", ".xls", ".ods")
"""What the name of a table of texts ends in: CSV, or a spreadsheet."""

TABLE_SUFFIXES = (*TEXT_SUFFIXES, ".parquet", ".jsonl", ".jsonl.gz", ".json", ".json.gz")
"""What the name of a table ends in."""

ID_NAMES = ("material_id", "id", "name", "cif_id", "jid")
"""Names of the column of ids, in the order in which they are looked for."""

TEXT_NAMES = ("cif", "structure", "cif_text", "cif_string", "poscar", "atoms")
"""Names of a column that holds whole structures: CIF text, or the JSON of pymatgen or JARVIS."""

LATTICE_NAMES = ("lattice",)
SPECIES_NAMES = ("species", "symbols", "atomic_numbers")
POSITION_NAMES = ("frac", "frac_coords", "fractional_positions")

_HEAD = 4096  # bytes whose encoding is looked at
_LONGEST = 1 << 26  # letters of a line: more is no table, and would fill the memory

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


@contextmanager
def explain_unreadable(path: Path) -> Iterator[None]:
    """Turn what the readers of files raise into an error of ours."""
    try:
        yield
    except UnicodeError as error:
        raise BadDataset(f"{path}: it is not text in UTF-8 or UTF-16. Save it as UTF-8.") from error
    except (OSError, EOFError, zlib.error, csv.Error) as error:
        reason = str(error).strip()
        raise BadDataset(f"{path}: it cannot be read ({reason}). Is the file complete?") from error


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file, `.gz` or plain, as spreadsheets and editors write them.

    The encoding is UTF-8 or UTF-16, with or without a byte-order mark; a line that is no UTF-8 is
    read as Windows-1252, the Latin-1 of spreadsheets.

    Raises:
        BadDataset: The file is binary, or has a line of more than 64 MB.
    """
    with gzip.open(path) if path.suffix.lower() == ".gz" else open(path, "rb") as raw:
        encoding = _find_encoding(raw.peek(_HEAD)[:_HEAD], path)
        with TextIOWrapper(raw, encoding=encoding, errors="surrogateescape") as file:
            while line := file.readline(_LONGEST):
                if len(line) == _LONGEST:
                    raise BadDataset(f"{path}: a line has more than {_LONGEST:,} letters.")
                yield line if line.isascii() else _repair(line)


def _find_encoding(head: bytes, path: Path) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" not in head:
        return "utf-8-sig"
    for encoding, high in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        if high.count(0) > 0.9 * len(high) and len(head) > 2:
            return encoding
    raise BadDataset(f"{path}: it is not text, though its name says so. Save it as CSV or JSON.")


def _repair(line: str) -> str:
    try:
        line.encode()
    except UnicodeEncodeError:
        raw = line.encode("utf-8", "surrogateescape")
        try:
            return raw.decode("cp1252")
        except UnicodeDecodeError:
            return raw.decode("latin-1")
    return line
