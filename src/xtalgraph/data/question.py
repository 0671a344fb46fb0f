"""What is to be learned from a data set: labels, kind of task, classes and parts, under one rule.

Training goes by it, and the pre-flight check does: what one refuses the other does, in the same
words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from xtalgraph.data.cells import as_floats
from xtalgraph.data.columns import find_odd_cells
from xtalgraph.data.dataset import Dataset, order_classes
from xtalgraph.data.splits import DEFAULT_SPLIT, PARTS, Split, make_split
from xtalgraph.errors import BadConfig, BadDataset, UnknownName

REGRESSION, CLASSIFICATION = "regression", "classification"
TASK_KINDS = (REGRESSION, CLASSIFICATION)

NO_CLASS = -1
"""The class number of a missing label."""

LARGEST = 1e30
"""Of a label: far enough below what a float32 holds, 3e38."""

OUTLIER_WIDTH = 5.0
"""An outlier is further from the median than this many robust standard deviations (IQR / 1.349): of
normally distributed labels, one in two million."""

_PLACEHOLDER = re.compile(r"9{3,}(\.9*0?)?")  # -999, 9999.0, 999.9
_FILLERS = {2.0**31 - 1, -(2.0**31), 1e10, 1e20, -1e10, -1e20}
_SHOWN = 5  # ids or classes that are named


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked of a data set, after all that would make learning it fail was refused.

    Attributes:
        names: Of the target columns.
        kind: `regression` or `classification`.
        split: The parts, as rows of the data set, also those without labels.
        labels: Numbers in their units, a column each, nan where one is missing; or class numbers,
            -1 where one is missing.
        classes: Their names, in the order of the numbers; empty for a regression.
    """

    names: tuple[str, ...]
    kind: str
    split: Split
    labels: Float64[np.ndarray, "n_crystals n_targets"] | Int64[np.ndarray, "n_crystals"]
    classes: tuple[str, ...] = ()

    def rows(self, part: str) -> Int64[np.ndarray, "n_rows"]:
        """Return the rows of a part that have a label of any target, ascending."""
        rows = np.sort(self.split.part(part))
        labels = self.labels[rows]
        return rows[labels != NO_CLASS if self.classes else ~np.isnan(labels).all(axis=1)]


def pose_question(
    dataset: Dataset,
    targets: str | Sequence[str],
    task: str | None = None,
    split: str | Split = DEFAULT_SPLIT,
    split_seed: int = 0,
) -> Question:
    """Return the question of learning columns of a data set, or say why it cannot be learned.

    Args:
        dataset: Crystals and columns.
        targets: Names of columns, in a list or comma-separated.
        task: `regression` or `classification`; what the columns are for if None, see `guess_task`.
        split: A `Split`, or a text as `make_split` takes it.
        split_seed: Of a random split.

    Raises:
        UnknownName: A column or a task that there is not.
        BadConfig: No target, or several for a classification.
        BadDataset: Labels that are no numbers, infinite or too large, or that look like
            placeholders; parts without labels; a target or a class that does not vary in the
            training set; a class that the training set lacks; a split that is not possible.
    """
    names = read_target_names(targets)
    kind = guess_task(dataset, names) if task is None else task
    if kind not in TASK_KINDS:
        raise UnknownName("task", kind, TASK_KINDS)
    if kind == CLASSIFICATION and len(names) > 1:
        raise BadConfig(f"classification needs one target, got {names}. Train one at a time.")
    if kind == REGRESSION:
        labels: np.ndarray = dataset.values(names)
    else:
        labels = dataset.labels(names[0])
    for name in names:
        _refuse_placeholders(dataset, name)
    parts = make_split(dataset, split, split_seed) if isinstance(split, str) else split
    _refuse_other_rows(parts, len(dataset))
    if kind == CLASSIFICATION:
        return _ask_for_class(names[0], labels, parts)
    for part in PARTS[:2]:
        for name, column in zip(names, labels[parts.part(part)].T, strict=True):
            _refuse_unlabelled(name, part, ~np.isnan(column))
    for name, column in zip(names, labels[parts.train].T, strict=True):
        refuse_unlearnable(name, column)
    return Question(tuple(names), kind, parts, labels)


def read_target_names(targets: str | Sequence[str]) -> list[str]:
    """Return the names in `band_gap,formation_energy_per_atom`, or in a sequence of names."""
    names = targets.split(",") if isinstance(targets, str) else list(targets)
    names = [name.strip() for name in names]
    if not names or not all(names):
        raise BadConfig("no target is named. Name the columns to learn, such as band_gap.")
    return names


def guess_task(dataset: Dataset, names: Sequence[str]) -> str:
    """Return the kind of task that columns are for: numbers are learned as such, else classes.

    A column of mostly numbers is for a regression, which names the cells that are none. One of
    whole numbers that stand for classes is taken for numbers; say so with `task`.
    """
    if len(names) > 1 or names[0] in dataset.targets:
        return REGRESSION
    column = dataset.table.get(names[0])
    return REGRESSION if column is not None and find_odd_cells(column) else CLASSIFICATION


def refuse_unlearnable(name: str, values: Float64[np.ndarray, "n_rows"]) -> None:
    """Raise `BadDataset` where the labels of a training set cannot be standardised.

    Args:
        name: Of the target, for the message.
        values: Its labels, nan where one is missing.

    Raises:
        BadDataset: There is none, one is infinite or too large, or all are the same.
    """
    labels = values[~np.isnan(values)].astype(np.float64)
    if len(labels) == 0:
        raise BadDataset(f"target {name!r} has no label in the training set.")
    if not np.isfinite(labels).all():
        raise BadDataset(f"target {name!r} has an infinite label in the training set.")
    largest = float(np.abs(labels).max())
    if largest > LARGEST:
        raise BadDataset(
            f"target {name!r} reaches {largest:g}, which single precision cannot hold. "
            "Give it in another unit, or learn its logarithm."
        )
    if labels.max() == labels.min():
        raise BadDataset(
            f"target {name!r} is {labels[0]:g} for all {len(labels)} labels of the "
            "training set. There is nothing to learn; leave it out, or split otherwise."
        )


def find_placeholders(values: Float64[np.ndarray, "n_rows"]) -> np.ndarray:
    """Return the rows whose values stand for a missing label: -999 and the like, far from others.

    >>> find_placeholders(np.array([1.0, -999.0, 1.5, 2.0])).tolist()
    [1]
    """
    looks = np.array([_looks_like_placeholder(value) for value in values.tolist()], dtype=bool)
    others = values[np.isfinite(values) & ~looks]
    if not looks.any() or not len(others):
        return np.zeros(0, dtype=np.int64)
    low, median, high = np.quantile(others, (0.25, 0.5, 0.75))
    width = (high - low) / 1.349 if high > low else others.std()
    with np.errstate(invalid="ignore"):
        return np.flatnonzero(looks & (np.abs(values - median) > OUTLIER_WIDTH * width))


def _looks_like_placeholder(value: float) -> bool:
    return value in _FILLERS or _PLACEHOLDER.fullmatch(repr(abs(value))) is not None


def _refuse_placeholders(dataset: Dataset, name: str) -> None:
    if name not in dataset.targets:
        return
    values = as_floats(dataset.table[name])
    rows = find_placeholders(values).tolist()
    if rows:
        found = ", ".join(f"{value:g}" for value in sorted({values[row] for row in rows}))
        ids = ", ".join(repr(str(dataset.ids[row])) for row in rows[:_SHOWN])
        more = ", …" if len(rows) > _SHOWN else ""
        raise BadDataset(
            f"{dataset.source}: column {name!r} is {found} in {len(rows)} rows (id {ids}{more}), "
            "far from its other values: a placeholder for a missing label. Leave these cells blank."
        )


def _ask_for_class(name: str, labels: np.ndarray, parts: Split) -> Question:
    labelled = np.array([label is not None for label in labels], dtype=bool)
    for part in PARTS[:2]:
        _refuse_unlabelled(name, part, labelled[parts.part(part)])
    found = {part: {one for one in labels[parts.part(part)] if one is not None} for part in PARTS}
    classes = order_classes(found["train"])
    if len(classes) < 2:
        raise BadDataset(
            f"classification by {name!r}: all of the training set is {classes[0]!r}. There is "
            "nothing to learn; split otherwise, or choose another target."
        )
    for part in PARTS[1:]:
        new = order_classes(found[part] - set(classes))
        if new:
            n_labels, n_classes = int(labelled.sum()), len(set.union(*found.values()))
            are_names = n_classes > n_labels / 2
            raise BadDataset(
                f"classification by {name!r}: the {part} set has the class {_show(new[:1])}, "
                f"which the training set lacks (it has {_show(classes)}). "
                + (
                    f"With {n_classes} classes for {n_labels} crystals it is a column of names; "
                    "choose another target."
                    if are_names
                    else "Split otherwise, or leave the rare class out."
                )
            )
    # a label that is in no part may be of another class; it is not used
    numbers = {label: number for number, label in enumerate(classes)}
    indices = np.array([numbers.get(label, NO_CLASS) for label in labels], dtype=np.int64)
    return Question((name,), CLASSIFICATION, parts, indices, classes)


def _show(classes: Sequence[str]) -> str:
    """Return the first classes as texts, shortened."""
    named = [repr(name if len(name) <= 40 else f"{name[:40]}…") for name in classes[:_SHOWN]]
    return ", ".join(named) + (f", … {len(classes)} in all" if len(classes) > _SHOWN else "")


def _refuse_unlabelled(name: str, part: str, labelled: np.ndarray) -> None:
    if not labelled.any():
        raise BadDataset(
            f"target {name!r} has no label among the {len(labelled)} crystals of the {part} set. "
            "Split otherwise, or choose another target."
        )


def _refuse_other_rows(split: Split, n_crystals: int) -> None:
    rows = np.concatenate([split.part(part) for part in PARTS])
    if rows.min() < 0 or rows.max() >= n_crystals:
        raise BadDataset(
            f"the split has rows {rows.min()} to {rows.max()}, but the data set has {n_crystals} "
            "crystals. Make the split from this data set."
        )
