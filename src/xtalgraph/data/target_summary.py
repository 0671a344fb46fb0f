"""What a column of labels looks like: how many, how spread, and which stand far off."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool

from xtalgraph.data.dataset import Dataset

OUTLIER_WIDTH = 5.0
"""An outlier is further from the median than this many robust standard deviations (IQR / 1.349): of
normally distributed labels, one in two million."""

_QUANTILES = (0.01, 0.25, 0.5, 0.75, 0.99)


@dataclass(frozen=True)
class TargetSummary:
    """The labels of one target: numbers in the target's unit, or counts of classes."""

    name: str
    column: str  # with the unit
    n_labels: int
    n_missing: int
    mean: float | None = None
    std: float | None = None
    min: float | None = None
    max: float | None = None
    quantiles: dict[str, float] = field(default_factory=dict)
    classes: dict[str, int] = field(default_factory=dict)
    outliers: tuple[tuple[str, float], ...] = ()  # id and label, the furthest first
    not_finite: tuple[str, ...] = ()  # ids with an infinite label

    def line(self) -> str:
        """Give the summary in one line."""
        missing = f", {self.n_missing:,} missing" if self.n_missing else ""
        start = f"{self.column}: {self.n_labels:,} labels{missing}"
        if self.classes:
            counts = ", ".join(f"{name} {count:,}" for name, count in self.classes.items())
            return f"{start}; {counts}"
        if self.mean is None:
            return start
        return (
            f"{start}; mean {self.mean:.4g}, standard deviation {self.std:.4g}, "
            f"min {self.min:.4g}, median {self.quantiles['0.5']:.4g}, max {self.max:.4g}"
        )


def summarise_numbers(dataset: Dataset, name: str) -> TargetSummary:
    """Summarise a numeric target; missing labels count as such, infinite ones are named.

    Outliers are further than 5 × IQR / 1.349 from the median, IQR being the distance between the
    quartiles; where the quartiles coincide (gaps of mostly metals), 5 standard deviations.
    """
    values = dataset.columns[name].to_numpy(dtype=np.float64, na_value=np.nan)
    finite = values[np.isfinite(values)]
    infinite = np.isinf(values)
    column = dataset.targets[name].column
    n_missing = int(np.isnan(values).sum())
    not_finite = tuple(str(id) for id in dataset.ids[infinite])
    if len(finite) == 0:
        return TargetSummary(name, column, 0, n_missing, not_finite=not_finite)
    far = find_outliers(values)
    rows = np.flatnonzero(far)
    rows = rows[np.argsort(-np.abs(values[rows] - np.median(finite)), kind="stable")]
    quantiles = np.quantile(finite, _QUANTILES).tolist()
    return TargetSummary(
        name,
        column,
        len(finite),
        n_missing,
        float(finite.mean()),
        float(finite.std()),
        float(finite.min()),
        float(finite.max()),
        {f"{q:g}": value for q, value in zip(_QUANTILES, quantiles, strict=True)},
        outliers=tuple((str(dataset.ids[row]), float(values[row])) for row in rows),
        not_finite=not_finite,
    )


def summarise_classes(dataset: Dataset, name: str) -> TargetSummary:
    """Count the classes of a column, the most frequent first."""
    labels = [label for label in dataset.labels(name).tolist() if label is not None]
    target = dataset.targets.get(name)
    return TargetSummary(
        name,
        target.column if target else name,
        len(labels),
        len(dataset) - len(labels),
        classes=dict(Counter(labels).most_common()),
    )


def find_outliers(values: np.ndarray) -> Bool[np.ndarray, "n_rows"]:
    """Tell which finite values lie further from the median than 5 robust standard deviations."""
    finite = np.isfinite(values)
    if not finite.any():
        return finite
    low, median, high = np.quantile(values[finite], (0.25, 0.5, 0.75))
    width = (high - low) / 1.349 if high > low else values[finite].std()
    far = np.zeros(len(values), dtype=bool)
    far[finite] = np.abs(values[finite] - median) > OUTLIER_WIDTH * width
    return far
