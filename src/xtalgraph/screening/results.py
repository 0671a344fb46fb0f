"""The folder of a screen: two files per finished chunk, then the results without duplicates.

A part is complete or absent; which chunks are done is determined from the parts alone. The
predictions of all candidates of a chunk are written next to its part, and before it. At the end,
parts are read one after another. Only one part is in memory at a time, with the lists of the best
and, if structures can occur more than once, formula and volume of each passed candidate (about 60
bytes).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from xtalgraph.data import read_dataset
from xtalgraph.data.dataset import join_stores
from xtalgraph.data.duplicates import (
    N_DISTANCES,
    VOLUME_TOLERANCE,
    find_duplicates,
    mean_distances,
)
from xtalgraph.errors import BadConfig, Rejected
from xtalgraph.files import format_csv, open_atomically, write_json, write_text
from xtalgraph.graphs import nearest_distances
from xtalgraph.manifest import begin_or_resume, read_manifest
from xtalgraph.screening.screener import BOUND, COUNTS, REJECTED_ROWS, SCORE, ChunkResult
from xtalgraph.structures import CrystalStore, format_cif

WORK = "a screen"
PARTS, PREDICTED = "parts", "predicted"
PASSED, TOP, TOP_CAUTIOUS = "passed.parquet", "top", "top_cautious"
FUNNEL, REJECTED, DUPLICATES = "funnel.json", "rejected.csv", "duplicates.csv"
STRUCTURES = ("lattice", "species", "frac")


class PartFolder:
    """The parts of one screen; a folder with another screen, or anything else, is refused."""

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        self.folder = folder
        self.parts, self.predicted = folder / PARTS, folder / PREDICTED
        others = [path for path in folder.iterdir() if not path.name.startswith(".lock")]
        if others and read_manifest(folder) is None:
            raise BadConfig(
                f"{folder} is not empty and contains no screen. Choose another folder (--out)."
            )
        begin_or_resume(folder, WORK, identity)
        for parts in (self.parts, self.predicted):
            parts.mkdir(exist_ok=True)

    def done(self) -> dict[int, Path]:
        """Return the finished parts by chunk number, in order."""
        return {
            int(path.stem): path
            for path in sorted(self.parts.glob("*.parquet"))
            if (self.predicted / path.name).is_file()
        }

    def write(self, number: int, result: ChunkResult) -> None:
        """Write the result of a chunk to disk, durably."""
        name = f"{number:08d}.parquet"
        _write_tables(self.predicted / name, [result.predicted])
        _write_tables(self.parts / name, [result.as_part()])


def read_counts(path: Path) -> dict[str, int]:
    """Return the counts of a part."""
    return json.loads(pq.read_metadata(path).metadata[COUNTS])


def read_rejected(path: Path) -> list[Rejected]:
    """Return the candidates of a part that could not be predicted, and why."""
    return [Rejected(*row) for row in json.loads(pq.read_metadata(path).metadata[REJECTED_ROWS])]


def _write_tables(path: Path, tables: Iterable[pa.Table]) -> None:
    """Write tables of the same schema into one parquet file, atomically.

    Tables without rows do not know the types of their columns, and are left out if possible.
    """
    writer: pq.ParquetWriter | None = None
    empty: pa.Table | None = None
    with open_atomically(path, "wb") as file:
        for table in tables:
            if not len(table):
                empty = table
                continue
            writer = writer or pq.ParquetWriter(file, table.schema, compression="zstd")
            writer.write_table(table)
        if writer is not None:
            writer.close()
        elif empty is not None:
            pq.write_table(empty, file, compression="zstd")


@dataclass(frozen=True, eq=False)
class ScreenResult:
    """A finished screen.

    Attributes:
        folder: The output folder.
        funnel: Number of candidates, then how many each filter left out, …, then how many passed.
        top: The best candidates by `score`, smallest first.
        top_cautious: The best by `score_bound`, if a model states its uncertainty.
    """

    folder: Path
    funnel: Mapping[str, int]
    top: pd.DataFrame
    top_cautious: pd.DataFrame | None


def finish(
    folder: Path, parts: Mapping[int, Path], n_top: int, *, may_repeat: bool
) -> ScreenResult:
    """Write the results of finished parts into the folder; the same parts give the same files.

    `passed.parquet` has everything that passed, with structures; `top.csv`, `top.parquet` and the
    CIFs in `top/` the best by score, `top_cautious…` the best by the bound; `rejected.csv` what
    could not be screened, `duplicates.csv` repeated structures, `funnel.json` the counts.
    """
    paths = [parts[number] for number in sorted(parts)]
    dropped = _find_repeats(paths) if may_repeat else {}
    best: dict[str, pa.Table] = {}

    def passed() -> Iterator[pa.Table]:
        for number, path in enumerate(paths):
            table = pq.read_table(path).replace_schema_metadata(None)
            gone = dropped.get(number)
            if gone is not None:
                table = table.take(np.setdiff1d(np.arange(len(table)), list(gone)))
            for column in (SCORE, BOUND):
                if column in table.column_names:
                    best[column] = _keep_best(best.get(column), table, column, n_top)
            yield table

    _write_tables(folder / PASSED, passed())
    funnel = _add_counts(paths, sum(map(len, dropped.values())))
    write_json(folder / FUNNEL, funnel)
    _write_rejected(folder / REJECTED, paths)
    _write_duplicates(folder / DUPLICATES, paths, dropped)
    top = _write_top(folder, TOP, best.get(SCORE))
    cautious = _write_top(folder, TOP_CAUTIOUS, best[BOUND]) if BOUND in best else None
    return ScreenResult(folder, funnel, top, cautious)


def _keep_best(best: pa.Table | None, table: pa.Table, column: str, n_top: int) -> pa.Table:
    """Return the `n_top` smallest rows of the previous best and a new part; ties keep order."""
    if not len(table):
        return best if best is not None else table
    both = table if best is None or not len(best) else pa.concat_tables([best, table])
    scores = both[column].to_numpy()
    order = np.argsort(scores, kind="stable")[:n_top]
    return both.take(order[np.isfinite(scores[order])])


def _find_repeats(paths: list[Path]) -> dict[int, dict[int, str]]:
    """Return for each part the rows that repeat an earlier structure, and the id of that one."""
    formulas, volumes, part, row = _read_keys(paths)
    suspects = _find_suspects(formulas, volumes)
    if not len(suspects):
        return {}
    stores = []
    for number in np.unique(part[suspects]).tolist():
        store = read_dataset(paths[number]).crystals
        stores.append(store.take(row[suspects][part[suspects] == number]))
    store = join_stores(stores)
    fingerprints = mean_distances(store, nearest_distances(store, N_DISTANCES))
    found: dict[int, dict[int, str]] = {}
    for first, *others in find_duplicates(store, fingerprints):
        for other in others:
            place = suspects[other]
            found.setdefault(int(part[place]), {})[int(row[place])] = str(store.ids[first])
    return found


def _read_keys(paths: list[Path]) -> tuple[np.ndarray, ...]:
    """Return formula, volume per atom, part and row of everything that passed, in order."""
    formulas, volumes, counts = [], [], []
    for path in paths:
        table = pq.read_table(path, columns=["formula", "volume_per_atom"])
        kind = np.dtypes.StringDType()
        formulas.append(np.array(table["formula"].to_pylist(), dtype=kind))
        volumes.append(table["volume_per_atom"].to_numpy())
        counts.append(len(table))
    part = np.repeat(np.arange(len(paths)), counts)
    row = np.concatenate([np.arange(count) for count in counts])
    return np.concatenate(formulas), np.concatenate(volumes), part, row


def _find_suspects(formulas: np.ndarray, volumes: np.ndarray) -> np.ndarray:
    """Return the rows that share formula and approximate volume with another, in order."""
    _, keys = np.unique(formulas, return_inverse=True)
    order = np.lexsort((volumes, keys))
    same = keys[order][1:] == keys[order][:-1]
    same &= volumes[order][1:] <= volumes[order][:-1] * (1 + VOLUME_TOLERANCE)
    near = np.zeros(len(order), dtype=bool)
    near[1:] |= same
    near[:-1] |= same
    return np.sort(order[near])


def _add_counts(paths: list[Path], n_duplicates: int) -> dict[str, int]:
    totals: dict[str, int] = {}
    for path in paths:
        for name, count in read_counts(path).items():
            totals[name] = totals.get(name, 0) + count
    passed = totals.pop("passed")
    return totals | {"duplicates": n_duplicates, "passed": passed - n_duplicates}


def _write_rejected(path: Path, paths: list[Path]) -> None:
    rows = [(one.id, one.reason) for part in paths for one in read_rejected(part)]
    frame = pd.DataFrame(rows, columns=["id", "reason"])
    write_text(path, format_csv(frame))


def _write_duplicates(path: Path, paths: list[Path], dropped: dict[int, dict[int, str]]) -> None:
    rows = []
    for number, found in sorted(dropped.items()):
        ids = pq.read_table(paths[number], columns=["material_id"])["material_id"].to_pylist()
        rows += [(ids[row], first) for row, first in sorted(found.items())]
    frame = pd.DataFrame(rows, columns=["id", "same_as"])
    write_text(path, format_csv(frame))


def _write_top(folder: Path, name: str, best: pa.Table | None) -> pd.DataFrame:
    """Write a list of the best as CSV, as parquet and as a folder of CIFs, ranked from 1."""
    if best is None:
        return pd.DataFrame()
    best = best.add_column(0, "rank", pa.array(np.arange(1, len(best) + 1)))
    _write_tables(folder / f"{name}.parquet", [best])
    frame = best.drop_columns(list(STRUCTURES)).to_pandas()
    frame = frame.rename(columns={"material_id": "id"})
    write_text(folder / f"{name}.csv", format_csv(frame))
    cifs = folder / name
    cifs.mkdir(exist_ok=True)
    for old in cifs.glob("*.cif"):
        old.unlink()
    if len(best):
        for rank, crystal in enumerate(_read_structures(folder / f"{name}.parquet"), start=1):
            text = format_cif(crystal)
            write_text(cifs / f"{rank:04d}_{crystal.reduced_formula}.cif", text)
    return frame


def _read_structures(path: Path) -> CrystalStore:
    return read_dataset(path).crystals
