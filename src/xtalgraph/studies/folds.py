"""Folds for cross-validation: every row is tested once, and no group stands on both sides."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from xtalgraph.data.groups import find_groups
from xtalgraph.errors import BadConfig, BadDataset
from xtalgraph.evaluation.baselines import need_structures
from xtalgraph.evaluation.distance_table import Labelled
from xtalgraph.evaluation.labels import labelled_rows, read_labels
from xtalgraph.nn import Rows, Task

MATBENCH_SEED = 18012019
"""The seed of matbench v0.1's published folds."""

VALIDATION_SHARE = 0.1  # of a fold's training rows, for models that choose their best epoch


@dataclass(frozen=True, eq=False)
class Fold:
    """One fold of a cross-validation.

    Attributes:
        train: Rows of the data set to train on.
        test: Rows to test on.
    """

    train: Rows
    test: Int64[np.ndarray, "n_kept"]


def make_folds(
    dataset: Labelled, task: Task, *, n_folds: int = 5, seed: int = 0, group: str | None = None
) -> list[Fold]:
    """Return folds over the labelled rows, stratified by class for classification.

    Without `group` these are scikit-learn's `KFold` and `StratifiedKFold` with `shuffle=True`; with
    the seed 18012019 and 5 folds over a data set in the published order, they are those of
    matbench.

    Args:
        dataset: The labelled crystals.
        task: The task.
        n_folds: Number of folds.
        seed: Random seed.
        group: `formula`, `crystal_system` or a column: each group is in one fold.

    Returns:
        The rows of each fold.

    Raises:
        BadConfig: There are fewer than two folds.
        BadDataset: There are too few labelled crystals, groups, or crystals of a class.
    """
    if n_folds < 2:
        raise BadConfig(f"folds = {n_folds}; it must be 2 or more.")
    labels = read_labels(dataset, task, np.arange(len(dataset)))
    rows = labelled_rows(labels)
    if len(rows) < n_folds:
        raise BadDataset(f"{len(rows)} labelled crystals cannot fill {n_folds} folds.")
    classes = labels[rows] if task.kind == "classification" else None
    grouped = None if group is None else find_groups(need_structures(dataset), group)
    groups = None if grouped is None else grouped[rows]
    if classes is not None:
        _refuse_rare_classes(classes, groups, task, n_folds)
    number = _number_folds(len(rows), classes, groups, n_folds, seed)
    folds = [Fold(rows[number != fold], rows[number == fold]) for fold in range(n_folds)]
    refuse_leaks(folds, grouped)
    return folds


def matbench_folds(dataset: Labelled, task: Task) -> list[Fold]:
    """Return the five published folds of a matbench v0.1 task; the rows must be in its order."""
    return make_folds(dataset, task, n_folds=5, seed=MATBENCH_SEED)


def cut_validation(
    fold: Fold,
    *,
    seed: int = 0,
    groups: Int64[np.ndarray, "n_crystals"] | None = None,
    classes: Int64[np.ndarray, "n_crystals"] | None = None,
) -> tuple[Int64[np.ndarray, "n_kept"], Rows]:
    """Return the training rows of a fold without, and the rows of, a validation set of a tenth.

    It is cut from the training rows alone: group by group where there are groups, or else a tenth
    of each class where there are classes (a number for each crystal of the data set), so that no
    class is lost to training.
    """
    random = np.random.default_rng(seed)
    if groups is None and classes is not None:
        return _cut_each_class(fold.train, classes[fold.train], random)
    keys = np.arange(len(fold.train)) if groups is None else groups[fold.train]
    names, inverse, sizes = np.unique(keys, return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise BadDataset("the training rows of a fold are one group. Group by something finer.")
    order = random.permutation(len(names))
    wanted = VALIDATION_SHARE * len(fold.train)
    n_taken = int(np.searchsorted(np.cumsum(sizes[order]), wanted)) + 1
    chosen = np.isin(inverse, order[: min(n_taken, len(names) - 1)])
    return fold.train[~chosen], fold.train[chosen]


def _cut_each_class(
    rows: np.ndarray, classes: np.ndarray, random: np.random.Generator
) -> tuple[Int64[np.ndarray, "n_kept"], Rows]:
    """Cut a tenth of each class, at least one crystal in all and never the last of a class."""
    order = random.permutation(len(rows))
    chosen = np.zeros(len(rows), dtype=bool)
    for number in np.unique(classes):
        of_class = order[classes[order] == number]
        chosen[of_class[: round(VALIDATION_SHARE * len(of_class))]] = True
    if not chosen.any():
        largest = np.bincount(classes).argmax()
        chosen[order[classes[order] == largest][0]] = True
    return rows[~chosen], rows[chosen]


def refuse_leaks(folds: list[Fold], groups: Int64[np.ndarray, "n_crystals"] | None = None) -> None:
    """Raise `BadDataset` where what is tested was learned.

    That is a row on both sides of a fold, a group on both sides, or a row tested twice.
    """
    for number, fold in enumerate(folds):
        for words, keys in (("row", None), ("group", groups)):
            if words == "group" and keys is None:
                continue
            train, test = (
                (fold.train, fold.test) if keys is None else (keys[fold.train], keys[fold.test])
            )
            both = np.intersect1d(train, test)
            if len(both):
                raise BadDataset(
                    f"fold {number}: {words} {both[0]} (and {len(both) - 1} more) is on both "
                    "sides, so the test has been learned. Make the folds again."
                )
    tested = np.concatenate([fold.test for fold in folds])
    if len(np.unique(tested)) < len(tested):
        raise BadDataset("a row is tested in two folds. Make the folds again.")


def _number_folds(
    n_rows: int, classes: np.ndarray | None, groups: np.ndarray | None, n_folds: int, seed: int
) -> Rows:
    from sklearn import model_selection

    if groups is not None and classes is None:
        return _deal_groups(groups, n_folds, seed)
    if groups is not None:
        splitter = model_selection.StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    elif classes is not None:
        splitter = model_selection.StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    else:
        splitter = model_selection.KFold(n_folds, shuffle=True, random_state=seed)
    number = np.empty(n_rows, dtype=np.int64)
    for fold, (_, test) in enumerate(splitter.split(np.zeros(n_rows), classes, groups)):
        number[test] = fold
    return number


def _deal_groups(groups: np.ndarray, n_folds: int, seed: int) -> Rows:
    """Assign each group to the smallest fold so far: large groups first, ties in any order."""
    names, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(names) < n_folds:
        raise BadDataset(
            f"{len(names)} groups cannot fill {n_folds} folds. Group by something finer."
        )
    shuffled = np.random.default_rng(seed).permutation(len(names))
    order = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    filled, fold_of_group = np.zeros(n_folds), np.empty(len(names), dtype=np.int64)
    for group in order:
        fold_of_group[group] = filled.argmin()
        filled[filled.argmin()] += sizes[group]
    return fold_of_group[inverse]


def _refuse_rare_classes(
    classes: np.ndarray, groups: np.ndarray | None, task: Task, n_folds: int
) -> None:
    for number, name in enumerate(task.classes):
        of_class = classes == number
        n_units = int(of_class.sum()) if groups is None else len(np.unique(groups[of_class]))
        if n_units < n_folds:
            units = "crystals" if groups is None else "groups"
            raise BadDataset(
                f"class {name!r} has {n_units} {units}, too few for {n_folds} folds. Leave it "
                "out of the data, or make fewer folds."
            )
