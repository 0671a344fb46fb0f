"""Scores of predicted classes and of class probabilities, and curves over a threshold.

Classes are numbered 0, 1, …; the label -1 is missing and is left out. The scores are those of
scikit-learn, which is imported where one is computed, because that takes a second. Ours are what is
refused or left out, the choice of a threshold, and the log-loss: scikit-learn's warns of
probabilities that sum to 1 in single precision alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int, Int64

from xtalgraph.errors import BadDataset, UnknownName
from xtalgraph.metrics.regression import Numbers

Classes = Int[np.ndarray, "n_rows"]
"""A class number a row; -1 where the true one is missing."""

Probabilities = Float[np.ndarray, "n_rows n_classes"]
"""The probability of each class."""

MISSING_CLASS = -1
"""The class number that stands for a missing label."""

THRESHOLD_CRITERIA = ("accuracy", "f1", "youden")


@dataclass(frozen=True, eq=False)
class Curve:
    """Points of a curve over the threshold; rows of equal score stand or fall together.

    Attributes:
        x: False-positive rate, or recall.
        y: True-positive rate, or precision.
        thresholds: Class 1 is score ≥ threshold; highest first, from infinity.
    """

    x: Float64[np.ndarray, "n_points"]
    y: Float64[np.ndarray, "n_points"]
    thresholds: Float64[np.ndarray, "n_points"]


def class_indices(
    labels: Iterable[str | None], classes: Sequence[str]
) -> Int64[np.ndarray, "n_rows"]:
    """Return the class number of each label; None is a missing label, and gives -1.

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


def accuracy(true: Classes, predicted: Classes) -> float:
    """Return the fraction of labelled rows whose class is right.

    >>> accuracy(np.array([0, 1, 1, -1]), np.array([0, 1, 0, 0])).__round__(3)
    0.667
    """
    labelled = _labelled(true)
    return float((true[labelled] == predicted[labelled]).mean())


def macro_f1(true: Classes, predicted: Classes) -> float:
    """Return the mean of F1 = 2·TP / (2·TP + FP + FN) over the classes that occur.

    Each class counts the same, however rare. A class occurs if it is the label or the prediction
    of a labelled row.
    """
    from sklearn.metrics import f1_score

    labelled = _labelled(true)
    return float(f1_score(true[labelled], predicted[labelled], average="macro"))


def balanced_accuracy(true: Classes, predicted: Classes) -> float:
    """Return the mean recall over the classes that occur as labels.

    >>> balanced_accuracy(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0]))
    0.5
    """
    from sklearn.metrics import recall_score

    labelled = _labelled(true)
    true, predicted = true[labelled], predicted[labelled]
    return float(recall_score(true, predicted, labels=np.unique(true), average="macro"))


def f1(true: Classes, predicted: Classes) -> float:
    """Return F1 = 2·TP / (2·TP + FP + FN) of class 1; 0 where it is neither label nor prediction.

    >>> f1(np.array([1, 1, 0, -1]), np.array([1, 0, 0, 1])).__round__(3)
    0.667
    """
    from sklearn.metrics import f1_score

    labelled = _labelled(true)
    is_true, is_predicted = true[labelled] == 1, predicted[labelled] == 1
    return float(f1_score(is_true, is_predicted, zero_division=0.0))


def confusion_matrix(
    true: Classes, predicted: Classes, n_classes: int
) -> Int64[np.ndarray, "n_classes n_classes"]:
    """Return the counts of labelled rows.

    Args:
        true: Class numbers, -1 where missing.
        predicted: Class numbers.
        n_classes: How many classes the task has.

    Returns:
        A row for each true class, a column for each predicted class.

    Raises:
        BadDataset: A label or a prediction is none of these classes.
    """
    from sklearn import metrics

    labelled = _labelled(true)
    true, predicted = true[labelled], predicted[labelled]
    for name, numbers in (("label", true), ("prediction", predicted)):
        if numbers.min() < 0 or numbers.max() >= n_classes:
            raise BadDataset(
                f"a {name} lies outside the classes 0 to {n_classes - 1}: "
                f"{numbers.min()} to {numbers.max()}. Give the number of classes of the task."
            )
    counts = metrics.confusion_matrix(true, predicted, labels=np.arange(n_classes))
    return np.asarray(counts, dtype=np.int64)


def log_loss(true: Classes, probabilities: Probabilities) -> float:
    """Return the mean of −ln p(true class) over labelled rows.

    Probabilities are clipped at the machine precision of their type, as in scikit-learn, so that
    one confident mistake costs much but not all. Rows that do not sum to 1 are refused.
    """
    labelled = _labelled(true)
    _refuse_bad_probabilities(probabilities)
    chosen = probabilities[labelled, true[labelled]]
    tiny = np.finfo(probabilities.dtype).eps
    return float(-np.log(np.clip(chosen.astype(np.float64), tiny, 1 - tiny)).mean())


def roc_curve(true: Classes, score: Numbers) -> Curve:
    """Return false-positive rate (x) and true-positive rate (y), from (0, 0) to (1, 1).

    Args:
        true: 0 or 1, -1 where missing.
        score: Higher for class 1.
    """
    from sklearn import metrics

    true, score = _two_classes(true, score)
    return Curve(*metrics.roc_curve(true, score, drop_intermediate=False))


def precision_recall_curve(true: Classes, score: Numbers) -> Curve:
    """Return recall (x) and precision (y), from recall 0, where precision is set to 1, up to 1."""
    from sklearn import metrics

    precision, recall, thresholds = metrics.precision_recall_curve(*_two_classes(true, score))
    return Curve(recall[::-1], precision[::-1], np.append(np.inf, thresholds[::-1]))


def average_precision(true: Classes, score: Numbers) -> float:
    """Return the area under precision over recall, as steps: Σ (R_n − R_(n−1)) P_n.

    Not by trapezoids, which would flatter.
    """
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(*_two_classes(true, score)))


def roc_auc(true: Classes, probabilities: Probabilities) -> float:
    """Return the area under the ROC curve: of class 1 of two, or else one class against the rest.

    For more than two classes it is the plain mean over the classes that occur in the labels; a
    class without any labelled row has no area and is left out.

    >>> roc_auc(np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.4, 0.6], [0.95, 0.05]]))
    0.5
    """
    from sklearn.metrics import roc_auc_score

    n_classes = probabilities.shape[1]
    if n_classes < 2:
        raise BadDataset("the area under the ROC curve needs a probability for each class.")
    if n_classes == 2:
        return float(roc_auc_score(*_two_classes(true, probabilities[:, 1])))
    areas = []
    for number in np.unique(true[true >= 0]):
        one_against_rest = np.where(true < 0, true, true == number)
        areas.append(roc_auc_score(*_two_classes(one_against_rest, probabilities[:, number])))
    if not areas:
        raise BadDataset("no area under the ROC curve: no row has a label.")
    return float(np.mean(areas))


def best_threshold(true: Classes, score: Numbers, criterion: str = "f1") -> float:
    """Return the threshold that is best for `accuracy`, `f1` or `youden` (TPR − FPR).

    Class 1 is then score ≥ threshold. Choose it on the validation part only: chosen on the test
    part it makes every test score too good. Of equally good thresholds the highest is given.
    """
    if criterion not in THRESHOLD_CRITERIA:
        raise UnknownName("threshold criterion", criterion, THRESHOLD_CRITERIA)
    curve = roc_curve(true, score)
    n_positive, n_negative = int((true == 1).sum()), int((true == 0).sum())
    # Counts are whole, so that equally good thresholds are not told apart by rounding.
    hits, alarms = (
        np.rint(rate[1:] * n) for rate, n in ((curve.y, n_positive), (curve.x, n_negative))
    )
    quality = {
        "accuracy": hits + n_negative - alarms,
        "f1": 2 * hits / (hits + alarms + n_positive),
        "youden": hits / n_positive - alarms / n_negative,
    }[criterion]
    return float(curve.thresholds[1 + np.argmax(quality)])


def classification_metrics(true: Classes, probabilities: Probabilities) -> dict[str, int | float]:
    """Return all scores of class probabilities by name, and the numbers of scored and missing rows.

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


def _two_classes(
    true: np.ndarray, score: np.ndarray
) -> tuple[np.ndarray, Float64[np.ndarray, "n_kept"]]:
    """Return the labelled rows; refuse scores that are not finite, and labels of only one class."""
    labelled = true >= 0
    true, score = true[labelled], score[labelled].astype(np.float64)
    if not np.isfinite(score).all():
        raise BadDataset("a score is not finite. Predict every labelled row.")
    if not (true == 0).any() or not (true == 1).any() or (true > 1).any():
        found = np.unique(true).tolist()
        raise BadDataset(
            f"a curve over thresholds needs labels of both classes 0 and 1, and found {found}. "
            "Score more rows, or one class against the rest."
        )
    return true, score


def _labelled(true: np.ndarray) -> np.ndarray:
    labelled = true != MISSING_CLASS
    if not labelled.any():
        raise BadDataset(
            f"no metric can be computed: none of {len(true)} rows has a class. "
            "Choose rows or a target with labels."
        )
    return labelled


def _refuse_bad_probabilities(probabilities: Probabilities) -> None:
    sums = probabilities.sum(axis=1, dtype=np.float64)
    wrong = np.flatnonzero(~(np.abs(sums - 1) < 1e-4) | (probabilities < 0).any(axis=1))
    if len(wrong):
        raise BadDataset(
            f"row {wrong[0]}: class probabilities sum to {sums[wrong[0]]:.4g}, and they must be "
            "0 or more and sum to 1. Give probabilities, not logits or log-probabilities."
        )
