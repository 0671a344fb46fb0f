"""The learning problem: labels, split and task of a data set, checked before training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from xtalgraph.data import Dataset, Split, make_split, order_classes
from xtalgraph.data.splits import DEFAULT_SPLIT, PARTS
from xtalgraph.errors import BadConfig, BadCrystal, BadDataset, Rejected, summarise
from xtalgraph.graphs import GraphConfig, build_graphs
from xtalgraph.metrics import MISSING_CLASS, class_indices
from xtalgraph.nn import Normaliser, Task, refuse_unknown_elements
from xtalgraph.nn.task import try_each
from xtalgraph.structures import CrystalStore
from xtalgraph.structures.elements import SYMBOLS
from xtalgraph.units import Target

_CHUNK = 256  # crystals whose graphs are checked at a time


@dataclass(frozen=True, eq=False)
class Problem:
    """A data set with the task to learn on it.

    `labels` has one row per crystal of the data set: numbers in their units, NaN where missing, or
    class numbers, −1 where missing. `split` is as given; `rows(part)` leaves out crystals without
    any label. The normaliser is fitted to the training set alone.
    """

    dataset: Dataset
    task: Task
    split: Split
    labels: Float64[np.ndarray, "n_crystals n_targets"] | Int64[np.ndarray, "n_crystals"]
    normaliser: Normaliser | None  # None for a classification

    def rows(self, part: str) -> Int64[np.ndarray, "n_rows"]:
        """Return the rows of a part that have a label."""
        return self._rows[part]

    @cached_property
    def _rows(self) -> dict[str, np.ndarray]:
        if self.normaliser is None:
            labelled = self.labels != MISSING_CLASS
        else:
            labelled = ~np.isnan(self.labels).all(axis=1)
        rows = {part: np.sort(self.split.part(part)) for part in PARTS}
        return {part: numbers[labelled[numbers]] for part, numbers in rows.items()}

    @cached_property
    def standardized_labels(self) -> Tensor:
        """The labels for the loss: standardised values, or class numbers."""
        if self.normaliser is None:
            return torch.from_numpy(self.labels)
        return torch.from_numpy(self.normaliser.transform(self.labels)).float()

    @property
    def elements(self) -> tuple[str, ...]:
        """Symbols of the elements in the training set, by atomic number."""
        return self.elements_of("train")

    def elements_of(self, part: str) -> tuple[str, ...]:
        """Symbols of the elements in a part, likewise."""
        pieces = _chunks(self.dataset.crystals, self.rows(part))
        found = {number for piece in pieces for number in np.unique(piece.atomic_numbers).tolist()}
        return tuple(SYMBOLS[number] for number in sorted(found))


def pose_problem(
    dataset: Dataset,
    targets: str | Sequence[str],
    task: str = "regression",
    split: str | Split = DEFAULT_SPLIT,
    split_seed: int = 0,
) -> Problem:
    """Return the problem of learning `targets`, or raise an error that explains the obstacle.

    Refused are targets that do not exist, sets without labels, a target or class that does not vary
    in the training set, and a class that is not in the training set.
    """
    names = read_target_names(targets)
    parts = make_split(dataset, split, split_seed) if isinstance(split, str) else split
    _refuse_other_rows(parts, len(dataset))
    if task == "classification":
        if len(names) > 1:
            raise BadConfig(f"classification needs one target, got {names}. Train one at a time.")
        return _pose_classification(dataset, names[0], parts)
    values = dataset.values(names)
    chosen = Task(task, tuple(dataset.targets[name] for name in names))
    for part in ("train", "validation"):
        for name, column in zip(names, values[parts.part(part)].T, strict=True):
            _refuse_unlabelled(name, part, ~np.isnan(column))
    normaliser = Normaliser.fit(values[parts.train], names)
    return Problem(dataset, chosen, parts, values, normaliser)


def read_target_names(targets: str | Sequence[str]) -> list[str]:
    """Return the names in `band_gap,formation_energy_per_atom`, or in a sequence of names."""
    names = targets.split(",") if isinstance(targets, str) else list(targets)
    names = [name.strip() for name in names]
    if not names or not all(names):
        raise BadConfig("no target is named. Name the columns to learn, such as band_gap.")
    return names


def refuse_bad_crystals(problem: Problem, known_elements: list[int], graph: GraphConfig) -> None:
    """Raise `BadCrystal` for crystals that the network or the graph does not support.

    All graphs are built once for this, at about 2 µs per atom, because a test crystal that fails
    after training would be more expensive.
    """
    rows = np.concatenate([problem.rows(part) for part in PARTS])
    crystals = problem.dataset.crystals
    unknown: list[int] = []
    for first, chunk in enumerate(_chunks(crystals, rows)):
        good = refuse_unknown_elements(chunk, known_elements, rejected=[])
        unknown += (first * _CHUNK + np.delete(np.arange(len(chunk)), good)).tolist()
    refuse_unknown_elements(crystals.take(rows[unknown]), known_elements)
    errors: list[BadCrystal] = []
    for chunk in _chunks(crystals, rows):
        try:
            build_graphs(chunk, graph)
        except BadCrystal:
            errors += try_each(chunk, lambda one: build_graphs(one, graph))[1]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        rejected = [Rejected(error.id or "", str(error)) for error in errors]
        raise BadDataset(
            f"{problem.dataset.source}: {len(rejected)} crystals have no usable graph. Leave them "
            f"out or correct them:\n{summarise(rejected)}"
        )


def _pose_classification(dataset: Dataset, name: str, parts: Split) -> Problem:
    labels = dataset.labels(name)
    labelled = np.array([label is not None for label in labels])
    for part in ("train", "validation"):
        _refuse_unlabelled(name, part, labelled[parts.part(part)])
    found = {part: _distinct(labels[parts.part(part)]) for part in PARTS}
    classes = order_classes(found["train"])
    if len(classes) < 2:
        raise BadDataset(
            f"classification by {name!r}: all of the training part is {classes[0]!r}. There is "
            "nothing to learn; split otherwise, or choose another target."
        )
    for part in PARTS[1:]:
        new = order_classes(found[part] - set(classes))
        if new:
            raise BadDataset(
                f"classification by {name!r}: the {part} part has the class {new[0]!r}, which the "
                f"training part lacks (it has {', '.join(classes)}). Split otherwise, or leave "
                "the rare class out."
            )
    target = dataset.targets.get(name)
    task = Task("classification", (target or Target(name),), classes)
    # a label outside the split may be of another class; it is not used
    numbers = class_indices([label if label in classes else None for label in labels], classes)
    return Problem(dataset, task, parts, numbers, None)


def _distinct(labels: np.ndarray) -> set[str]:
    return {label for label in labels if label is not None}


def _refuse_unlabelled(name: str, part: str, labelled: np.ndarray) -> None:
    if not labelled.any():
        raise BadDataset(
            f"target {name!r} has no label among the {len(labelled)} crystals of the {part} part. "
            "Split otherwise, or choose another target."
        )


def _refuse_other_rows(split: Split, n_crystals: int) -> None:
    rows = np.concatenate([split.part(part) for part in PARTS])
    if rows.min() < 0 or rows.max() >= n_crystals:
        raise BadDataset(
            f"the split has rows {rows.min()} to {rows.max()}, but the data set has {n_crystals} "
            "crystals. Make the split from this data set."
        )


def _chunks(crystals: CrystalStore, rows: np.ndarray) -> Iterator[CrystalStore]:
    """Yield the crystals of some rows in chunks, because all of them may be larger than memory."""
    for first in range(0, len(rows), _CHUNK):
        yield crystals.take(rows[first : first + _CHUNK])
