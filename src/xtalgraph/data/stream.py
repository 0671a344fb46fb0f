"""Crystals piece by piece, from the sources that `read_dataset` reads whole, without their columns.

What reads tables is loaded only where there is one: one CIF is predicted without pandas.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from xtalgraph.data.files import explain_unreadable, refuse_other_separator
from xtalgraph.data.folder_index import iterate_folder
from xtalgraph.data.sources import (
    PACKED_NAME,
    SPREADSHEETS,
    TABLE_NAME,
    group_sources,
    is_one_structure,
    require_crystal_files,
    table_suffix,
)
from xtalgraph.errors import BadDataset, Rejected, summarise
from xtalgraph.structures import Crystal, CrystalStore
from xtalgraph.structures.reading import iterate_file, name_sources

Piece = tuple[CrystalStore, list[Rejected]]
"""Some thousand crystals, and what could not be read among them."""

_AT_ONCE = 8192  # crystals of a packed folder
_FILES_AT_ONCE = 2048  # crystals of structure files
_SHOWN = 10  # reasons of an error


def iterate_dataset(source: str | Path | Sequence[str | Path]) -> Iterator[Piece]:
    """Give the crystals of a source of `read_dataset` in its order, in pieces that fit any memory.

    Kept for the whole way are only the names of the files, or the ids of an `id_prop.csv`. Held
    whole are the embedded set, and each file of structures that is no large extended xyz. A source
    of which nothing can be read is refused at its end.
    """
    if isinstance(source, (str, Path)):
        yield from _refuse_nothing(source, _iterate_source(source))
    else:
        yield from _iterate_several([Path(one) for one in source])


def _iterate_source(source: str | Path) -> Iterator[Piece]:
    path = Path(source).expanduser()
    if path.is_file() and path.suffix.lower() not in SPREADSHEETS:
        yield from _iterate_file(path)
    elif path.is_dir() and (path / PACKED_NAME).is_file():
        from xtalgraph.data.read import read_dataset

        store = read_dataset(path).crystals
        for first in range(0, len(store), _AT_ONCE):
            yield store.take(np.arange(first, min(first + _AT_ONCE, len(store)))), []
    elif path.is_dir() and not (path / TABLE_NAME).is_file():
        yield from iterate_files(require_crystal_files(path))
    elif path.is_dir():
        yield from _iterate_file(path / TABLE_NAME)
    elif any(sign in str(source) for sign in "*?[") and (matches := _match(path)):
        yield from _iterate_several(matches)
    else:
        from xtalgraph.data.read import read_dataset

        yield read_dataset(source).crystals, []  # the embedded set, or the reason why not


def iterate_files(files: Sequence[Path]) -> Iterator[Piece]:
    """Give the crystals of files some thousand at a time, and what cannot be read among them."""
    crystals: list[Crystal] = []
    problems: list[Rejected] = []
    for file, name in zip(files, name_sources(list(files)), strict=True):
        for crystal in iterate_file(file, name, problems):
            crystals.append(crystal)
            if len(crystals) >= _FILES_AT_ONCE:
                yield CrystalStore.from_crystals(crystals), problems.copy()
                crystals.clear()
                problems.clear()
    if crystals or problems:
        yield CrystalStore.from_crystals(crystals), problems


def _match(path: Path) -> list[Path]:
    matches = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]
    files = [match for match in matches if match.is_file()]
    are_structures = files and all(is_one_structure(file) for file in files)
    return files if are_structures else matches


def _iterate_file(path: Path) -> Iterator[Piece]:
    if not table_suffix(path) or is_one_structure(path):
        yield from iterate_files([path])
        return
    with explain_unreadable(path):
        if path.name == TABLE_NAME:
            refuse_other_separator(path)
            yield from iterate_folder(path)
            return
        from xtalgraph.data.read import iterate_table, names_structure_files

        yield from iterate_folder(path) if names_structure_files(path) else iterate_table(path)


def _iterate_several(sources: Sequence[Path]) -> Iterator[Piece]:
    """Give the pieces of several sources; one that is bad as a whole is told like a row."""
    n_good = 0
    bad: list[Rejected] = []
    for run in group_sources(sources):
        n_told = 0
        pieces = iterate_files(run) if len(run) > 1 else iterate_dataset(run[0])
        try:
            for store, rejected in pieces:
                n_good, n_told = n_good + len(store), n_told + len(rejected)
                bad = (bad + rejected)[:_SHOWN]
                yield store, rejected
        except BadDataset as error:
            if not n_told:  # or else its rows have told already
                bad = [*bad, Rejected(str(run[0]), str(error))]
                yield CrystalStore.from_crystals([]), bad[-1:]
    if not n_good:
        raise BadDataset(f"nothing of what was named can be read:\n{summarise(bad)}")


def _refuse_nothing(source: str | Path, pieces: Iterator[Piece]) -> Iterator[Piece]:
    n_good, n_bad = 0, 0
    bad: list[Rejected] = []
    for store, rejected in pieces:
        n_good, n_bad = n_good + len(store), n_bad + len(rejected)
        bad = (bad + rejected)[:_SHOWN]
        yield store, rejected
    if not n_good + n_bad:
        raise BadDataset(f"{source}: the table has no rows. Is it complete?")
    if not n_good:
        raise BadDataset(
            f"{source}: none of its {n_bad} crystals can be read:\n{summarise(bad, _SHOWN)}"
        )
