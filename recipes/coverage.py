"""How well a packed ensemble's intervals hold what they state, over many draws of calibration rows.

`python -m recipes.coverage ENSEMBLE RUN DATA` predicts the validation and the test part of the
run's split once, then draws crystals for the calibration anew from both together, as many as the
validation part has, and judges the others: once as `xtalgraph ensemble` calibrates, and once with
one width for all crystals.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from xtalgraph.data import read_dataset
from xtalgraph.data.splits import read_split
from xtalgraph.evaluation.calibrating import fit_calibration
from xtalgraph.evaluation.labels import read_labels
from xtalgraph.prediction import Predictions, Predictor, read_ensemble


def judge(
    predictions: Predictions, labels: np.ndarray, far: np.ndarray, n_known: int, n_draws: int
) -> dict[str, float]:
    """Give mean coverage of 90 % intervals, its deviation, and the mean half-width, over draws.

    `far` says which crystals are those whose coverage is given apart.
    """
    coverages, widths, farthest = [], [], []
    for seed in range(n_draws):
        order = np.random.default_rng(seed).permutation(len(predictions))
        known, unseen = order[:n_known], order[n_known:]
        calibration = fit_calibration(_take(predictions, known), labels[known])
        chosen = _take(predictions, unseen)
        half = calibration.half_widths(chosen.spread, chosen.distance)
        held = (np.abs(chosen.values - labels[unseen]) <= half)[:, 0]
        coverages.append(held.mean())
        widths.append(half.mean())
        farthest.append(held[far[unseen]].mean())
    found = np.array(coverages)
    return {
        "coverage": float(found.mean()),
        "deviation": float(found.std()),
        "draws_within_88_to_92": float(((found > 0.88) & (found < 0.92)).mean()),
        "mean_half_width": float(np.mean(widths)),
        "coverage_of_the_farthest_tenth": float(np.mean(farthest)),
    }


def _take(predictions: Predictions, rows: np.ndarray) -> Predictions:
    return replace(
        predictions,
        ids=tuple(predictions.ids[row] for row in rows),
        values=predictions.values[rows],
        spread=predictions.spread[rows],
        uncertainty=None,
        distance=predictions.distance[rows],
        domain=None,
        domain_reason=(),
        rows=predictions.rows[rows],
    )


def measure(ensemble: Path, run: Path, data: str, n_draws: int = 100) -> dict[str, object]:
    """Give what `judge` finds, with the spread and the distance and without them."""
    model, dataset = read_ensemble(ensemble), read_dataset(data)
    split = read_split(run / "splits.csv", dataset)
    rows = np.concatenate([split.validation, split.test])
    predictions = Predictor(replace(model, calibration=None)).predict(dataset.crystals.take(rows))
    labels = read_labels(dataset, model.task, rows)
    distance, zeros = predictions.distance, np.zeros_like(predictions.values)
    if predictions.spread is None:
        predictions = replace(predictions, spread=zeros)
    equal = replace(predictions, spread=zeros, distance=np.zeros(len(rows)))
    n_known, far = len(split.validation), distance > np.quantile(distance, 0.9)
    return {
        "calibrated": judge(predictions, labels, far, n_known, n_draws),
        "one width for all": judge(equal, labels, far, n_known, n_draws),
        "test crystals beyond the distance of the edge": float(
            (distance[n_known:] > model.domain.edge).mean()
        ),
    }


def main() -> None:
    """Read the arguments and print the result as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("ensemble", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("data")
    chosen = parser.parse_args()
    print(json.dumps(measure(chosen.ensemble, chosen.run, chosen.data), indent=2))


if __name__ == "__main__":
    main()
