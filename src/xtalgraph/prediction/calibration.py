"""How far off a prediction may be: intervals and probabilities that say so truly.

The numbers here are fitted when an ensemble is packed (`evaluation/calibrating.py`), on crystals
that no member has learned from. Applying them needs nothing but arrays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64


@dataclass(frozen=True)
class Scale:
    """The half-width of a target's interval: quantile · (1 + of_spread · σ + of_distance · d).

    σ is the standard deviation over the members in the target's unit, d the distance from the
    training crystals. The sum in brackets says which predictions are the less sure ones, the
    conformal quantile of |true − predicted| / (that sum) how sure that is.
    """

    quantile: float  # in the unit of the target
    of_spread: float = 0.0  # 1 over the unit of the target
    of_distance: float = 0.0  # 1 over the unit of the distance

    def relative(
        self, spread: Float[np.ndarray, "n_rows"], distance: Float[np.ndarray, "n_rows"]
    ) -> Float64[np.ndarray, "n_rows"]:
        """Give the sum in brackets: 1 or more."""
        return 1.0 + self.of_spread * spread + self.of_distance * distance


@dataclass(frozen=True)
class IntervalCalibration:
    """Intervals of a regression: predicted ± half-width holds `coverage` of unseen crystals."""

    coverage: float
    scales: tuple[Scale, ...]  # one a target

    def half_widths(
        self,
        spread: Float[np.ndarray, "n_rows n_targets"],
        distance: Float[np.ndarray, "n_rows"],
    ) -> Float64[np.ndarray, "n_rows n_targets"]:
        """Give half the width of each interval, in the units of the targets."""
        columns = [
            scale.quantile * scale.relative(spread[:, number], distance)
            for number, scale in enumerate(self.scales)
        ]
        return np.stack(columns, axis=1)


@dataclass(frozen=True)
class ClassCalibration:
    """Probabilities of a classification, p^(1/T) scaled to 1, and sets of classes.

    The true class lies in the set for at least `coverage` of unseen crystals: the set has the
    classes of probability 1 − `quantile` or more, and always the likeliest.
    """

    coverage: float
    temperature: float  # above 1 where the networks were too sure of themselves
    quantile: float  # conformal, of 1 − the probability of the true class

    def probabilities(
        self, stated: Float[np.ndarray, "n_rows n_classes"]
    ) -> Float64[np.ndarray, "n_rows n_classes"]:
        """Give the calibrated probabilities of what the networks state."""
        logits = np.log(np.maximum(stated, 1e-30)) / self.temperature
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    def sets(
        self, probabilities: Float[np.ndarray, "n_rows n_classes"]
    ) -> Bool[np.ndarray, "n_rows n_classes"]:
        """Say which classes are in the set of each row."""
        likeliest = probabilities == probabilities.max(axis=1, keepdims=True)
        return likeliest | (probabilities >= 1.0 - self.quantile)


Calibration = IntervalCalibration | ClassCalibration
