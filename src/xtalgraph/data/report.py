"""What the pre-flight check found, for people and for programs: targets, problems, warnings."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool

from xtalgraph.data.cells import as_floats
from xtalgraph.data.dataset import Dataset
from xtalgraph.data.question import OUTLIER_WIDTH

_SHOWN = 10  # ids, elements or rows named in a line; the dict has them all

WIDTH = 100
"""Letters of a row of the screen; the report fits into 40 of them."""

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
        """Return the summary in one line."""
        missing = f", {self.n_missing:,} missing" if self.n_missing else ""
        start = f"{self.column}: {self.n_labels:,} labels{missing}"
        if self.classes:
            counts = [f"{_cut(name, 30)} {count:,}" for name, count in self.classes.items()]
            return f"{start}; {len(counts)} classes: {shorten(counts)}"
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
    values = as_floats(dataset.table[name])
    finite = values[np.isfinite(values)]
    infinite = np.isinf(values)
    column = dataset.targets[name].column
    n_missing = int(np.isnan(values).sum())
    not_finite = tuple(str(id) for id in dataset.ids[infinite])
    if len(finite) == 0:
        return TargetSummary(name, column, 0, n_missing, not_finite=not_finite)
    with np.errstate(over="ignore"):  # of numbers beyond single precision, which are refused
        mean, std = float(finite.mean()), float(finite.std())
        far = find_outliers(values)
    rows = np.flatnonzero(far)
    rows = rows[np.argsort(-np.abs(values[rows] - np.median(finite)), kind="stable")]
    quantiles = np.quantile(finite, _QUANTILES).tolist()
    return TargetSummary(
        name,
        column,
        len(finite),
        n_missing,
        mean,
        std,
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
    """Return which finite values lie further from the median than 5 robust standard deviations."""
    finite = np.isfinite(values)
    if not finite.any():
        return finite
    low, median, high = np.quantile(values[finite], (0.25, 0.5, 0.75))
    width = (high - low) / 1.349 if high > low else values[finite].std()
    far = np.zeros(len(values), dtype=bool)
    far[finite] = np.abs(values[finite] - median) > OUTLIER_WIDTH * width
    return far


@dataclass
class CheckReport:
    """The state of a data set before training. Fields that could not be measured are None.

    Attributes:
        source: The name of the data set.
        checksum: SHA-256 of its files.
        n_crystals: Number of crystals.
        n_atoms: Number of atoms of all crystals.
        atoms_per_crystal: Statistics of the number of atoms.
        elements: Number of crystals that contain each element, by symbol.
        targets: Statistics of the targets.
        split: Number of crystals in each set.
        shortest_distance: The shortest distance between two atoms in Å.
        n_ties: Number of crystals whose k-th and next neighbour are equally far away.
        ties: Their ids.
        duplicates: Ids of crystals with the same structure.
        rejected: Id and reason of each rejected crystal.
        problems: What would make training fail or its result wrong.
        warnings: What should be looked at.
    """

    source: str
    checksum: str = ""
    n_crystals: int = 0
    n_atoms: int = 0
    atoms_per_crystal: dict[str, float] = field(default_factory=dict)
    elements: dict[str, int] = field(default_factory=dict)  # crystals that hold it, by symbol
    targets: list[TargetSummary] = field(default_factory=list)
    split: dict[str, int] = field(default_factory=dict)
    shortest_distance: float | None = None  # Å
    n_ties: int | None = None  # crystals whose k-th and next neighbour are equally far
    ties: list[str] = field(default_factory=list)  # their ids
    duplicates: list[list[str]] | None = None  # ids of the same structure
    rejected: list[dict[str, str]] = field(default_factory=list)  # id and reason
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether training may begin."""
        return not self.problems

    def lines(self) -> list[str]:
        """Return the report as lines of text, the verdict last: a screenful at most.

        Long texts are cut, and of many only the first are named; `to_dict` has them all.
        """
        lines = [f"{self.source}: {self.n_crystals:,} crystals, {self.n_atoms:,} atoms"]
        if self.atoms_per_crystal:
            sizes = ", ".join(f"{name} {size:g}" for name, size in self.atoms_per_crystal.items())
            lines.append(f"atoms per crystal: {sizes}")
        if self.elements:
            lines.append(f"{len(self.elements)} elements: {shorten(_by_count(self.elements))}")
        lines += _fit([summary.line() for summary in self.targets], 8)
        if self.split:
            lines.append("split: " + ", ".join(f"{n:,} {part}" for part, n in self.split.items()))
        if self.shortest_distance is not None:
            lines.append(f"shortest distance: {self.shortest_distance:.3f} Å")
        lines += _fit([f"warning: {warning}" for warning in self.warnings], 9)
        lines += _fit([f"problem: {problem}" for problem in self.problems], 18)
        n_problems, n_warnings = len(self.problems), len(self.warnings)
        verdict = "ready to train" if self.ok else "training would fail"
        lines.append(f"{verdict}: {_count(n_problems, 'problem')}, {_count(n_warnings, 'warning')}")
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain numbers, texts, lists and dicts, for JSON."""
        return {"ok": self.ok, **asdict(self)}


def _fit(texts: list[str], n_rows: int) -> list[str]:
    """Return the texts that fit into some rows of the screen, and how many do not."""
    lines: list[str] = []
    for place, text in enumerate(texts):
        shown = [_cut(line, 5 * WIDTH) for line in text.split("\n")]
        needed = sum(-(-max(1, len(line)) // WIDTH) for line in shown)
        if needed > n_rows and lines:
            return [*lines, f"… and {len(texts) - place} more (--json lists all)"]
        lines += shown[: max(1, n_rows)]
        n_rows -= needed
    return lines


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def shorten(names: list[str]) -> str:
    """Return the first ten of many names, and how many more there are."""
    more = f", … and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _by_count(elements: dict[str, int]) -> list[str]:
    return [f"{symbol} {n:,}" for symbol, n in sorted(elements.items(), key=lambda item: -item[1])]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
