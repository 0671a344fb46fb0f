"""What a path is, told by its name: a table, a structure file, a folder of either."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from xtalgraph.data.json_stream import sniff_json
from xtalgraph.errors import BadDataset
from xtalgraph.structures.formats import FORMATS, Format
from xtalgraph.structures.reading import list_structure_names

TABLE_NAME = "id_prop.csv"
"""The table of a folder in the layout of 2018."""

PACKED_NAME = "packed.json"
"""What tells a folder that `pack_dataset` wrote."""

TABLE_SUFFIXES = (".csv", ".csv.gz", ".parquet", ".jsonl", ".jsonl.gz", ".json", ".json.gz")
"""What the name of a table ends in."""

SPREADSHEETS = (".xlsx", ".xls", ".ods")
"""What the name of a table ends in that is not read."""


def table_suffix(path: Path) -> str:
    """Give the suffix that says how a table is written (`.csv.gz`), or nothing."""
    name = path.name.lower()
    return next((suffix for suffix in TABLE_SUFFIXES if name.endswith(suffix)), "")


def plain_name(path: Path) -> str:
    """Give the name of a file or folder without what says how it is written."""
    return path.name[: len(path.name) - len(table_suffix(path))] or path.resolve().name


def is_one_structure(path: Path) -> bool:
    """Tell by name, and for JSON by content, whether a file is a structure and no table."""
    suffix = table_suffix(path)
    if suffix in (".json", ".json.gz"):
        return sniff_json(path) == "structure"
    return not suffix and FORMATS.find(path.name) is not None


def find_structure_files(folder: Path) -> list[Path]:
    """Give the structure files of a folder: CIF first, then the other formats, each by name."""
    return [folder / name for name in find_structure_names(folder)]


def find_structure_names(folder: Path) -> list[str]:
    """Give the names of these files."""
    return sorted(list_structure_names(folder), key=lambda name: _format(name).priority)


def _format(name: str) -> Format:
    found = FORMATS.find(name)
    if found is None:
        raise BadDataset(f"{name} is no structure file. Read are {FORMATS.describe()}.")
    return found


def find_crystal_files(folder: Path) -> list[Path]:
    """Give the structure files of a folder without a table, to be read as crystals.

    JSON beside other structure files is more often a note about them than a structure.
    """
    files = find_structure_files(folder)
    return [path for path in files if not _format(path.name).is_often_other] or files


def require_crystal_files(folder: Path) -> list[Path]:
    """Give the structure files of a folder, or say what else is there."""
    files = find_crystal_files(folder)
    if not files:
        tables = sorted(path.name for path in folder.iterdir() if table_suffix(path))
        hint = f" It has tables: {', '.join(tables[:5])}; name one of them." if tables else ""
        raise BadDataset(
            f"{folder}: neither {TABLE_NAME} nor a structure file in this folder.{hint}"
        )
    return files


def group_sources(sources: Sequence[Path]) -> Iterator[list[Path]]:
    """Give structure files that follow each other together, to be read at once; others alone."""
    for are_structures, run in groupby(sources, _is_structure_there):
        files = list(run)
        yield from [files] if are_structures else [[path] for path in files]


def _is_structure_there(path: Path) -> bool:
    return path.is_file() and is_one_structure(path)
