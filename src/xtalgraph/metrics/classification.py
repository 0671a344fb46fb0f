"""Scores of predicted classes and of class probabilities.

Classes are numbered 0, 1, …; the label -1 is missing and is left out. The curves over thresholds
are in `curves.py`.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float, Int, Int64

from xtalgraph.errors import BadDataset, UnknownName
from xtalgraph.metrics.curves import average_precision, roc_auc

MISSING_CLASS = -1
"""The class number that stands for a missing label."""


def class_indices(
    labels: Iterable[str | None], classes: Sequence[str]
) -> Int64[np.ndarray, "n_rows"]:
    """Give the class number of each label; None is a missing label, and gives -1.

    >>> class_indices(["oxide", None, "perovskite"], ["oxide", "perovskite"]).tolist()
    [0, -1, 1]
    """
    numbers: dict[str | None, int] = {name: number for number, name in enumerate(classes)}
    numbers[None] = MISSING_CLASS
    labels = list(labels)
    for label in labels:
        if label not in numbers:
            raise UnknownName("class", str(label), classes)
    return np.array([numbers[label] for label in labels], dtype=np.int64)


def accuracy(true: Int[np.ndarray, "n_rows"], predicted: Int[np.ndarray, "n_rows"]) -> float:
    """Give the fraction of labelled rows whose class is right.

    >>> accuracy(np.array([0, 1, 1, -1]), np.array([0, 1, 0, 0])).__round__(3)
    0.667
    """
    labelled = _labelled(true)
    return float((true[labelled] == predicted[labelled]).mean())


def macro_f1(true: Int[np.ndarray, "n_rows"], predicted: Int[np.ndarray, "n_rows"]) -> float:
    """Give the mean of F1 = 2·TP / (2·TP + FP + FN) over the classes that occur.

    Each class counts the same, however rare. A class occurs if it is the label or the prediction
    of a labelled row, as in scikit-learn.
    """
    labelled = _labelled(true)
    true, predicted = true[labelled], predicted[labelled]
    scores = []
    for number in np.union1d(true, predicted):
        hits = ((true == number) & (predicted == number)).sum()
        scores.append(2 * hits / ((true == number).sum() + (predicted == number).sum()))
    return float(np.mean(scores))


def balanced_accuracy(
    true: Int[np.ndarray, "n_rows"], predicted: Int[np.ndarray, "n_rows"]
) -> float:
    """Give the mean, over the classes that occur as labels, of the fraction of each that is right.

    >>> balanced_accuracy(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0]))
    0.5
    """
    labelled = _labelled(true)
    true, predicted = true[labelled], predicted[labelled]
    return float(np.mean([(predicted[true == n] == n).mean() for n in np.unique(true)]))


def f1(true: Int[np.ndarray, "n_rows"], predicted: Int[np.ndarray, "n_rows"]) -> float:
    """Give F1 = 2·TP / (2·TP + FP + FN) of class 1; 0 where it is neither label nor prediction.

    >>> f1(np.array([1, 1, 0, -1]), np.array([1, 0, 0, 1])).__round__(3)
    0.667
    """
    labelled = _labelled(true)
    is_true, is_predicted = true[labelled] == 1, predicted[labelled] == 1
    total = int(is_true.sum() + is_predicted.sum())
    return 2 * int((is_true & is_predicted).sum()) / total if total else 0.0


def confusion_matrix(
    true: Int[np.ndarray, "n_rows"], predicted: Int[np.ndarray, "n_rows"], n_classes: int
) -> Int64[np.ndarray, "n_classes n_classes"]:
    """Give the counts of labelled rows: row = true class, column = predicted class."""
    labelled = _labelled(true)
    true, predicted = true[labelled], predicted[labelled]
    for name, numbers in (("label", true), ("prediction", predicted)):
        if numbers.min() < 0 or numbers.max() >= n_classes:
            raise BadDataset(
                f"a {name} lies outside the classes 0 to {n_classes - 1}: "
                f"{numbers.min()} to {numbers.max()}. Give the number of classes of the task."
            )
    counts = np.bincount(true.astype(np.int64) * n_classes + predicted, minlength=n_classes**2)
    return counts.reshape(n_classes, n_classes).astype(np.int64)


def log_loss(
    true: Int[np.ndarray, "n_rows"], probabilities: Float[np.ndarray, "n_rows n_classes"]
) -> float:
    """Give the mean of −ln p(true class) over labelled rows.

    Probabilities are clipped at the machine precision of their type, as in scikit-learn, so that
    one sure mistake costs much but not all. Refused: rows that do not sum to 1.
    """
    labelled = _labelled(true)
    _refuse_bad_probabilities(probabilities)
    chosen = probabilities[labelled, true[labelled]]
    tiny = np.finfo(probabilities.dtype).eps
    return float(-np.log(np.clip(chosen.astype(np.float64), tiny, 1 - tiny)).mean())


def classification_metrics(
    true: Int[np.ndarray, "n_rows"], probabilities: Float[np.ndarray, "n_rows n_classes"]
) -> dict[str, int | float]:
    """Give all scores of class probabilities by name, with the numbers of scored and missing rows.

    The predicted class is the likeliest one. `roc_auc` (and, for two classes, `average_precision`
    of class 1) is NaN where the labels are all of one class, because it is not defined there.
    """
    predicted = probabilities.argmax(axis=1)
    scores: dict[str, int | float] = {
        "accuracy": accuracy(true, predicted),
        "macro_f1": macro_f1(true, predicted),
        "log_loss": log_loss(true, probabilities),
    }
    defined = len(np.unique(true[_labelled(true)])) > 1
    scores["roc_auc"] = roc_auc(true, probabilities) if defined else float("nan")
    if probabilities.shape[1] == 2:
        area = average_precision(true, probabilities[:, 1]) if defined else float("nan")
        scores["average_precision"] = area
    scores["n_scored"] = int((true != MISSING_CLASS).sum())
    scores["n_missing"] = int((true == MISSING_CLASS).sum())
    return scores


def _labelled(true: np.ndarray) -> np.ndarray:
    labelled = true != MISSING_CLASS
    if not labelled.any():
        raise BadDataset(
            f"no metric can be computed: none of {len(true)} rows has a class. "
            "Choose rows or a target with labels."
        )
    return labelled


def _refuse_bad_probabilities(probabilities: Float[np.ndarray, "n_rows n_classes"]) -> None:
    sums = probabilities.sum(axis=1, dtype=np.float64)
    wrong = np.flatnonzero(~(np.abs(sums - 1) < 1e-4) | (probabilities < 0).any(axis=1))
    if len(wrong):
        raise BadDataset(
            f"row {wrong[0]}: class probabilities sum to {sums[wrong[0]]:.4g}, and they must be "
            "0 or more and sum to 1. Give probabilities, not logits or log-probabilities."
        )
