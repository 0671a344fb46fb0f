"""Scores of predicted classes and of class probabilities, and curves over a threshold.

Classes are numbered 0, 1, …; the label -1 means missing and is left out. Scores are computed by
scikit-learn, which is imported on use because that takes a second. Our own are the checks, the
choice of a threshold, and the log loss: scikit-learn's warns about probabilities that sum to 1 only
in single precision.
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
    """Points of a curve over the threshold; rows with equal scores share a point.

    Attributes:
        x: False-positive rate, or recall.
        y: True-positive rate, or precision.
        thresholds: Class 1 is predicted where score ≥ threshold; descending, from infinity.
    """

    x: Float64[np.ndarray, "n_points"]
    y: Float64[np.ndarray, "n_points"]
    thresholds: Float64[np.ndarray, "n_points"]


def class_indices(
    labels: Iterable[str | None], classes: Sequence[str]
) -> Int64[np.ndarray, "n_rows"]:
    """Return the class number of each label.

    Args:
        labels: One class per row; None where missing.
        classes: The classes in the order of their numbers.

    Returns:
        The number of each label, -1 where missing.

    Raises:
        UnknownName: A label is none of the classes.

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
    """Return the fraction of labelled rows whose class is predicted correctly.

    Args:
        true: Class numbers; -1 where missing.
        predicted: Class numbers.

    Returns:
        A fraction between 0 and 1.

    Raises:
        BadDataset: No row has a label.

    >>> accuracy(np.array([0, 1, 1, -1]), np.array([0, 1, 0, 0])).__round__(3)
    0.667
    """
    labelled = _labelled(true)
    return float((true[labelled] == predicted[labelled]).mean())


def macro_f1(true: Classes, predicted: Classes) -> float:
    """Return the mean of F1 = 2·TP / (2·TP + FP + FN) over the classes that occur.

    Each class has the same weight, however rare. A class occurs if it is the label or the
    prediction of a labelled row.

    Args:
        true: Class numbers; -1 where missing.
        predicted: Class numbers.

    Returns:
        A score between 0 and 1.

    Raises:
        BadDataset: No row has a label.
    """
    from sklearn.metrics import f1_score

    labelled = _labelled(true)
    return float(f1_score(true[labelled], predicted[labelled], average="macro"))


def balanced_accuracy(true: Classes, predicted: Classes) -> float:
    """Return the mean recall over the classes that occur as labels.

    Args:
        true: Class numbers; -1 where missing.
        predicted: Class numbers.

    Returns:
        A score between 0 and 1.

    Raises:
        BadDataset: No row has a label.

    >>> balanced_accuracy(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0]))
    0.5
    """
    from sklearn.metrics import recall_score

    labelled = _labelled(true)
    true, predicted = true[labelled], predicted[labelled]
    return float(recall_score(true, predicted, labels=np.unique(true), average="macro"))


def f1(true: Classes, predicted: Classes) -> float:
    """Return F1 = 2·TP / (2·TP + FP + FN) of class 1.

    Args:
        true: 0 or 1; -1 where missing.
        predicted: 0 or 1.

    Returns:
        A score between 0 and 1; 0 if class 1 is neither a label nor a prediction.

    Raises:
        BadDataset: No row has a label.

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
        true: Class numbers; -1 where missing.
        predicted: Class numbers.
        n_classes: Number of classes of the task.

    Returns:
        One row per true class, one column per predicted class.

    Raises:
        BadDataset: A label or a prediction is outside 0 to `n_classes` − 1.
    """
    from sklearn import metrics

    labelled = _labelled(true)
    true, predicted = true[labelled], predicted[labelled]
    for name, numbers in (("label", true), ("prediction", predicted)):
        if numbers.min() < 0 or numbers.max() >= n_classes:
            raise BadDataset(
                f"a {name} is outside the classes 0 to {n_classes - 1}: "
                f"{numbers.min()} to {numbers.max()}. Pass the number of classes of the task."
            )
    counts = metrics.confusion_matrix(true, predicted, labels=np.arange(n_classes))
    return np.asarray(counts, dtype=np.int64)


def log_loss(true: Classes, probabilities: Probabilities) -> float:
    """Return the mean of −ln p(true class) over labelled rows.

    Probabilities are clipped at the machine precision of their dtype, as in scikit-learn, so that
    a single confident mistake gives a large but finite loss.

    Args:
        true: Class numbers; -1 where missing.
        probabilities: Predicted probability of each class; rows sum to 1.

    Returns:
        The loss in nats.

    Raises:
        BadDataset: A row does not sum to 1, or no row has a label.
    """
    labelled = _labelled(true)
    _refuse_bad_probabilities(probabilities)
    chosen = probabilities[labelled, true[labelled]]
    tiny = np.finfo(probabilities.dtype).eps
    return float(-np.log(np.clip(chosen.astype(np.float64), tiny, 1 - tiny)).mean())


def roc_curve(true: Classes, score: Numbers) -> Curve:
    """Return the ROC curve: false-positive rate (x) and true-positive rate (y).

    Args:
        true: 0 or 1; -1 where missing.
        score: Higher for class 1.

    Returns:
        The curve from (0, 0) to (1, 1).

    Raises:
        BadDataset: A score is not finite, or the labels are all of one class.
    """
    from sklearn import metrics

    true, score = _two_classes(true, score)
    return Curve(*metrics.roc_curve(true, score, drop_intermediate=False))


def precision_recall_curve(true: Classes, score: Numbers) -> Curve:
    """Return the precision-recall curve: recall (x) and precision (y).

    Args:
        true: 0 or 1; -1 where missing.
        score: Higher for class 1.

    Returns:
        The curve from recall 0, where precision is defined as 1, to recall 1.

    Raises:
        BadDataset: A score is not finite, or the labels are all of one class.
    """
    from sklearn import metrics

    precision, recall, thresholds = metrics.precision_recall_curve(*_two_classes(true, score))
    return Curve(recall[::-1], precision[::-1], np.append(np.inf, thresholds[::-1]))


def average_precision(true: Classes, score: Numbers) -> float:
    """Return the area under the precision-recall curve as steps: Σ (R_n − R_(n−1)) P_n.

    The trapezoidal rule would be too optimistic.

    Args:
        true: 0 or 1; -1 where missing.
        score: Higher for class 1.

    Returns:
        An area between 0 and 1.

    Raises:
        BadDataset: A score is not finite, or the labels are all of one class.
    """
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(*_two_classes(true, score)))


def roc_auc(true: Classes, probabilities: Probabilities) -> float:
    """Return the area under the ROC curve, one class against the rest for more than two classes.

    For more than two classes it is the unweighted mean over the classes that occur in the labels; a
    class without any labelled row has no area and is left out.

    Args:
        true: Class numbers; -1 where missing.
        probabilities: Predicted probability of each class; rows sum to 1.

    Returns:
        An area between 0 and 1; 0.5 is chance.

    Raises:
        BadDataset: The labels are all of one class, or no row has a label.

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

    Class 1 is then predicted where score ≥ threshold. Choose it on the validation set only: if it
    is chosen on the test set, all test scores are too optimistic.

    Args:
        true: 0 or 1; -1 where missing.
        score: Higher for class 1.
        criterion: What is maximised: `accuracy`, `f1` or `youden`.

    Returns:
        The best threshold; the highest of several equally good ones.

    Raises:
        UnknownName: There is no such criterion.
        BadDataset: A score is not finite, or the labels are all of one class.
    """
    if criterion not in THRESHOLD_CRITERIA:
        raise UnknownName("threshold criterion", criterion, THRESHOLD_CRITERIA)
    curve = roc_curve(true, score)
    n_positive, n_negative = int((true == 1).sum()), int((true == 0).sum())
    # Integer counts, so that rounding cannot break ties between equally good thresholds.
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
    """Return all scores of class probabilities by name, with the number of scored and missing rows.

    The predicted class is the most likely one.

    Args:
        true: Class numbers; -1 where missing.
        probabilities: Predicted probability of each class; rows sum to 1.

    Returns:
        Scores by name. `roc_auc` (and, for two classes, `average_precision` of class 1) is NaN if
        the labels are all of one class, because it is undefined then.

    Raises:
        BadDataset: A row does not sum to 1, or no row has a label.
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
    """Return the labelled rows; refuse non-finite scores, and labels of a single class."""
    labelled = true >= 0
    true, score = true[labelled], score[labelled].astype(np.float64)
    if not np.isfinite(score).all():
        raise BadDataset("a score is not finite. Predict every labelled row.")
    if not (true == 0).any() or not (true == 1).any() or (true > 1).any():
        found = np.unique(true).tolist()
        raise BadDataset(
            f"a curve over thresholds needs labels of both classes 0 and 1; found {found}. "
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
            f"row {wrong[0]}: class probabilities sum to {sums[wrong[0]]:.4g}; they must be "
            "non-negative and sum to 1. Pass probabilities, not logits or log-probabilities."
        )
