"""Rows of texts: CSV with whatever separator and decimal sign, and the sheets of spreadsheets."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from functools import lru_cache
from itertools import islice
from pathlib import Path

from xtalgraph.data.cells import find_decimal
from xtalgraph.data.columns import NAMELESS
from xtalgraph.data.files import read_lines, table_suffix
from xtalgraph.errors import BadDataset, MissingExtra

SPREADSHEETS = (".xlsx", ".xls", ".ods")

_LOOKED_AT = 200  # records by which separator and decimal sign are told
_LINES = 4000  # lines that these may take, with CIF text in cells
_LONGEST_CELL = 1 << 26  # letters
_LARGEST_SHEET = 1 << 29  # bytes of a spreadsheet once it is unpacked


@dataclass(frozen=True)
class Dialect:
    """How a table of texts is written."""

    separator: str = ","
    decimal: str = "."
    n_skipped: int = 0  # lines in front: Excel writes `sep=;`


def find_dialect(path: Path) -> Dialect:
    """Return the separator of cells and the decimal sign of a table.

    A tab or a semicolon separates where it cuts all records into as many cells, else a comma. Only
    where the comma does not separate may it be the decimal sign; see `find_decimal`.
    """
    if table_suffix(path) in SPREADSHEETS:
        return Dialect()
    status = path.stat()
    return _find_dialect(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=8)
def _find_dialect(path: Path, n_bytes: int, changed: int) -> Dialect:
    lines = list(islice(read_lines(path), _LINES))
    first = lines[0].strip().lower() if lines else ""
    if first.startswith("sep=") and len(first) <= 5:
        separator, n_skipped = first[4:] or "\t", 1
        records = _split(lines[1:], separator)
    else:
        separator, records, n_skipped = ",", [], 0
        for candidate in ("\t", ";"):
            records = _split(lines, candidate)
            lengths = {len(record) for record in records}
            if len(lengths) == 1 and lengths.pop() > 1:
                separator = candidate
                break
    if separator == ",":
        return Dialect(",", ".", n_skipped)
    return Dialect(separator, find_decimal([c for record in records for c in record]), n_skipped)


def _split(lines: Sequence[str], separator: str) -> list[list[str]]:
    records: list[list[str]] = []
    csv.field_size_limit(_LONGEST_CELL)
    try:
        for record in csv.reader(lines, delimiter=separator):
            if any(cell.strip() for cell in record):
                records.append(record)
            if len(records) == _LOOKED_AT:
                break
    except csv.Error:
        pass  # reading it as a whole says where
    return records


def iterate_rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the rows of a table that are not blank, each with where it stands, such as `line 3`."""
    if table_suffix(path) in SPREADSHEETS:
        yield from ((f"row {number}", row) for number, row in enumerate(read_sheet(path), 1) if row)
        return
    dialect = find_dialect(path)
    csv.field_size_limit(_LONGEST_CELL)  # CIF text in a cell is longer than what csv allows
    lines = islice(read_lines(path), dialect.n_skipped, None)
    reader = csv.reader(lines, delimiter=dialect.separator, strict=True)
    for row in reader:
        if any(cell.strip() for cell in row):
            yield f"line {reader.line_num + dialect.n_skipped}", row


def iterate_even_rows(path: Path) -> Iterator[list[str]]:
    """Yield the rows with as many cells as the first, blanks at their ends left out or filled in.

    Raises:
        BadDataset: A row has more cells, or the table has no row.
    """
    width = 0
    for place, row in iterate_rows(path):
        if not width:
            width = len(row)
        if len(row) > width and any(cell.strip() for cell in row[width:]):
            raise BadDataset(
                f"{path}: it cannot be read ({len(row)} cells in {place}, expected {width}). Is "
                "the file complete?"
            )
        yield row[:width] + [""] * (width - len(row))
    if not width:
        raise BadDataset(f"{path}: it cannot be read (it is empty). Is the file complete?")


def read_header(path: Path) -> list[str]:
    """Return the names of the columns; one without a name is called so by its number."""
    names = next(iterate_even_rows(path))
    return [name if name.strip() else f"{NAMELESS} {place}" for place, name in enumerate(names)]


def iterate_text_columns(
    path: Path, n_rows: int, columns: Sequence[str] | None = None
) -> Iterator[dict[str, list[str]]]:
    """Yield the columns of some rows at a time, under their headers."""
    names = read_header(path)
    plain = [name.strip() for name in names]
    if len(set(plain)) < len(plain):
        raise BadDataset(f"{path}: two columns have one name: {', '.join(plain)}. Rename one.")
    places = [names.index(name) for name in (names if columns is None else columns)]
    rows = islice(iterate_even_rows(path), 1, None)
    is_first = True
    while (some := list(islice(rows, n_rows))) or is_first:
        yield {names[place]: [row[place] for row in some] for place in places}
        is_first = False


def read_sheet(path: Path) -> list[list[str]]:
    """Return the rows of the first sheet of a spreadsheet as texts; a blank row is empty."""
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError:
        raise MissingExtra(f"the spreadsheet {path}", "tables") from None
    _refuse_bomb(path)
    try:
        book = CalamineWorkbook.from_path(str(path))
        rows = book.get_sheet_by_index(0).to_python()
    except (CalamineError, IndexError, OSError) as error:
        raise BadDataset(f"{path}: the spreadsheet cannot be read ({error}).") from error
    texts = [[_write_cell(cell) for cell in row] for row in rows]
    return [row if any(cell.strip() for cell in row) else [] for row in texts]


def _refuse_bomb(path: Path) -> None:
    if path.suffix.lower() == ".xls":
        return
    try:
        with zipfile.ZipFile(path) as archive:
            n_bytes = sum(part.file_size for part in archive.infolist())
    except (zipfile.BadZipFile, OSError) as error:
        raise BadDataset(f"{path}: the spreadsheet cannot be read ({error}).") from error
    if n_bytes > _LARGEST_SHEET:
        raise BadDataset(
            f"{path}: unpacked it has {n_bytes:,} bytes, more than {_LARGEST_SHEET:,}. Save it as "
            "CSV."
        )


def _write_cell(cell: object) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, (date, time, timedelta)):
        return str(cell)
    return str(cell)
