"""Calibration of uncertainties: coverage, conformal quantiles, reliability."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Float64, Int64

from xtalgraph.errors import BadConfig, BadDataset
from xtalgraph.metrics.classification import Classes
from xtalgraph.metrics.regression import Numbers, keep_labelled


@dataclass(frozen=True, eq=False)
class ReliabilityCurve:
    """Observed against predicted frequency of class 1, one point per bin.

    Attributes:
        predicted: Mean predicted probability in each bin.
        observed: Fraction of class 1 in each bin.
        counts: Number of rows in each bin.
    """

    predicted: Float64[np.ndarray, "n_points"]
    observed: Float64[np.ndarray, "n_points"]
    counts: Int64[np.ndarray, "n_points"]


def interval_coverage(true: Numbers, lower: Numbers, upper: Numbers) -> float:
    """Return the fraction of labelled rows whose label is in their interval, ends included.

    Args:
        true: Labels; NaN where missing.
        lower: Lower end of the interval of each row, in the unit of the labels.
        upper: Upper end.

    Returns:
        A fraction between 0 and 1.

    Raises:
        BadDataset: `lower` is above `upper` in some row, or no row has a label.

    >>> interval_coverage(np.array([1.0, 5.0]), np.array([0.0, 0.0]), np.array([2.0, 2.0]))
    0.5
    """
    kept, lower = keep_labelled(true, lower)
    _, upper = keep_labelled(true, upper)
    if (lower > upper).any():
        raise BadDataset("`lower` is above `upper` in some row. Swap `lower` and `upper`.")
    return float(((lower <= kept) & (kept <= upper)).mean())


def conformal_quantile(scores: Numbers, coverage: float = 0.9) -> float:
    """Return the score that at least `coverage` of new rows will not exceed.

    Split conformal prediction: the ⌈(n + 1)·coverage⌉-th smallest of n scores. For exchangeable
    rows the coverage holds for any model; the + 1 corrects for finite n (Vovk et al. 2005; Lei et
    al. 2018).

    Args:
        scores: Nonconformity of rows that the model has not seen, such as |predicted − true|,
            optionally divided by a stated uncertainty; NaN for a row without a label.
        coverage: Fraction of new rows, between 0 and 1.

    Returns:
        The quantile, in the unit of the scores.

    Raises:
        BadConfig: The coverage is not between 0 and 1.
        BadDataset: There are too few rows for this coverage; the quantile would be infinite.

    >>> conformal_quantile(np.arange(1.0, 10.0), coverage=0.8)
    8.0
    """
    if not 0 < coverage < 1:
        raise BadConfig(f"coverage = {coverage}; it must be between 0 and 1.")
    scores = scores[~np.isnan(scores)]
    rank = math.ceil((len(scores) + 1) * coverage - 1e-9)  # 10 × 0.7 is not quite 7 in floats
    if rank > len(scores):
        needed = math.ceil(coverage / (1 - coverage) - 1e-9)
        raise BadDataset(
            f"a coverage of {coverage:g} needs at least {needed} calibration rows, and there are "
            f"{len(scores)}. Give more rows or ask for a lower coverage."
        )
    return float(np.partition(scores, rank - 1)[rank - 1])


def normal_coverage_curve(
    true: Numbers, predicted: Numbers, deviation: Numbers, levels: Float64[np.ndarray, "n_points"]
) -> Float64[np.ndarray, "n_points"]:
    """Return the observed coverage of central intervals of a normal distribution at each level.

    For a calibrated model the result equals `levels`; below them it is overconfident.

    Args:
        true: Labels; NaN where missing.
        predicted: Means of the distributions, in the unit of the labels.
        deviation: Standard deviations, in the same unit.
        levels: Stated coverages between 0 and 1.

    Returns:
        The fraction of labelled rows inside the interval at each level.

    Raises:
        BadDataset: A standard deviation is not positive, or no row has a label.
        BadConfig: A level is not between 0 and 1.
    """
    kept, predicted = keep_labelled(true, predicted)
    _, deviation = keep_labelled(true, deviation)
    if (deviation <= 0).any():
        raise BadDataset("a stated standard deviation is not positive.")
    if ((levels <= 0) | (levels >= 1)).any():
        raise BadConfig("levels of coverage must be between 0 and 1.")
    reach = np.abs(kept - predicted) / deviation
    widths = [NormalDist().inv_cdf(0.5 + level / 2) for level in levels.tolist()]
    return np.array([(reach <= width).mean() for width in widths])


def calibration_curve(true: Classes, probability: Numbers, n_bins: int = 10) -> ReliabilityCurve:
    """Return observed against predicted frequency of class 1 in equal bins of probability.

    Like scikit-learn's `calibration_curve`, with counts. Bins without rows are left out.

    Args:
        true: 0 or 1; -1 where missing.
        probability: Predicted probability of class 1.
        n_bins: Number of bins of equal width between 0 and 1.

    Returns:
        One point for each bin with rows.

    Raises:
        BadDataset: No row has a label, or a probability is outside 0 to 1.
    """
    labelled = true >= 0
    true, probability = true[labelled], probability[labelled].astype(np.float64)
    if len(true) == 0:
        raise BadDataset("no calibration curve: no row has a label.")
    if not ((probability >= 0) & (probability <= 1)).all():
        raise BadDataset("a probability is outside 0 to 1. Pass probabilities, not logits.")
    edges = np.linspace(0, 1, n_bins + 1)
    bins = np.searchsorted(edges[1:-1], probability)
    counts = np.bincount(bins, minlength=n_bins)
    kept = counts > 0
    predicted = np.bincount(bins, probability, n_bins)[kept] / counts[kept]
    observed = np.bincount(bins, true == 1, n_bins)[kept] / counts[kept]
    return ReliabilityCurve(predicted, observed, counts[kept].astype(np.int64))


def expected_calibration_error(curve: ReliabilityCurve) -> float:
    """Return the mean of |observed − predicted| over bins, weighted by their number of rows."""
    gaps = np.abs(curve.observed - curve.predicted)
    return float((gaps * curve.counts).sum() / curve.counts.sum())
