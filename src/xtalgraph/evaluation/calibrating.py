"""Fitting what makes predictions honest: intervals, temperature, and where the model ends.

Crystals that no member has learned from, the validation part, are cut in two at random. A quarter
chooses (how the half-width goes with the spread and the distance; the temperature), the rest gives
the conformal quantile, so that the quantile has not seen the choice. Of n crystals the quantile is
as sure as n allows: the coverage of unseen crystals varies about what is stated with a standard
deviation of about sqrt(0.09 / n), one per cent for 900.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Float64

from xtalgraph.errors import BadDataset
from xtalgraph.metrics import conformal_quantile, interval_coverage, log_loss
from xtalgraph.nn import Labels
from xtalgraph.prediction import Predictions, Predictor
from xtalgraph.prediction.calibration import (
    Calibration,
    ClassCalibration,
    Domain,
    IntervalCalibration,
    Reference,
    Scale,
    count_fewest_neighbours,
)
from xtalgraph.structures import CrystalStore

N_DIRECTIONS = 32  # principal directions kept; with 1,000 centres about 70 kB in float16
N_CENTRES = 1000
MOST_FITTED = 20_000  # training crystals that the reference is fitted on, drawn at random
SMALLEST_DEVIATION = 1e-3  # of a direction, relative to the largest: below it is noise
EDGE_SHARE, OUT_SHARE = 0.95, 0.99  # of validation crystals within the distances `edge` and `out`

FACTORS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # tried of spread and distance over their medians
TEMPERATURES = np.exp(np.linspace(-1.5, 1.5, 121))  # 0.22 to 4.5 in steps of 2.5 %


def cut_in_two(n_rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that choose, a quarter drawn at random, and those that give the quantile."""
    order = np.random.default_rng(seed).permutation(n_rows)
    return np.sort(order[: n_rows // 4]), np.sort(order[n_rows // 4 :])


def fit_calibration(predictions: Predictions, labels: Labels, coverage: float = 0.9) -> Calibration:
    """Fit the calibration on labelled crystals that no member has learned from.

    `predictions` are of an ensemble without calibration. Raises `BadDataset` where there are too
    few crystals for the coverage (11 for 0.9).
    """
    if predictions.task.kind == "classification":
        return _fit_classes(predictions.values, labels, coverage)
    return _fit_intervals(predictions, labels, coverage)


def _fit_intervals(
    predictions: Predictions, labels: np.ndarray, coverage: float
) -> IntervalCalibration:
    choosing, measuring = cut_in_two(len(predictions))
    spread, distance = _uncertain_by(predictions)
    scales = []
    for number in range(predictions.values.shape[1]):
        error = np.abs(predictions.values[:, number] - labels[:, number])
        scale = choose_scale(error[choosing], spread[choosing, number], distance[choosing])
        relative = scale.relative(spread[measuring, number], distance[measuring])
        quantile = conformal_quantile(error[measuring] / relative, coverage)
        scales.append(replace(scale, quantile=quantile))
    return IntervalCalibration(coverage, tuple(scales))


def _uncertain_by(predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Return spread and distance; zeros for a single network, or one that has no domain."""
    spread, distance = predictions.spread, predictions.distance
    return (
        np.zeros_like(predictions.values) if spread is None else spread,
        np.zeros(len(predictions)) if distance is None else distance,
    )


def choose_scale(
    error: Float[np.ndarray, "n_rows"],
    spread: Float[np.ndarray, "n_rows"],
    distance: Float[np.ndarray, "n_rows"],
) -> Scale:
    """Choose how much the half-width grows with the spread and with the distance, if at all.

    Of a small grid the pair that makes the errors likeliest, were they distributed after Laplace
    with a width that goes with the scale: log(mean(|error| / s)) + mean(log s) is then smallest.
    The quantile of the scale that is given is 1; it is measured on other crystals.
    """
    known = ~np.isnan(error)
    error, spread, distance = error[known], spread[known], distance[known]
    best, best_cost = Scale(1.0), np.inf
    for of_spread in _over_median(spread):
        for of_distance in _over_median(distance):
            scale = Scale(1.0, of_spread, of_distance)
            relative = scale.relative(spread, distance)
            cost = np.log(np.mean(error / relative) + 1e-300) + np.log(relative).mean()
            if cost < best_cost - 1e-9:  # of equals the simplest, which come first
                best, best_cost = scale, cost
    return best


def _over_median(values: Float[np.ndarray, "n_rows"]) -> list[float]:
    """Return the factors to try; 0 alone where there is nothing to go by."""
    median = float(np.median(values)) if len(values) else 0.0
    return [factor / median for factor in FACTORS] if median > 0 else [0.0]


def _fit_classes(stated: np.ndarray, labels: np.ndarray, coverage: float) -> ClassCalibration:
    choosing, measuring = cut_in_two(len(stated))
    trials = [ClassCalibration(coverage, float(temperature), 1.0) for temperature in TEMPERATURES]
    costs = [log_loss(labels[choosing], trial.probabilities(stated[choosing])) for trial in trials]
    best = trials[int(np.argmin(costs))]
    probabilities = best.probabilities(stated[measuring])
    of_true = probabilities[np.arange(len(measuring)), labels[measuring]]
    return replace(best, quantile=conformal_quantile(1.0 - of_true, coverage))


def fit_domain(
    predictor: Predictor, training: CrystalStore, validation: CrystalStore, seed: int = 0
) -> Domain:
    """Fit where the training crystals lie, and how far from them validation crystals are."""
    if len(training) > MOST_FITTED:
        rows = np.random.default_rng(seed).choice(len(training), MOST_FITTED, replace=False)
        training = training.take(np.sort(rows))
    reference = fit_reference(predictor.fingerprints(training), seed=seed)
    distances = reference.distance(predictor.fingerprints(validation))
    fewest = count_fewest_neighbours(training, predictor.saved.graph_config)
    return Domain(
        reference,
        int(fewest.min()),
        float(np.quantile(distances, EDGE_SHARE)),
        float(np.quantile(distances, OUT_SHARE)),
    )


def fit_reference(
    fingerprints: Float[np.ndarray, "n_rows width"],
    *,
    n_directions: int = N_DIRECTIONS,
    n_centres: int = N_CENTRES,
    seed: int = 0,
) -> Reference:
    """Take the principal directions of training crystals, scale them, and find the clusters."""
    from sklearn.cluster import MiniBatchKMeans

    if len(fingerprints) < 2:
        raise BadDataset("a domain needs two training crystals or more.")
    vectors = fingerprints.astype(np.float64)
    origin = vectors.mean(axis=0)
    _, singular, rows = np.linalg.svd(vectors - origin, full_matrices=False)
    deviations = singular / np.sqrt(len(vectors))
    kept = deviations[:n_directions] > SMALLEST_DEVIATION * deviations[0]
    directions = rows[:n_directions][kept].T / deviations[:n_directions][kept]
    places = ((vectors - origin) @ directions).astype(np.float32)
    if len(places) > n_centres:
        clusters = MiniBatchKMeans(n_centres, n_init=1, batch_size=4096, random_state=seed)
        places = clusters.fit(places).cluster_centers_
    # rounded as they will be stored, so that the distances that are measured now stay true
    centres = places.astype(np.float16).astype(np.float32)
    return Reference(origin.astype(np.float32), directions.astype(np.float32), centres)


def coverage_curve(
    known: Predictions,
    known_labels: Float64[np.ndarray, "n_rows n_targets"],
    unseen: Predictions,
    labels: Float64[np.ndarray, "n_kept n_targets"],
    number: int,
    levels: Float64[np.ndarray, "n_points"],
) -> Float64[np.ndarray, "n_points"]:
    """Give, for each stated coverage, how many unseen crystals lie in intervals fitted on others.

    `known` are the predictions that `fit_calibration` was given; `number` counts the targets. NaN
    where there are too few of them for so high a coverage.
    """
    covered = []
    true, centre = labels[:, number], unseen.values[:, number]
    _, measuring = cut_in_two(len(known))
    n_measured = int((~np.isnan(known_labels[measuring])).sum(axis=0).min())
    for level in levels.tolist():
        if level * (n_measured + 1) > n_measured:
            covered.append(np.nan)
            continue
        calibration = _fit_intervals(known, known_labels, level)
        half = calibration.half_widths(*_uncertain_by(unseen))[:, number]
        covered.append(interval_coverage(true, centre - half, centre + half))
    return np.array(covered)
