"""Errors of predicted numbers, in the unit of the target.

They are a line of numpy each, tested to equal scikit-learn's: its import takes a second, which
every training and every prediction would wait for.
"""

import numpy as np
from jaxtyping import Float, Float64

from xtalgraph.errors import BadDataset

Numbers = Float[np.ndarray, "n_rows"]
"""A number a row; NaN where the true one is missing."""


def keep_labelled(
    true: Numbers, predicted: Numbers
) -> tuple[Float64[np.ndarray, "n_kept"], Float64[np.ndarray, "n_kept"]]:
    """Return the rows that have a label, in float64; NaN in `true` is a missing label.

    Refused: no labelled row at all, an infinite label, and a prediction that is not finite where
    there is a label.
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
            f"{rows[0]}. A score over the others alone would flatter the model: predict all rows, "
            "or leave these rows out of `true` as well and say so."
        )
    return kept_true, kept_predicted


def mean_absolute_error(true: Numbers, predicted: Numbers) -> float:
    """Return the mean of |predicted − true| over labelled rows.

    >>> mean_absolute_error(np.array([1.0, 2.0, np.nan]), np.array([1.5, 2.0, 9.0]))
    0.25
    """
    true, predicted = keep_labelled(true, predicted)
    return float(np.abs(predicted - true).mean())


def root_mean_squared_error(true: Numbers, predicted: Numbers) -> float:
    """Return the root of the mean of (predicted − true)² over labelled rows."""
    true, predicted = keep_labelled(true, predicted)
    return float(np.sqrt(np.square(predicted - true).mean()))


def max_error(true: Numbers, predicted: Numbers) -> float:
    """Return the largest |predicted − true| over labelled rows."""
    true, predicted = keep_labelled(true, predicted)
    return float(np.abs(predicted - true).max())


def r_squared(true: Numbers, predicted: Numbers) -> float:
    """Return the coefficient of determination, 1 − Σ(predicted − true)² / Σ(true − mean)².

    0 is as good as the mean of these very rows; worse is negative. Where all labels are equal it is
    1 for exact predictions and else 0, as in scikit-learn. For a single row it is not defined: NaN.
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
    """Return all errors of one target by name, and the numbers of scored and unlabelled rows."""
    return {
        "mean_absolute_error": mean_absolute_error(true, predicted),
        "root_mean_squared_error": root_mean_squared_error(true, predicted),
        "r_squared": r_squared(true, predicted),
        "max_error": max_error(true, predicted),
        "n_scored": int((~np.isnan(true)).sum()),
        "n_missing": int(np.isnan(true).sum()),
    }
