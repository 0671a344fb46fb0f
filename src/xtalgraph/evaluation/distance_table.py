"""Tables of distances: rows of identifier, space group and distances, without structures.

Only models that need nothing else can be trained on such a table: the trivial baselines and the
distance classifier.
"""

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from xtalgraph.data import Dataset, read_dataset
from xtalgraph.data.files import (
    checksum_files,
    find_structure_columns,
    plain_name,
    read_lines,
    table_suffix,
)
from xtalgraph.errors import BadDataset, Rejected, UnknownName, summarise
from xtalgraph.files import open_atomically, protect, unprotect
from xtalgraph.graphs import GraphConfig, build_graphs
from xtalgraph.structures import crystal_system
from xtalgraph.structures.crystal import CrystalStore
from xtalgraph.structures.reading import list_structure_names
from xtalgraph.units import Target

N_DISTANCES = 64  # used per crystal
CUTOFF = 8.0  # Å; longer distances are left out, and missing ones are filled with it
CHUNK = 512  # crystals whose graphs are held at a time

LABEL = "space_group"
_SPELLINGS = ("", LABEL, "spacegroup", "space_group_number", "spacegroup_number", "sg", "spg")
_GROUP_NUMBERS = {str(number) for number in range(1, 231)}
_NUMBER = re.compile(r"^[\s\[(]*[+-]?\.?\d|\d\.\d")
_SEPARATORS = re.compile(r"[\s,;]+")


@dataclass(frozen=True, eq=False)
class DistanceTable:
    """Ids, class labels and lists of distances in Å, under the names that a `Dataset` uses."""

    name: str
    ids: np.ndarray  # texts
    columns: pd.DataFrame  # of class labels
    lists: tuple[np.ndarray, ...]  # of distances as they stand in the file, a row each
    source: str
    checksum: str
    remarks: tuple[str, ...] = ()
    targets: dict[str, Target] = field(default_factory=dict)  # none: there are no numbers

    def __len__(self) -> int:
        return len(self.lists)

    def labels(self, name: str) -> np.ndarray:
        """Return class labels as an object array of texts, None where missing."""
        if name not in self.columns.columns:
            raise UnknownName("column", name, [str(column) for column in self.columns.columns])
        column = self.columns[name]
        labels = column.to_numpy(dtype=object, copy=True)
        labels[column.isna().to_numpy()] = None
        return labels

    def values(self, names: Sequence[str]) -> Float64[np.ndarray, "n_crystals n_targets"]:
        """Refuse: a table of distances has class labels, and no numbers to learn."""
        raise BadDataset(
            f"{self.source}: a table of distances has class labels, but no numbers "
            f"{', '.join(names)}. Learn {', '.join(map(str, self.columns.columns))} with the task "
            "classification."
        )

    def find_unlabelled(self, name: str) -> list[Rejected]:
        """Return nothing: no label is computed."""
        return []

    def take_lists(self, rows: Int64[np.ndarray, "n_rows"]) -> list[np.ndarray]:
        """Return the lists of these rows."""
        return [self.lists[row] for row in rows.tolist()]


Labelled = Dataset | DistanceTable
"""What folds, labels and baselines are made from."""


def read_labelled(
    source: str | Path, *, rejected: list[Rejected] | None = None, match: str = "exact"
) -> Labelled:
    """Read a data set like `read_dataset`, or a table of distances."""
    path = Path(source)
    if is_distance_table(path):
        return read_distances(path, rejected=rejected)
    return read_dataset(source, rejected=rejected, match=match)


def is_distance_table(path: Path) -> bool:
    """Return whether a file is a CSV of identifier, label and numbers, without structures.

    A CSV with a column of structures is not, nor one whose first ids are names of structure files
    next to it.
    """
    if not path.is_file() or table_suffix(path) not in (".csv", ".csv.gz"):
        return False
    rows = [row for _, row in zip(range(2), csv.reader(read_lines(path)), strict=False)]
    if not rows or find_structure_columns(rows[0]) or len(rows[-1]) < 3:
        return False
    stems = {name.split(".")[0] for name in list_structure_names(path.parent)}
    if any(row and row[0].strip() in stems for row in rows):
        return False
    return bool(_split_cells(rows[-1])) and _read_distances(rows[-1]) is not None


def read_distances(path: str | Path, *, rejected: list[Rejected] | None = None) -> DistanceTable:
    """Read rows of identifier, space group (or any class) and distances in Å.

    The header is optional; distances are in one cell each or all in one cell, separated by spaces,
    commas or semicolons, with or without brackets. Rows may have different lengths: empty cells at
    the end are ignored. The label has the name in the header, or `space_group`. The lists are kept
    as they are; `distance_mlp` pads them. If all labels are space group numbers, the crystal system
    is a second label. Bad rows are refused together, or added to `rejected`.
    """
    path = Path(path)
    lines = csv.reader(read_lines(path))
    rows = [(file_row, row) for file_row, row in enumerate(lines, 1) if any(row)]
    name = LABEL
    if rows and _is_header(rows[0][1]):
        name = _name_label(rows[0][1][1])
        rows = rows[1:]
    ids, labels, lists, found = [], [], [], []
    for number, row in rows:
        distances, problem = _read_row(row)
        if distances is None:
            found.append(Rejected(row[0].strip() or f"line {number}", f"line {number}: {problem}"))
            continue
        ids.append(unprotect(row[0].strip()))
        labels.append(row[1].strip() or None)
        lists.append(distances)
    if found and rejected is None:
        raise BadDataset(
            f"{path}: {len(found)} of {len(rows)} rows cannot be read:\n{summarise(found)}\n"
            "Correct them, or leave them out (--skip-bad)."
        )
    if rejected is not None:
        rejected += found
    if not lists:
        raise BadDataset(f"{path}: no row of identifier, space group and distances.")
    columns = pd.DataFrame({name: np.array(labels, dtype=object)})
    if name == LABEL and all(label is None or label in _GROUP_NUMBERS for label in labels):
        systems = [label and crystal_system(int(label)) for label in labels]
        columns["crystal_system"] = np.array(systems, dtype=object)
    names = np.array(ids, dtype=object)
    checksum = checksum_files([path])
    return DistanceTable(plain_name(path), names, columns, tuple(lists), str(path), checksum)


def write_distances(
    dataset: Dataset,
    path: str | Path,
    *,
    label: str = LABEL,
    n_distances: int = N_DISTANCES,
    cutoff: float = CUTOFF,
) -> Path:
    """Write a CSV of id, label and the shortest distances (Å) of each crystal, with six decimals.

    Rows have the distances within the cutoff, at most `n_distances`. A missing label is an empty
    cell.
    """
    path = Path(path)
    labels = dataset.labels(label)
    lists = list_shortest_distances(dataset.crystals, n_distances, cutoff)
    longest = max(map(len, lists), default=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_atomically(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        places = [f"distance_{number} [Å]" for number in range(1, longest + 1)]
        writer.writerow(["id", label, *places])
        for id, text, distances in zip(dataset.ids.tolist(), labels, lists, strict=True):
            writer.writerow(
                [protect(id), text or "", *(f"{distance:.6f}" for distance in distances)]
            )
    return path


def shortest_distances(
    crystals: CrystalStore, n_distances: int = N_DISTANCES, cutoff: float = CUTOFF
) -> Float64[np.ndarray, "n_crystals width"]:
    """Return the `n_distances` shortest interatomic distances of each crystal in Å, sorted.

    Distances are counted per atom of the cell: a bond between two atoms of the cell counts twice,
    and a supercell has more equal distances at the beginning of its list. If fewer are within the
    cutoff, the rest is filled with the cutoff. Isolated sites contribute nothing.

    >>> from xtalgraph.structures.crystal import Crystal
    >>> polonium = Crystal(3.36 * np.eye(3), [[0, 0, 0]], [84])
    >>> shortest_distances(CrystalStore.from_crystals([polonium]), 8).round(2).tolist()
    [[3.36, 3.36, 3.36, 3.36, 3.36, 3.36, 4.75, 4.75]]
    """
    return pad_distances(
        list_shortest_distances(crystals, n_distances, cutoff), n_distances, cutoff
    )


def list_shortest_distances(
    crystals: CrystalStore, n_distances: int = N_DISTANCES, cutoff: float = CUTOFF
) -> list[np.ndarray]:
    """Return the same lists as `shortest_distances`, without padding."""
    # The n shortest of a crystal are among the n nearest of each of its atoms.
    config = GraphConfig("nearest", n_distances, cutoff, isolated="ignore")
    lists: list[np.ndarray] = []
    for first in range(0, len(crystals), CHUNK):
        rows = np.arange(first, min(first + CHUNK, len(crystals)))
        graph = build_graphs(crystals.take(rows), config)
        owner = graph.crystal[graph.centre].numpy()
        ends = np.searchsorted(owner, np.arange(1, len(rows)))
        lists += np.split(graph.distance.numpy(), ends)
    return [np.sort(distances)[:n_distances] for distances in lists]


def pad_distances(
    lists: Sequence[np.ndarray], n_distances: int, filler: float
) -> Float64[np.ndarray, "n_crystals width"]:
    """Return each list sorted and truncated or padded with `filler` (Å) to `n_distances`."""
    padded = np.full((len(lists), n_distances), filler)
    for row, distances in enumerate(lists):
        shortest = np.sort(distances)[:n_distances]
        padded[row, : len(shortest)] = shortest
    return padded


def _read_row(row: list[str]) -> tuple[np.ndarray | None, str]:
    if len(row) < 3:
        return None, f"{len(row)} cells; it needs an identifier, a space group and distances"
    if not row[0].strip():
        return None, "the identifier is blank"
    distances = _read_distances(row)
    if distances is None:
        return None, "a distance is not a number above 0"
    if len(distances) == 0:
        return None, "no distance"
    return distances, ""


def _split_cells(row: list[str]) -> list[str]:
    text = ",".join(row[2:]).translate(str.maketrans("", "", "[]()"))
    return [cell for cell in _SEPARATORS.split(text) if cell]


def _read_distances(row: list[str]) -> np.ndarray | None:
    """Return the distances of a row, or None if one is not a number above 0."""
    try:
        distances = [float(cell) for cell in _split_cells(row)]
    except ValueError:
        return None
    if not all(math.isfinite(distance) and distance > 0 for distance in distances):
        return None
    return np.array(distances, dtype=np.float64)


def _is_header(row: list[str]) -> bool:
    """A header has words and no number behind its second cell; `distance 1` is a word."""
    cells = [cell for cell in row[2:] if cell.strip()]
    return bool(cells) and not any(_NUMBER.search(cell) for cell in cells)


def _name_label(header: str) -> str:
    name = re.sub(r"\W+", "_", header.strip().lower()).strip("_")
    return LABEL if name in _SPELLINGS else name
