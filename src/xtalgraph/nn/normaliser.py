"""Targets with mean 0 and standard deviation 1 while training, and their units after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from xtalgraph.errors import BadDataset

LARGEST = 1e30  # far enough below what a float32 holds, 3e38


@dataclass(frozen=True)
class Normaliser:
    """z = (y - mean) / std for each target, fitted on the training part alone.

    >>> normaliser = Normaliser.fit(np.array([[1.0], [3.0], [np.nan]]), ["band_gap"])
    >>> normaliser
    Normaliser(mean=(2.0,), std=(1.0,))
    >>> normaliser.restore(np.array([[-1.0]])).item()
    1.0
    """

    mean: tuple[float, ...]  # in the unit of each target
    std: tuple[float, ...]  # likewise, of the population (divided by n)

    @classmethod
    def fit(cls, values: Float[np.ndarray, "n_rows n_targets"], names: Sequence[str]) -> Normaliser:
        """Take mean and standard deviation of each column of the training part; NaN is no label.

        Raises `BadDataset` for a target without labels or with the same value everywhere.
        """
        mean, std = [], []
        for name, column in zip(names, values.T, strict=True):
            labels = column[~np.isnan(column)].astype(np.float64)
            if len(labels) == 0:
                raise BadDataset(f"target {name!r} has no label in the training part.")
            if not np.isfinite(labels).all():
                raise BadDataset(f"target {name!r} has an infinite label in the training part.")
            largest = float(np.abs(labels).max())
            if largest > LARGEST:
                raise BadDataset(
                    f"target {name!r} reaches {largest:g}, which single precision cannot hold. "
                    "Give it in another unit, or learn its logarithm."
                )
            if labels.max() == labels.min():
                raise BadDataset(
                    f"target {name!r} is {labels[0]:g} for all {len(labels)} labels of the "
                    "training part. There is nothing to learn; leave it out, or split otherwise."
                )
            mean.append(float(labels.mean()))
            std.append(float(labels.std()))
        return cls(tuple(mean), tuple(std))

    def normalise(
        self, values: Float[np.ndarray, "n_rows n_targets"]
    ) -> Float[np.ndarray, "n_rows n_targets"]:
        """Give the standardised values; NaN stays NaN."""
        return (values - np.array(self.mean, values.dtype)) / np.array(self.std, values.dtype)

    def restore(
        self, values: Float[np.ndarray, "n_rows n_targets"]
    ) -> Float[np.ndarray, "n_rows n_targets"]:
        """Give standardised values their unit back."""
        return values * np.array(self.std, values.dtype) + np.array(self.mean, values.dtype)
