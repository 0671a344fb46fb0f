"""What a path is: the one place that tells structure files, tables, folders and globs apart.

What reads tables is loaded only where there is one: one CIF is predicted without pandas.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby, islice
from pathlib import Path

from xtalgraph.data.files import (
    EMBEDDED,
    PACKED_NAME,
    REPLACED,
    TABLE_NAME,
    TABLE_SUFFIXES,
    TEXT_SUFFIXES,
    explain_unreadable,
    find_structure_columns,
    plain_name,
    table_suffix,
)
from xtalgraph.data.pieces import FileSource, SeveralSource, Source
from xtalgraph.errors import BadDataset, MissingExtra, UnknownName
from xtalgraph.structures.formats import FORMATS
from xtalgraph.structures.reading import list_by_priority

MATCHES = ("exact", "loose")
"""How the ids of a table find their structure files."""

_MOST_SEEN = 10_000  # entries of subfolders that are looked at, to tell of their files


def open_source(
    source: str | Path | Sequence[str | Path] | Source, *, match: str = "exact"
) -> Source:
    """Open crystals, whatever holds them; what they are is read when their pieces are.

    Args:
        source: One of these, or a list of them:

            - a structure file, a folder or a glob (`runs/*/CONTCAR`) of structure files;
            - a folder with `id_prop.csv`, or with one table of another name: id and targets a row,
              with or without header, and a structure file `ID.cif` for each id; of several tables
              in such a folder name one;
            - a table: CSV, JSON lines or JSON (also `.gz`), and with the extra `tables` parquet
              or a spreadsheet (xlsx, xls, ods: the first sheet), with a column `cif` or
              `structure`, or with `lattice`, `species` and `frac`; files of matbench, of JARVIS and
              pages of OPTIMADE are of this kind;
            - a folder that `pack_dataset` wrote: its crystals are mapped, not held in memory;
            - the name of the embedded data set;
            - a source that is open, which is returned.
        match: How the ids of a table find their structure files. `exact`: a file `ID.cif`, or of
            another suffix. `loose`: also where capitals, a suffix in the id or zeros in front of a
            number differ, if there is but one such file.

    Returns:
        The source. `pieces()` gives its crystals, columns and rejections, some thousand at a time,
        with the same ids, types and order however it is read.

    Raises:
        BadDataset: There is no such file, or none of the files is a structure or a table.
        UnknownName: `match` is none of the two.
    """
    if match not in MATCHES:
        raise UnknownName("match", match, MATCHES)
    if isinstance(source, Source):
        return source
    if not isinstance(source, (str, Path)):
        several = SeveralSource(
            list(_group([str(path) for path in source])), partial(_open_run, match=match)
        )
        several.match = match
        return several
    path, title = Path(source).expanduser(), str(source)
    if title == EMBEDDED and not path.exists():
        from xtalgraph.data.packed import open_embedded

        return open_embedded()
    if title == REPLACED and not path.exists():
        raise BadDataset(
            f"{title!r}, the embedded set of version 0.1, was replaced by {EMBEDDED!r}: real "
            "crystals with the columns formation_energy_per_atom, band_gap, is_metal and kind."
        )
    if path.is_dir():
        return _open_folder(path, title, match)
    if path.is_file():
        return _open_file(path, title, match)
    if any(sign in title for sign in "*?["):
        return _open_glob(path, title, match)
    raise BadDataset(
        f"{source}: there is no such file or folder. Give a folder with {TABLE_NAME}, a table "
        f"({', '.join(TABLE_SUFFIXES)}), structure files ({FORMATS.describe()}), or {EMBEDDED!r} "
        "for the embedded data set."
    )


def _group(paths: Sequence[str]) -> Iterator[list[str]]:
    """Yield structure files that follow each other together, to be read at once; others alone."""
    for are_structures, run in groupby(paths, _is_structure_there):
        files = list(run)
        yield from [files] if are_structures else [[path] for path in files]


def _open_run(paths: Sequence[str], *, match: str) -> Source:
    if len(paths) == 1:
        return open_source(paths[0], match=match)
    files = [Path(path).expanduser() for path in paths]
    return FileSource(files, ", ".join(paths), "structures", paths)


def _open_folder(folder: Path, title: str, match: str) -> Source:
    if (folder / PACKED_NAME).is_file():
        from xtalgraph.data.packed import open_packed

        return open_packed(folder, title)
    table = folder / TABLE_NAME
    if table.is_file():
        return _open_file(table, str(table), match)
    names = list_by_priority(folder)
    names = [name for name in names if not _is_often_other(name)] or names
    if not names:
        return _open_only_table(folder, title, match)
    tables, broken = _find_labels(folder)
    if len(tables) == 1:
        from xtalgraph.data.folder import FolderSource

        source: Source = FolderSource(tables[0], str(tables[0]), match)
        source.name = plain_name(folder)
        source.remarks = (
            f"{title}: labels are those of {tables[0].name}.",
            *broken,
            *source.remarks,
        )
        return source
    source = FileSource([folder / name for name in names], title, plain_name(folder))
    source.remarks = broken
    if tables:
        found = ", ".join(path.name for path in tables)
        source.remarks += (f"{title}: several tables name its files: {found}. Name one of them.",)
    deeper = _count_deeper(folder)
    if deeper:
        source.remarks += (f"{title}: {deeper} in its subfolders are not read. {_recurse(title)}",)
    return source


def _open_only_table(folder: Path, title: str, match: str) -> Source:
    """Open the one table of a folder without structure files, or say what there is."""
    tables = sorted(path for path in folder.iterdir() if table_suffix(path) and _is_table(path))
    if len(tables) == 1:
        return _open_file(tables[0], str(tables[0]), match)
    hint = ""
    if tables:
        named = ", ".join(path.name for path in tables[:5])
        hint = f" It has tables: {named}; name one of them."
    elif _count_deeper(folder):
        hint = f" In its subfolders there are {_count_deeper(folder)}. {_recurse(title)}"
    raise BadDataset(
        f"{title}: neither {TABLE_NAME} nor a structure file in this folder. Structure files "
        f"are {FORMATS.describe()}.{hint}"
    )


def _is_table(path: Path) -> bool:
    """Return whether a file of such a name is more than what this program lists beside a result."""
    return path.is_file() and ".rejected." not in path.name


def _find_labels(folder: Path) -> tuple[list[Path], tuple[str, ...]]:
    """Return the tables of a folder that have rows for its structure files, and which are broken.

    A table that cannot be read is told, and does not keep the structures from being read.
    """
    tables = sorted(path for path in folder.iterdir() if table_suffix(path) in TEXT_SUFFIXES)
    if not tables:
        return [], ()
    from xtalgraph.data.folder import names_files

    found, remarks = [], []
    for path in filter(_is_table, tables):
        try:
            found += [path] if names_files(path) else []
        except (BadDataset, MissingExtra) as error:
            remarks.append(str(error))
    return found, tuple(remarks)


def _count_deeper(folder: Path) -> str:
    """Return how many structure files are in the subfolders of a folder; nothing for none."""
    entries = (name for _, _, names in islice(os.walk(folder), 1, None) for name in names)
    seen = list(islice(entries, _MOST_SEEN))
    n_found = sum(FORMATS.find(name) is not None and not _is_often_other(name) for name in seen)
    more = " or more" if len(seen) == _MOST_SEEN else ""
    return f"{n_found}{more} structure files" if n_found else ""


def _recurse(title: str) -> str:
    return f"To read all below it, name '{title.rstrip('/')}/**/*.cif'."


def _is_often_other(name: str) -> bool:
    """Return whether a file is more often a note about structures than one, as JSON is."""
    found = FORMATS.find(name)
    return found is not None and found.is_often_other


def _open_file(path: Path, title: str, match: str) -> Source:
    with explain_unreadable(path):
        suffix = table_suffix(path)
        if not suffix or is_one_structure(path):
            return FileSource([path], title, plain_name(path) if suffix else path.stem)
        if _names_structure_files(path):
            from xtalgraph.data.folder import FolderSource

            return FolderSource(path, title, match)
        from xtalgraph.data.tables import TableSource

        return TableSource(path, title)


def _names_structure_files(table: Path) -> bool:
    """Return whether a table has its structures in files next to it, as in the layout of 2018."""
    if table_suffix(table) not in TEXT_SUFFIXES:
        return False
    from xtalgraph.data.text_rows import read_header

    return table.name == TABLE_NAME or not find_structure_columns(read_header(table))


def _open_glob(pattern: Path, title: str, match: str) -> Source:
    matches = [Path(match) for match in sorted(glob.glob(str(pattern), recursive=True))]
    if not matches:
        raise BadDataset(f"{title}: no file matches. Check the folder and the spelling.")
    files = [path for path in matches if path.is_file()]
    if files and all(is_one_structure(path) for path in files):
        return FileSource(files, title, "structures")
    return open_source(matches, match=match)


def is_one_structure(path: Path) -> bool:
    """Return whether a file is a structure, not a table: by name, and for JSON by content."""
    suffix = table_suffix(path)
    if suffix in (".json", ".json.gz"):
        from xtalgraph.data.json_rows import sniff_json

        return sniff_json(path) == "structure"
    return not suffix and FORMATS.find(path.name) is not None


def _is_structure_there(name: str) -> bool:
    path = Path(name).expanduser()
    if not path.is_file():
        return False
    try:
        with explain_unreadable(path):
            return is_one_structure(path)
    except BadDataset:
        return False  # opening it says what is wrong
