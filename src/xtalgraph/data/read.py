"""One door to every kind of data set."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from xtalgraph.data.column_names import find_structure_columns
from xtalgraph.data.dataset import Dataset, join_datasets
from xtalgraph.data.files import explain_unreadable, refuse_other_separator
from xtalgraph.data.folder import read_folder, read_structure_files
from xtalgraph.data.sample import EMBEDDED, REPLACED, read_sample_dataset
from xtalgraph.data.sources import (
    PACKED_NAME,
    SPREADSHEETS,
    TABLE_NAME,
    TABLE_SUFFIXES,
    group_sources,
    is_one_structure,
    plain_name,
    require_crystal_files,
    table_suffix,
)
from xtalgraph.data.tables import MEND, iterate_crystals, read_header, read_table
from xtalgraph.errors import BadDataset, Rejected, summarise
from xtalgraph.structures import CrystalStore


def read_dataset(
    source: str | Path | Sequence[str | Path], *, rejected: list[Rejected] | None = None
) -> Dataset:
    """Give the data set of a folder, a table, structure files, a glob, or a list of these.

    - A folder with `id_prop.csv`: id and targets a row, with or without header, and a structure
      file `ID.cif` for each id. Another CSV in such a folder may be named itself.
    - CSV, parquet, JSON lines or JSON (also `.gz`), with a column `cif` or `structure`, or with
      `lattice`, `species` and `frac`; matbench's files are of this kind.
    - A structure file, a folder or a glob (`runs/*/CONTCAR`) of them: crystals without targets.
    - A folder that `pack_dataset` wrote: its crystals are mapped, not held in memory.
    - `mp-sample`: the embedded sample of the Materials Project.

    Rows and files that make no crystal are refused together with their ids and reasons, unless a
    list `rejected` is given to which they are added; the others are then read. Refused in any case
    is a source of which nothing is left.
    """
    if not isinstance(source, (str, Path)):
        return _read_several([Path(one) for one in source], rejected)
    if source == EMBEDDED and not Path(source).exists():
        return read_sample_dataset()
    if source == REPLACED and not Path(source).exists():
        raise BadDataset(
            f"{source!r}, the embedded set of version 0.1, was replaced by {EMBEDDED!r}: real "
            "crystals with the columns formation_energy_per_atom, band_gap, is_metal and kind."
        )
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
    if (folder / PACKED_NAME).is_file():
        from xtalgraph.data.packed import read_packed

        return read_packed(folder)
    table = folder / TABLE_NAME
    if table.is_file():
        return _read_file(table, rejected)
    files = require_crystal_files(folder)
    return read_structure_files(files, str(folder), plain_name(folder), rejected)


def iterate_table(path: Path) -> Iterator[tuple[CrystalStore, list[Rejected]]]:
    """Give the crystals of a table piece by piece, as `iterate_crystals` does, with our errors."""
    with explain_unreadable(path):
        yield from iterate_crystals(path)


def _read_file(path: Path, rejected: list[Rejected] | None) -> Dataset:
    with explain_unreadable(path):
        return _read_known(path, rejected)


def _read_known(path: Path, rejected: list[Rejected] | None) -> Dataset:
    suffix = table_suffix(path)
    if not suffix or is_one_structure(path):
        if path.suffix.lower() in SPREADSHEETS:
            raise BadDataset(f"{path}: a spreadsheet is not read. Save it as CSV, in UTF-8.")
        name = plain_name(path) if suffix else path.stem
        return read_structure_files([path], str(path), name, rejected)
    if names_structure_files(path):
        return read_folder(path, rejected)
    return read_table(path, rejected)


def names_structure_files(table: Path) -> bool:
    """Tell whether a table has its structures in files beside it, as in the layout of 2018."""
    if table_suffix(table).removesuffix(".gz") != ".csv":
        return False
    refuse_other_separator(table)
    return table.name == TABLE_NAME or not find_structure_columns(read_header(table))


def _read_glob(pattern: str, rejected: list[Rejected] | None) -> Dataset:
    matches = [Path(match) for match in sorted(glob.glob(pattern, recursive=True))]
    if not matches:
        raise BadDataset(f"{pattern}: no file matches. Check the folder and the spelling.")
    files = [path for path in matches if path.is_file()]
    if files and all(is_one_structure(path) for path in files):
        return read_structure_files(files, pattern, "structures", rejected)
    return _read_several(matches, rejected)


def _read_several(sources: Sequence[Path], rejected: list[Rejected] | None) -> Dataset:
    """Give the data set of several sources; one that is bad as a whole is collected like a row."""
    found: list[Rejected] = []
    parts = []
    for run in group_sources(sources):
        n_found = len(found)
        try:
            parts.append(_read_run(run, found))
        except BadDataset as error:
            if len(found) == n_found:  # or else its rows have told already
                found.append(Rejected(str(run[0]), str(error)))
    if rejected is not None:
        rejected += found
    elif found and parts:
        raise BadDataset(
            f"{len(found)} crystals or files cannot be read:\n{summarise(found)}\n{MEND}"
        )
    if found and not parts:
        raise BadDataset(f"nothing of what was named can be read:\n{summarise(found)}")
    return join_datasets(parts)


def _read_run(run: Sequence[Path], rejected: list[Rejected]) -> Dataset:
    if len(run) == 1:
        return read_dataset(run[0], rejected=rejected)
    source = ", ".join(str(path) for path in run)
    dataset = read_structure_files(run, source, "structures", rejected)
    return replace(dataset, paths=tuple(map(str, run)))
