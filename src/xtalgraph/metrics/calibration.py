"""Whether a stated uncertainty is true: coverage, conformal quantiles, reliability."""

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
    """How often class 1 occurs where its probability was said to be so: a point for each bin."""

    predicted: Float64[np.ndarray, "n_points"]  # mean probability in the bin
    observed: Float64[np.ndarray, "n_points"]  # fraction of class 1 in the bin
    counts: Int64[np.ndarray, "n_points"]  # rows in the bin


def interval_coverage(true: Numbers, lower: Numbers, upper: Numbers) -> float:
    """Return the fraction of labelled rows that lie in their interval, ends included.

    >>> interval_coverage(np.array([1.0, 5.0]), np.array([0.0, 0.0]), np.array([2.0, 2.0]))
    0.5
    """
    kept, lower = keep_labelled(true, lower)
    _, upper = keep_labelled(true, upper)
    if (lower > upper).any():
        raise BadDataset("an interval ends below its beginning. Swap `lower` and `upper`.")
    return float(((lower <= kept) & (kept <= upper)).mean())


def conformal_quantile(scores: Numbers, coverage: float = 0.9) -> float:
    """Return the score that at least `coverage` of new rows will not exceed.

    Split conformal prediction: of n scores on rows that the model has not seen (|predicted − true|,
    or that over a stated uncertainty) the ⌈(n + 1)·coverage⌉-th smallest. For exchangeable rows the
    coverage holds whatever the model; the + 1 corrects for finite n (Vovk et al. 2005; Lei et al.
    2018). NaN is the score of a row without a label. Refused: fewer rows than the coverage needs,
    where the answer would be infinite.

    >>> conformal_quantile(np.arange(1.0, 10.0), coverage=0.8)
    8.0
    """
    if not 0 < coverage < 1:
        raise BadConfig(f"coverage = {coverage}; it must lie between 0 and 1.")
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

    `deviation` is the stated standard deviation, in the unit of the target. A calibrated model
    gives `levels` back; below them it is over-confident.
    """
    kept, predicted = keep_labelled(true, predicted)
    _, deviation = keep_labelled(true, deviation)
    if (deviation <= 0).any():
        raise BadDataset("a stated standard deviation is not positive.")
    if ((levels <= 0) | (levels >= 1)).any():
        raise BadConfig("levels of coverage must lie between 0 and 1.")
    reach = np.abs(kept - predicted) / deviation
    widths = [NormalDist().inv_cdf(0.5 + level / 2) for level in levels.tolist()]
    return np.array([(reach <= width).mean() for width in widths])


def calibration_curve(true: Classes, probability: Numbers, n_bins: int = 10) -> ReliabilityCurve:
    """Return observed against predicted frequency of class 1 in equal bins of probability.

    Bins without rows are left out; -1 in `true` is a missing label. As scikit-learn's, with counts.
    """
    labelled = true >= 0
    true, probability = true[labelled], probability[labelled].astype(np.float64)
    if len(true) == 0:
        raise BadDataset("no calibration curve: no row has a label.")
    if not ((probability >= 0) & (probability <= 1)).all():
        raise BadDataset("a probability lies outside 0 to 1. Give probabilities, not logits.")
    edges = np.linspace(0, 1, n_bins + 1)
    bins = np.searchsorted(edges[1:-1], probability)
    counts = np.bincount(bins, minlength=n_bins)
    kept = counts > 0
    predicted = np.bincount(bins, probability, n_bins)[kept] / counts[kept]
    observed = np.bincount(bins, true == 1, n_bins)[kept] / counts[kept]
    return ReliabilityCurve(predicted, observed, counts[kept].astype(np.int64))


def expected_calibration_error(curve: ReliabilityCurve) -> float:
    """Return the mean of |observed − predicted| over bins, weighted by their rows."""
    gaps = np.abs(curve.observed - curve.predicted)
    return float((gaps * curve.counts).sum() / curve.counts.sum())
