"""One door to every kind of data set."""

from __future__ import annotations

import glob
import zlib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

from xtalgraph.datasets.columns import find_structure_columns
from xtalgraph.datasets.dataset import Dataset, join_datasets
from xtalgraph.datasets.folder import (
    TABLE_NAME,
    find_structure_files,
    is_structure_file,
    read_folder,
    read_structure_files,
)
from xtalgraph.datasets.json_stream import sniff_json
from xtalgraph.datasets.tables import (
    TABLE_SUFFIXES,
    plain_name,
    read_header,
    read_table,
    table_suffix,
)
from xtalgraph.errors import BadDataset, Rejected
from xtalgraph.structures.reading import format_of

EMBEDDED = "ionic"
"""The name of the data set that the package makes itself."""

_UNREADABLE = (
    OSError,
    EOFError,
    UnicodeDecodeError,
    zlib.error,
    pa.ArrowException,
    pd.errors.EmptyDataError,
    pd.errors.ParserError,
)


def read_dataset(
    source: str | Path | Sequence[str | Path], *, rejected: list[Rejected] | None = None
) -> Dataset:
    """Give the data set of a folder, a table, structure files, a glob, or a list of these.

    - A folder with `id_prop.csv`: id and targets a row, with or without header, and a structure
      file `ID.cif` for each id. Another CSV in such a folder may be named itself.
    - CSV, parquet, JSON lines or JSON (also `.gz`), with a column `cif` or `structure`, or with
      `lattice`, `species` and `frac`; matbench's files are of this kind.
    - A structure file, a folder or a glob (`runs/*/CONTCAR`) of them: crystals without targets.
    - `ionic`: the data set that the package makes itself.

    Rows and files that make no crystal are refused together with their ids and reasons, unless a
    list `rejected` is given to which they are added; the others are then read.
    """
    if not isinstance(source, (str, Path)):
        return join_datasets([read_dataset(one, rejected=rejected) for one in source])
    if source == EMBEDDED and not Path(source).exists():
        from xtalgraph.datasets.ionic import make_ionic_dataset

        return make_ionic_dataset()
    path = Path(source).expanduser()
    if path.is_dir():
        return _read_folder(path, rejected)
    if path.is_file():
        return _read_file(path, rejected)
    if any(sign in str(source) for sign in "*?["):
        return _read_glob(str(path), rejected)
    raise BadDataset(
        f"{source}: there is no such file or folder. Give a folder with {TABLE_NAME}, a table "
        f"({', '.join(TABLE_SUFFIXES)}), structure files, or {EMBEDDED!r} for the embedded set."
    )


def _read_folder(folder: Path, rejected: list[Rejected] | None) -> Dataset:
    table = folder / TABLE_NAME
    if table.is_file():
        return _read_file(table, rejected)
    files = find_structure_files(folder)
    # JSON beside other structure files is more often a note about them than a structure.
    files = [path for path in files if format_of(path) != "json"] or files
    if not files:
        tables = sorted(path.name for path in folder.iterdir() if table_suffix(path))
        hint = f" It has tables: {', '.join(tables[:5])}; name one of them." if tables else ""
        raise BadDataset(
            f"{folder}: neither {TABLE_NAME} nor a structure file in this folder.{hint}"
        )
    return read_structure_files(files, str(folder), plain_name(folder), rejected)


def _read_file(path: Path, rejected: list[Rejected] | None) -> Dataset:
    try:
        return _read_known(path, rejected)
    except _UNREADABLE as error:
        raise BadDataset(f"{path}: it cannot be read ({error}). Is the file complete?") from error


def _read_known(path: Path, rejected: list[Rejected] | None) -> Dataset:
    suffix = table_suffix(path).removesuffix(".gz")
    if suffix == ".json" and sniff_json(path) == "structure":
        return read_structure_files([path], str(path), plain_name(path), rejected)
    if path.name == TABLE_NAME:
        return read_folder(path, rejected)
    if suffix == ".csv" and not find_structure_columns(read_header(path)):
        return read_folder(path, rejected)
    if suffix:
        return read_table(path, rejected)
    return read_structure_files([path], str(path), path.stem, rejected)


def _read_glob(pattern: str, rejected: list[Rejected] | None) -> Dataset:
    matches = [Path(match) for match in sorted(glob.glob(pattern, recursive=True))]
    files = [path for path in matches if path.is_file()]
    if not matches:
        raise BadDataset(f"{pattern}: no file matches. Check the folder and the spelling.")
    if files and all(_is_one_structure(path) for path in files):
        return read_structure_files(files, pattern, "structures", rejected)
    return join_datasets([read_dataset(path, rejected=rejected) for path in matches])


def _is_one_structure(path: Path) -> bool:
    is_json = table_suffix(path) in (".json", ".json.gz")
    return sniff_json(path) == "structure" if is_json else is_structure_file(path)
