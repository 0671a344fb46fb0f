"""The labels of a task, in the form that metrics use."""

from dataclasses import replace

import numpy as np

from xtalgraph.data import Dataset, order_classes, question
from xtalgraph.errors import BadConfig, BadDataset
from xtalgraph.evaluation.distance_table import Labelled
from xtalgraph.metrics import MISSING_CLASS, class_indices
from xtalgraph.nn import Labels, Rows, Task
from xtalgraph.units import Target


def read_labels(dataset: Labelled, task: Task, rows: Rows) -> Labels:
    """Return the labels of rows: numbers, NaN where missing, or class numbers, -1 where missing.

    A target whose unit in this data set differs from that of the task is refused, and so is a class
    in these rows that the task does not have.
    """
    if task.kind == "classification":
        return class_indices(dataset.labels(task.targets[0].name)[rows].tolist(), task.classes)
    for target in task.targets:
        found = dataset.targets.get(target.name)
        if found is not None and found.unit != target.unit:
            raise BadDataset(
                f"{dataset.source}: the column {target.name!r} is in {found.unit or 'no unit'}, "
                f"but the model predicts {target.unit or 'no unit'}. Convert the column, and state "
                f"the unit in its header: {target.column!r}."
            )
    return dataset.values([target.name for target in task.targets])[rows]


def labelled_rows(labels: Labels) -> np.ndarray:
    """Return the rows that have a label of any target."""
    if labels.ndim == 1:
        return np.flatnonzero(labels != MISSING_CLASS)
    return np.flatnonzero(~np.isnan(labels).all(axis=1))


def refuse_unlabelled_targets(labels: Labels, task: Task) -> None:
    """Raise `BadDataset` where a target has no training label."""
    for number, target in enumerate(task.targets):
        column = labels if labels.ndim == 1 else labels[:, [number]]
        if not len(labelled_rows(column)):
            raise BadDataset(f"target {target.name!r} has no label among the training rows.")


def choose_task(dataset: Labelled, names: list[str], kind: str = "regression") -> Task:
    """Return the task of learning columns of a data set; the classes are those that occur.

    Their order is that of `order_classes`.
    """
    if kind != "classification":
        unknown = [name for name in names if name not in dataset.targets]
        if unknown:
            dataset.values(unknown)  # says what is wrong with them
        return Task(kind, tuple(dataset.targets[name] for name in names))
    if len(names) != 1:
        raise BadConfig(f"classification needs one target, got {names}.")
    classes = order_classes(dataset.labels(names[0]).tolist())
    return Task(kind, (dataset.targets.get(names[0], Target(names[0])),), classes)


def guess_task(dataset: Labelled, names: list[str]) -> str:
    """Return the kind of task that columns are for: regression for numbers, else classification.

    A column of whole numbers that stand for classes is treated as numbers; set `task` for classes.
    """
    if isinstance(dataset, Dataset):
        return question.guess_task(dataset, names)
    return "classification"


def keep_common_classes(
    dataset: Labelled, name: str, min_class_size: int
) -> tuple[Labelled, dict[str, int]]:
    """Remove the labels of classes with fewer crystals; return also how many each of these had.

    The data set keeps its rows: those of rare classes have no label and are in no fold.
    """
    labels = dataset.labels(name)
    found, counts = np.unique(labels[labels != None].astype(str), return_counts=True)  # noqa: E711
    rare = {
        str(label): int(count)
        for label, count in zip(found, counts, strict=True)
        if count < min_class_size
    }
    if len(found) - len(rare) < 2:
        raise BadDataset(
            f"{dataset.source}: {len(found) - len(rare)} classes of {name!r} have at least "
            f"{min_class_size} crystals, and two are needed. Lower --min-class-size."
        )
    kept = np.array([None if label in rare else label for label in labels], dtype=object)
    targets = {key: target for key, target in dataset.targets.items() if key != name}
    columns = dataset.columns.assign(**{name: kept})
    return replace(dataset, columns=columns, targets=targets), rare
