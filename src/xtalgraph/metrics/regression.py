"""Errors of predicted values, in the unit of the target.

Each is one line of numpy, tested against scikit-learn, whose import would delay every training run
and every prediction by a second.
"""

import numpy as np
from jaxtyping import Float, Float64

from xtalgraph.errors import BadDataset

Numbers = Float[np.ndarray, "n_rows"]
"""A number a row; NaN where the true one is missing."""


def keep_labelled(
    true: Numbers, predicted: Numbers
) -> tuple[Float64[np.ndarray, "n_kept"], Float64[np.ndarray, "n_kept"]]:
    """Return the labelled rows in float64.

    Args:
        true: Labels; NaN where missing.
        predicted: Predicted values, in the unit of the labels.

    Returns:
        Labels and predictions of the labelled rows.

    Raises:
        BadDataset: No row has a label, a label is infinite, or the prediction of a labelled row is
            not finite.
    """
    labelled = ~np.isnan(true)
    if not labelled.any():
        raise BadDataset(
            f"no metric can be computed: none of {len(true)} rows has a label. "
            "Choose rows or a target with labels."
        )
    kept_true = true[labelled].astype(np.float64)
    kept_predicted = predicted[labelled].astype(np.float64)
    if np.isinf(kept_true).any():
        row = int(np.flatnonzero(np.isinf(true))[0])
        raise BadDataset(f"the label of row {row} is infinite. Correct it or leave it blank.")
    if not np.isfinite(kept_predicted).all():
        rows = np.flatnonzero(labelled & ~np.isfinite(predicted))
        raise BadDataset(
            f"{len(rows)} of {len(kept_true)} predictions are not finite, the first in row "
            f"{rows[0]}. Scoring only the others would make the model look better than it is: "
            "predict all rows, or leave these rows out of `true` as well and report it."
        )
    return kept_true, kept_predicted


def mean_absolute_error(true: Numbers, predicted: Numbers) -> float:
    """Return the mean of |predicted − true| over labelled rows.

    Args:
        true: Labels; NaN where missing.
        predicted: Predicted values, in the unit of the labels.

    Returns:
        The error, in the same unit.

    Raises:
        BadDataset: No row has a label, or a prediction is not finite.

    >>> mean_absolute_error(np.array([1.0, 2.0, np.nan]), np.array([1.5, 2.0, 9.0]))
    0.25
    """
    true, predicted = keep_labelled(true, predicted)
    return float(np.abs(predicted - true).mean())


def root_mean_squared_error(true: Numbers, predicted: Numbers) -> float:
    """Return the root of the mean of (predicted − true)² over labelled rows.

    Args:
        true: Labels; NaN where missing.
        predicted: Predicted values, in the unit of the labels.

    Returns:
        The error, in the same unit.

    Raises:
        BadDataset: No row has a label, or a prediction is not finite.
    """
    true, predicted = keep_labelled(true, predicted)
    return float(np.sqrt(np.square(predicted - true).mean()))


def max_error(true: Numbers, predicted: Numbers) -> float:
    """Return the largest |predicted − true| over labelled rows.

    Args:
        true: Labels; NaN where missing.
        predicted: Predicted values, in the unit of the labels.

    Returns:
        The error, in the same unit.

    Raises:
        BadDataset: No row has a label, or a prediction is not finite.
    """
    true, predicted = keep_labelled(true, predicted)
    return float(np.abs(predicted - true).max())


def r_squared(true: Numbers, predicted: Numbers) -> float:
    """Return the coefficient of determination, 1 − Σ(predicted − true)² / Σ(true − mean)².

    Args:
        true: Labels; NaN where missing.
        predicted: Predicted values, in the unit of the labels.

    Returns:
        At most 1. 0 is as good as the mean of these rows; negative is worse. If all labels are
        equal it is 1 for exact predictions and otherwise 0, as in scikit-learn. NaN for a single
        row, where it is undefined.

    Raises:
        BadDataset: No row has a label, or a prediction is not finite.
    """
    true, predicted = keep_labelled(true, predicted)
    if len(true) < 2:
        return float("nan")
    residual = np.square(predicted - true).sum()
    total = np.square(true - true.mean()).sum()
    if total == 0:
        return 1.0 if residual == 0 else 0.0
    return float(1 - residual / total)


def regression_metrics(true: Numbers, predicted: Numbers) -> dict[str, int | float]:
    """Return all errors of one target by name, with the number of scored and unlabelled rows.

    Args:
        true: Labels; NaN where missing.
        predicted: Predicted values, in the unit of the labels.

    Returns:
        Errors by name, in the unit of the labels; `r_squared` has none.

    Raises:
        BadDataset: No row has a label, or a prediction is not finite.
    """
    return {
        "mean_absolute_error": mean_absolute_error(true, predicted),
        "root_mean_squared_error": root_mean_squared_error(true, predicted),
        "r_squared": r_squared(true, predicted),
        "max_error": max_error(true, predicted),
        "n_scored": int((~np.isnan(true)).sum()),
        "n_missing": int(np.isnan(true).sum()),
    }
