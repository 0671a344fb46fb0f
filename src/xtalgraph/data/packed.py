"""A data set on disk that is trained on without being held in memory.

The crystals lie in flat files, one an array of `CrystalStore`, which are mapped: of what is larger
than memory, a batch touches the pages of its crystals, and several processes share them. In memory
are the ids, the columns and the offsets, some tens of bytes a crystal.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from xtalgraph.data.cells import Column, find_present, join_columns
from xtalgraph.data.columns import read_columns
from xtalgraph.data.dataset import Dataset
from xtalgraph.data.files import (
    CORRECT,
    EMBEDDED,
    PACKED_NAME,
    checksum_files,
    plain_name,
    table_suffix,
)
from xtalgraph.data.parquet import iterate_batches, require_pyarrow, to_column
from xtalgraph.data.pieces import Cells, Contents, Part, Source
from xtalgraph.data.structure_columns import find_odd_crystals
from xtalgraph.data.tables import TableSource
from xtalgraph.errors import BadConfig, BadCrystal, BadDataset, Rejected, summarise
from xtalgraph.files import folder_atomically, write_json
from xtalgraph.structures import Crystal, CrystalStore
from xtalgraph.structures.elements import SYMBOLS
from xtalgraph.units import Target

_COLUMNS = "columns.parquet"
_ID = "material_id"
_FACTS = {"name", "checksum", "n_crystals", "n_atoms", "targets", "files"}
_AT_ONCE = 8192  # crystals of a piece
_ANEW = "Pack the folder anew."
_ARRAYS: dict[str, tuple[str, tuple[int, ...]]] = {
    "lattices": ("<f8", (3, 3)),
    "fractional_positions": ("<f8", (3,)),
    "atomic_numbers": ("|u1", ()),
}
"""Type and shape of a row of each mapped array."""


def pack_dataset(
    sources: str | Path | Sequence[str | Path],
    folder: str | Path,
    *,
    rejected: list[Rejected] | None = None,
) -> Path:
    """Write tables as a packed folder, which `read_dataset` maps into memory.

    Tables are read a few thousand rows at a time. The folder is written under another name first,
    so that it is either complete or absent.

    Args:
        sources: Parquet, CSV or JSON files with the same columns, such as the parts of a large
            table.
        folder: The new folder.
        rejected: List to which rows that are no valid crystal are added; without it they are
            refused.

    Returns:
        The folder.

    Raises:
        BadDataset: A table cannot be read, the columns differ, or rows are refused.
    """
    paths = [Path(sources)] if isinstance(sources, (str, Path)) else [Path(one) for one in sources]
    for path in paths:
        if not path.is_file() or not table_suffix(path):
            raise BadDataset(f"{path}: no table. Name files of parquet, CSV or JSON lines.")
    folder = Path(folder)
    if folder.exists():
        raise BadConfig(f"{folder} is there already. Choose another folder, or remove this one.")
    with folder_atomically(folder) as part:
        bad = _write(paths, part)
        if bad and rejected is None:
            raise BadDataset(f"{len(bad)} crystals cannot be packed:\n{summarise(bad)}\n{CORRECT}")
    if rejected is not None:
        rejected += bad
    return folder


def read_packed(folder: Path) -> Dataset:
    """Return the data set of a packed folder, its crystals mapped from their files.

    Every file is read through once for its checksum, half a millisecond a MB: what is wrong in a
    mapped file would else be met in the middle of a training, or never.
    """
    facts = _read_facts(folder)
    for name, checksum in facts["files"].items():
        if not (folder / name).is_file() or checksum_files([folder / name]) != checksum:
            raise BadDataset(
                f"{folder / name}: not the file that was packed. Pack the folder anew."
            )
    cells = _read_cells(folder / _COLUMNS)
    ids = np.array(cells.pop(_ID), dtype=np.dtypes.StringDType())
    counts = np.asarray(cells.pop("n_atoms"))
    if not _fit(facts, counts, ids):
        raise BadDataset(f"{folder}: its numbers of atoms do not fit. {_ANEW}")
    columns, _ = read_columns(cells, texts=False)
    arrays = {name: _map(folder, name, facts) for name in _ARRAYS}
    targets = {target["name"]: Target(**target) for target in facts["targets"]}
    offsets = np.concatenate([[0], np.cumsum(counts)])
    _refuse_bad_numbers(arrays, offsets, folder)
    store = CrystalStore(**arrays, offsets=offsets, ids=ids)
    paths = (str(folder),)
    return Dataset(facts["name"], store, columns, targets, str(folder), facts["checksum"], paths)


def _read_cells(path: Path) -> dict[str, Column]:
    parts = [
        {name: to_column(column) for name, column in batch.items()}
        for batch in iterate_batches(path, _AT_ONCE)
    ]
    counts = [len(part[_ID]) for part in parts if _ID in part and "n_atoms" in part]
    if len(counts) < max(1, len(parts)):
        raise BadDataset(f"{path}: the columns {_ID} and n_atoms are not there. {_ANEW}")
    return join_columns(parts, counts)


def _fit(facts: dict[str, Any], counts: np.ndarray, ids: np.ndarray) -> bool:
    """Return whether the numbers of atoms add up to what the mapped files hold.

    The compiled loops go through the files by these numbers, and would go beyond their end.
    """
    return (
        counts.dtype.kind == "i"
        and len(counts) == len(ids) == facts["n_crystals"]
        and bool((counts > 0).all())
        and int(counts.sum()) == facts["n_atoms"]
    )


def _refuse_bad_numbers(arrays: dict[str, np.ndarray], offsets: np.ndarray, folder: Path) -> None:
    """Raise `BadDataset` where a mapped number cannot be one of a crystal."""
    for first in range(0, len(offsets) - 1, _AT_ONCE):
        ends = offsets[first : first + _AT_ONCE + 1]
        atoms = slice(ends[0], ends[-1])
        numbers, positions = arrays["atomic_numbers"][atoms], arrays["fractional_positions"][atoms]
        if numbers.min() == 0 or numbers.max() >= len(SYMBOLS):
            raise BadDataset(f"{folder}: an atomic number is no element. {_ANEW}")
        lattices = arrays["lattices"][first : first + len(ends) - 1]
        odd = find_odd_crystals(lattices, positions, np.diff(ends))
        for row in np.flatnonzero(odd).tolist():
            some = slice(ends[row] - ends[0], ends[row + 1] - ends[0])
            try:
                Crystal(lattices[row], positions[some], numbers[some], f"#{first + row}")
            except BadCrystal as error:
                raise BadDataset(f"{folder}: {error} {_ANEW}") from error


class DatasetSource(Source):
    """A data set that is there as a whole."""

    def __init__(self, dataset: Dataset, title: str, paths: Sequence[str] = ()) -> None:
        super().__init__(dataset.name, title, paths)
        self.dataset = dataset
        self.n_crystals = len(dataset)

    def parts(self) -> Iterator[Part]:
        """Yield some thousand crystals at a time."""
        for first in range(0, len(self.dataset), _AT_ONCE):
            rows = np.arange(first, min(first + _AT_ONCE, len(self.dataset)))
            yield Part(partial(_take, self.dataset, rows))

    def identity(self) -> dict[str, Any]:
        """Return its checksum."""
        return {"kind": "dataset", "checksum": self.checksum(), "n_crystals": len(self.dataset)}

    def checksum(self) -> str:
        """Return the SHA-256 of the files that it was made of."""
        return self.dataset.checksum


def open_embedded() -> DatasetSource:
    """Return the embedded data set."""
    from xtalgraph.data.sample import read_sample_dataset

    return DatasetSource(read_sample_dataset(), EMBEDDED)


def open_packed(folder: Path, title: str) -> DatasetSource:
    """Return the data set of a packed folder."""
    return DatasetSource(read_packed(folder), title)


def _take(dataset: Dataset, rows: np.ndarray) -> Contents:
    some = dataset.take(rows)
    units = {name: target.column for name, target in dataset.targets.items()}
    cells = {units.get(name, name): column for name, column in some.table.items()}
    return Contents(some.crystals, [], Cells(cells, False))


def _write(paths: list[Path], part: Path) -> list[Rejected]:
    pa = require_pyarrow("a packed folder")
    parts: list[dict[str, Column]] = []
    ids: list[str] = []
    counts: list[int] = []
    bad: list[Rejected] = []
    sizes: list[np.ndarray] = []
    texts, decimal = True, "."
    n_crystals, n_atoms = 0, 0
    with ExitStack() as stack:
        files = {name: stack.enter_context(open(part / f"{name}.bin", "wb")) for name in _ARRAYS}
        for store, rejected, cells in _read_parts(paths):
            for name, (kind, _) in _ARRAYS.items():
                getattr(store, name).astype(kind).tofile(files[name])
            parts.append({} if cells is None else dict(cells.content))
            ids += store.ids.tolist()
            counts.append(len(store))
            sizes.append(store.n_atoms)
            texts &= cells is None or cells.texts
            decimal = decimal if cells is None else cells.decimal
            bad += rejected
            n_crystals, n_atoms = n_crystals + len(store), n_atoms + int(store.offsets[-1])
    if not n_crystals:
        raise BadDataset(f"none of the rows makes a crystal:\n{summarise(bad)}")
    columns, targets = read_columns(join_columns(parts, counts), texts=texts, decimal=decimal)
    arrays = {_ID: pa.array(ids, pa.string()), "n_atoms": pa.array(np.concatenate(sizes))}
    for name, column in columns.items():
        arrays[name] = pa.array(column, mask=~find_present(column))
    pa.parquet.write_table(pa.table(arrays), part / _COLUMNS)
    facts: dict[str, Any] = {
        "name": plain_name(paths[0]),
        "checksum": checksum_files(paths),
        "n_crystals": n_crystals,
        "n_atoms": n_atoms,
        "targets": [
            {"name": target.name, "unit": target.unit, "per": target.per}
            for target in targets.values()
        ],
    }
    names = [_COLUMNS, *(f"{name}.bin" for name in _ARRAYS)]
    facts["files"] = {name: checksum_files([part / name]) for name in names}
    write_json(part / PACKED_NAME, facts)
    return bad


def _read_parts(paths: Sequence[Path]) -> Iterator[Contents]:
    for path in paths:
        for part in TableSource(path, str(path)).parts():
            yield part.read()


def _read_facts(folder: Path) -> dict[str, Any]:
    path = folder / PACKED_NAME
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        whole = isinstance(facts, dict) and set(facts) >= _FACTS
    except ValueError:
        whole = False
    if not whole:
        raise BadDataset(f"{path}: not as `data pack` writes it. Pack the folder anew.")
    return facts


def _map(folder: Path, name: str, facts: dict[str, Any]) -> np.ndarray:
    kind, shape = _ARRAYS[name]
    n_rows = facts["n_crystals"] if name == "lattices" else facts["n_atoms"]
    path = folder / f"{name}.bin"
    if path.stat().st_size != n_rows * np.dtype(kind).itemsize * math.prod(shape):
        raise BadDataset(f"{path}: it is not as long as {PACKED_NAME} says. {_ANEW}")
    return np.asarray(np.memmap(path, kind, "r", shape=(n_rows, *shape)))
