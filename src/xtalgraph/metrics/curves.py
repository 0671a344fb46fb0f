"""Curves over the threshold of a two-class score, their areas, and the choice of a threshold.

`true` holds 0 and 1, and -1 for a missing label; `score` is higher for class 1. Rows of equal
score stand or fall together, so a curve has at most one point for each distinct score.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int

from xtalgraph.errors import BadDataset, UnknownName

THRESHOLD_CRITERIA = ("accuracy", "f1", "youden")


@dataclass(frozen=True, eq=False)
class Curve:
    """Points (x, y) of a curve, and the threshold behind each: class 1 is score ≥ threshold."""

    x: Float64[np.ndarray, "n_points"]
    y: Float64[np.ndarray, "n_points"]
    thresholds: Float64[np.ndarray, "n_points"]


def roc_curve(true: Int[np.ndarray, "n_rows"], score: Float[np.ndarray, "n_rows"]) -> Curve:
    """Give false-positive rate (x) and true-positive rate (y), from (0, 0) to (1, 1)."""
    hits, alarms, thresholds = _count_above(true, score)
    return Curve(
        np.concatenate([[0.0], alarms / alarms[-1]]),
        np.concatenate([[0.0], hits / hits[-1]]),
        np.concatenate([[np.inf], thresholds]),
    )


def precision_recall_curve(
    true: Int[np.ndarray, "n_rows"], score: Float[np.ndarray, "n_rows"]
) -> Curve:
    """Give recall (x) and precision (y), from recall 0, where precision is set to 1, up to 1."""
    hits, alarms, thresholds = _count_above(true, score)
    return Curve(
        np.concatenate([[0.0], hits / hits[-1]]),
        np.concatenate([[1.0], hits / (hits + alarms)]),
        np.concatenate([[np.inf], thresholds]),
    )


def average_precision(true: Int[np.ndarray, "n_rows"], score: Float[np.ndarray, "n_rows"]) -> float:
    """Give the area under precision over recall, as steps: Σ (R_n − R_(n−1)) P_n.

    Not by trapezoids, which would flatter (as scikit-learn's `average_precision_score`).
    """
    curve = precision_recall_curve(true, score)
    return float((np.diff(curve.x) * curve.y[1:]).sum())


def roc_auc(
    true: Int[np.ndarray, "n_rows"], probabilities: Float[np.ndarray, "n_rows n_classes"]
) -> float:
    """Give the area under the ROC curve: of class 1 of two, or else one class against the rest.

    For more than two classes it is the plain mean over the classes that occur in the labels; a
    class without any labelled row has no area and is left out.

    >>> roc_auc(np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.4, 0.6], [0.95, 0.05]]))
    0.5
    """
    n_classes = probabilities.shape[1]
    if n_classes < 2:
        raise BadDataset("the area under the ROC curve needs a probability for each class.")
    if n_classes == 2:
        return _area(roc_curve(true, probabilities[:, 1]))
    areas = []
    for number in np.unique(true[true >= 0]):
        one_against_rest = np.where(true < 0, true, (true == number).astype(true.dtype))
        areas.append(_area(roc_curve(one_against_rest, probabilities[:, number])))
    if not areas:
        raise BadDataset("no area under the ROC curve: no row has a label.")
    return float(np.mean(areas))


def best_threshold(
    true: Int[np.ndarray, "n_rows"], score: Float[np.ndarray, "n_rows"], criterion: str = "f1"
) -> float:
    """Give the threshold that is best for `accuracy`, `f1` or `youden` (TPR − FPR).

    Class 1 is then score ≥ threshold. Choose it on the validation part only: chosen on the test
    part it makes every test score too good. Of equally good thresholds the highest is given.
    """
    if criterion not in THRESHOLD_CRITERIA:
        raise UnknownName("threshold criterion", criterion, THRESHOLD_CRITERIA)
    hits, alarms, thresholds = _count_above(true, score)
    n_positive, n_negative = hits[-1], alarms[-1]
    quality = {
        "accuracy": hits + n_negative - alarms,
        "f1": 2 * hits / (hits + alarms + n_positive),
        "youden": hits / n_positive - alarms / n_negative,
    }[criterion]
    return float(thresholds[np.argmax(quality)])


def _count_above(true: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give counts of class 1 and of class 0 at or above each distinct score, highest first."""
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
    order = np.argsort(-score, kind="stable")
    true, score = true[order], score[order]
    last_of_each = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)
    hits = np.cumsum(true == 1)[last_of_each].astype(np.float64)
    return hits, last_of_each + 1.0 - hits, score[last_of_each]


def _area(curve: Curve) -> float:
    return float(np.trapezoid(curve.y, curve.x))
