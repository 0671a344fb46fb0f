"""The data set: crystals, and the columns that say something about each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64, Int

from xtalgraph.data.cells import (
    Table,
    as_floats,
    as_objects,
    find_present,
    from_frame,
    join_columns,
    kind_of,
    read_typed,
    to_frame,
)
from xtalgraph.data.columns import describe_texts
from xtalgraph.data.files import checksum_texts
from xtalgraph.errors import BadConfig, BadCrystal, BadDataset, Rejected, UnknownName
from xtalgraph.structures.crystal import CrystalStore
from xtalgraph.structures.symmetry import crystal_system, find_space_group
from xtalgraph.tolerances import SYMMETRY
from xtalgraph.units import Target

if TYPE_CHECKING:
    import pandas as pd

SYMMETRY_LABELS = ("space_group", "crystal_system")
"""Names of labels that are computed where a data set has no column of that name."""


@dataclass(frozen=True, eq=False)
class SymmetryLabels:
    """Space groups and crystal systems of crystals.

    Attributes:
        labels: Object arrays of strings by name; None where the search failed.
        rejected: Crystals whose symmetry was not found, and why.
    """

    labels: dict[str, np.ndarray]
    rejected: tuple[Rejected, ...]


class _Columns:
    """The attribute `columns` of a data set: arrays inside, a data frame for who asks for it.

    So a data set is read, checked and predicted where pandas is not installed.
    """

    def __set__(self, dataset: Dataset, columns: Table | pd.DataFrame) -> None:
        dataset.__dict__["given"] = columns

    def __get__(self, dataset: Dataset, owner: type[Dataset]) -> pd.DataFrame:
        given = dataset.__dict__["given"]
        if not isinstance(given, dict):
            return given
        if "frame" not in dataset.__dict__:
            dataset.__dict__["frame"] = to_frame(given, len(dataset))
        return dataset.__dict__["frame"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Crystals with their ids, and a table with one row per crystal.

    Attributes:
        name: The name of the data set.
        crystals: The crystals.
        columns: Everything in the source but the structures, as a data frame with plain names;
            `table` has the same as arrays. Columns of strings or true/false may be class labels.
        targets: The unit of each numeric column.
        source: The name of the source in messages.
        checksum: SHA-256 of the files that the data came from.
        paths: The paths from which `read_dataset` can read them again; empty for data made in
            memory.
        remarks: What was skipped in reading, in sentences.
        match: How the ids of a table found their structure files, `exact` or `loose`.

    >>> from xtalgraph.structures import Crystal
    >>> iron = Crystal(2.87 * np.eye(3), [[0, 0, 0], [0.5, 0.5, 0.5]], [26, 26], id="Fe")
    >>> columns = {"gap": np.array([0.0]), "kind": np.array(["metal"], object)}
    >>> store = CrystalStore.from_crystals([iron])
    >>> dataset = Dataset("one", store, columns, {"gap": Target("gap", "eV")}, "by hand", "")
    >>> dataset.values(["gap"]).tolist(), dataset.labels("kind").tolist()
    ([[0.0]], ['metal'])
    """

    name: str
    crystals: CrystalStore
    columns: Any  # a data frame, see `_Columns`
    targets: dict[str, Target]
    source: str
    checksum: str
    paths: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    match: str = "exact"

    def __post_init__(self) -> None:
        given = self.__dict__["given"]
        lengths = (
            {len(column) for column in given.values()} if isinstance(given, dict) else {len(given)}
        )
        if lengths - {len(self.crystals)}:
            raise BadDataset(
                f"{self.name}: {max(lengths)} rows of columns for {len(self.crystals)} "
                "crystals. Give one row a crystal, in the same order."
            )

    def __len__(self) -> int:
        return len(self.crystals)

    @cached_property
    def table(self) -> Table:
        """The columns as arrays by name, `None` or nan for what is missing."""
        given = self.__dict__["given"]
        return given if isinstance(given, dict) else from_frame(given)

    @property
    def ids(self) -> np.ndarray:
        """The id of each crystal, an array of strings."""
        return self.crystals.ids

    def values(self, names: Sequence[str]) -> Float64[np.ndarray, "n_crystals n_targets"]:
        """Return numeric targets, a column each; a missing label is nan.

        Refused: a name that is no column, a column of texts or of true/false, an infinite label.
        """
        return np.stack([self._read_values(name) for name in names], axis=1)

    def _read_values(self, name: str) -> np.ndarray:
        column = self._column(name)
        if name not in self.targets:
            hint = describe_texts(column, self.ids)
            raise BadDataset(
                f"{self.source}: column {name!r} holds no numbers.{hint} "
                "Correct the cells, or learn it as class labels with the task classification."
            )
        values = as_floats(column)
        infinite = np.flatnonzero(np.isinf(values))
        if len(infinite):
            raise BadDataset(
                f"{self.source}: column {name!r} is infinite for {len(infinite)} crystals, first "
                f"{str(self.ids[infinite[0]])!r}. Leave a cell blank where the label is missing."
            )
        return values

    def labels(self, name: str) -> np.ndarray:
        """Return class labels as an object array of texts, None where missing.

        True and false become `true` and `false`, whole numbers their digits. A column with a
        fraction in it is refused: that is a quantity, not a class. `space_group` and
        `crystal_system`, where they are no columns, are found from the structures.
        """
        if self.is_computed(name):
            return self.symmetry.labels[name].copy()
        column = self._column(name)
        if name in self.targets:
            numbers = as_floats(column)
            broken = np.flatnonzero(~np.isnan(numbers) & (numbers != np.round(numbers)))
            if len(broken):
                raise BadDataset(
                    f"{self.source}: column {name!r} has the value {numbers[broken[0]]} "
                    f"(id {str(self.ids[broken[0]])!r}), which is no class. "
                    "Learn it as a number with the task regression."
                )
            texts = [None if np.isnan(number) else f"{number:.0f}" for number in numbers]
        else:
            present = find_present(column)
            texts = [
                _write_label(cell) if there else None
                for cell, there in zip(column, present, strict=True)
            ]
        return np.array(texts, dtype=object)

    def is_computed(self, name: str) -> bool:
        """Return whether labels of this name are found from the structures, being no column."""
        return name in SYMMETRY_LABELS and name not in self.table

    @cached_property
    def symmetry(self) -> SymmetryLabels:
        """Space group and crystal system of each crystal, within 0.01 Å, and what has none.

        Found once, when it is first asked for: about 0.3 ms per crystal.
        """
        return find_symmetry_labels(self.crystals)

    def find_unlabelled(self, name: str) -> list[Rejected]:
        """Return the crystals whose symmetry label of this name could not be found, and why."""
        return list(self.symmetry.rejected) if self.is_computed(name) else []

    def _column(self, name: str) -> np.ndarray:
        if not self.table and self.remarks:
            raise BadDataset(f"{self.source}: no column {name!r}. {' '.join(self.remarks)}")
        if name not in self.table:
            raise UnknownName("column", name, self.table)
        return self.table[name]

    def take(self, indices: Int[np.ndarray, "n_rows"] | Sequence[int]) -> Dataset:
        """Return the data set of the crystals at `indices`, in that order."""
        indices = np.asarray(indices, dtype=np.int64)
        table = {name: column[indices] for name, column in self.table.items()}
        return self.with_table(table, crystals=self.crystals.take(indices))

    def with_table(
        self,
        table: Table,
        *,
        crystals: CrystalStore | None = None,
        targets: dict[str, Target] | None = None,
    ) -> Dataset:
        """Return the data set with other columns, and where they are given other crystals or units.

        Args:
            table: Arrays by name, one value a crystal.
            crystals: As many as the arrays have values; those of this data set if None.
            targets: The units of the numeric columns; those of this data set if None.
        """
        crystals = self.crystals if crystals is None else crystals
        targets = self.targets if targets is None else targets
        return replace(self, crystals=crystals, columns=table, targets=targets)

    def with_unique_ids(self) -> Dataset:
        """Return the same data with repeated ids told apart: the second `x` becomes `x#2`.

        >>> from xtalgraph.structures import Crystal
        >>> store = CrystalStore.from_crystals(2 * [Crystal(np.eye(3), [[0, 0, 0]], [26], id="x")])
        >>> twice = Dataset("twice", store, {}, {}, "by hand", "")
        >>> twice.with_unique_ids().ids.tolist()
        ['x', 'x#2']
        """
        seen: Counter[str] = Counter()
        taken = set(self.ids.tolist())
        ids = []
        for id in self.ids.tolist():
            seen[id] += 1
            while seen[id] > 1 and f"{id}#{seen[id]}" in taken:
                seen[id] += 1
            ids.append(id if seen[id] == 1 else f"{id}#{seen[id]}")
        new_ids = np.array(ids, dtype=np.dtypes.StringDType())
        return self.with_table(self.table, crystals=replace(self.crystals, ids=new_ids))

    def repeated_ids(self) -> list[str]:
        """Return the ids that stand for more than one row, in the order they come."""
        return [id for id, count in Counter(self.ids.tolist()).items() if count > 1]


Dataset.columns = _Columns()


def find_symmetry_labels(crystals: CrystalStore, tolerance: float = SYMMETRY) -> SymmetryLabels:
    """Find the space group and the crystal system of each crystal with moyo.

    It takes about 0.3 ms per crystal.

    Args:
        crystals: The crystals.
        tolerance: Distance in Å within which atoms are equivalent.

    Returns:
        The labels; the space group is its number as a string. A crystal whose symmetry cannot be
        found has no label and is reported.

    >>> from xtalgraph.structures import Crystal
    >>> salt = Crystal(2.8 * np.eye(3), [[0, 0, 0], [0.5, 0.5, 0.5]], [55, 17], id="CsCl")
    >>> found = find_symmetry_labels(CrystalStore.from_crystals([salt]))
    >>> [found.labels[name][0] for name in SYMMETRY_LABELS]
    ['221', 'cubic']
    """
    groups = np.full(len(crystals), None, dtype=object)
    systems = groups.copy()
    rejected = []
    for row, crystal in enumerate(crystals):
        try:
            number = find_space_group(crystal, tolerance)
        except BadCrystal as error:
            rejected.append(Rejected(str(crystal.id), error.problem))
            continue
        groups[row], systems[row] = str(number), crystal_system(number)
    return SymmetryLabels({"space_group": groups, "crystal_system": systems}, tuple(rejected))


def order_classes(labels: Iterable[str | None]) -> tuple[str, ...]:
    """Return the distinct classes of labels in the order used everywhere in xtalgraph.

    Numbers come first, by value, so that class `10` follows class `9`; strings are in alphabetical
    order.

    Args:
        labels: Labels; None is a missing one.

    Returns:
        The classes, each once.

    >>> order_classes(["10", "2.5", "metal", None, "-1", "0"])
    ('-1', '0', '2.5', '10', 'metal')
    """
    return tuple(sorted({label for label in labels if label is not None}, key=_class_key))


def _class_key(label: str) -> tuple[bool, float, str]:
    try:
        number = float(label)
    except ValueError:
        number = np.nan
    return (False, number, label) if np.isfinite(number) else (True, 0.0, label)


def draw_sample(
    dataset: Dataset, size: int, *, max_atoms: int | None = None, seed: int = 0
) -> Dataset:
    """Return crystals drawn at random, in their original order.

    Args:
        dataset: Where they are drawn from.
        size: Number of crystals.
        max_atoms: Draw only crystals with at most this number of atoms.
        seed: Random seed.

    Returns:
        A data set of `size` crystals.

    Raises:
        BadConfig: There are fewer crystals than that.
    """
    n_atoms = dataset.crystals.n_atoms
    rows = np.arange(len(dataset)) if max_atoms is None else np.flatnonzero(n_atoms <= max_atoms)
    if not 1 <= size <= len(rows):
        raise BadConfig(f"size = {size}; it must lie in 1 to {len(rows)}, the number of crystals.")
    return dataset.take(np.sort(np.random.default_rng(seed).choice(rows, size, replace=False)))


def join_datasets(datasets: Sequence[Dataset]) -> Dataset:
    """Return one data set of several, one after another.

    Args:
        datasets: At least one; a column that one of them lacks has missing values there.

    Returns:
        All crystals, with the columns of all data sets.

    Raises:
        BadDataset: A target has different units.
    """
    if not datasets:
        raise BadDataset("an empty list of data sets. Give one or more.")
    if len(datasets) == 1:
        return datasets[0]
    targets: dict[str, Target] = {}
    for dataset in datasets:
        for name, target in dataset.targets.items():
            if targets.setdefault(name, target) != target:
                raise BadDataset(
                    f"{dataset.source}: {target.column!r}, but the data set before it has "
                    f"{targets[name].column!r}. Convert one of them to the unit of the other."
                )
    parts, counts = [dataset.table for dataset in datasets], [len(one) for one in datasets]
    joined = join_columns(parts, counts)
    columns = {
        name: read_typed(column) if _are_numbers(name, parts) else as_objects(list(column))
        for name, column in joined.items()
    }
    kept = {name: one for name, one in targets.items() if kind_of(columns[name]) == "number"}
    return Dataset(
        "+".join(dataset.name for dataset in datasets),
        join_stores([dataset.crystals for dataset in datasets]),
        columns,
        kept,
        ", ".join(dataset.source for dataset in datasets),
        checksum_texts(dataset.checksum for dataset in datasets),
        tuple(path for dataset in datasets for path in dataset.paths),
        tuple(remark for dataset in datasets for remark in dataset.remarks),
        datasets[0].match,
    )


def _are_numbers(name: str, parts: Sequence[Table]) -> bool:
    kinds = {kind_of(part[name]) for part in parts if name in part}
    return len(kinds) == 1 and "other" not in kinds


def join_stores(stores: Sequence[CrystalStore]) -> CrystalStore:
    """Return one store of several, one after another."""
    counts = np.concatenate([store.n_atoms for store in stores])
    return CrystalStore(
        np.concatenate([store.lattices for store in stores]),
        np.concatenate([store.fractional_positions for store in stores]),
        np.concatenate([store.atomic_numbers for store in stores]),
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        np.concatenate([store.ids for store in stores]),
    )


def _write_label(cell: object) -> str:
    if isinstance(cell, (bool, np.bool_)):
        return "true" if cell else "false"
    return str(cell)
