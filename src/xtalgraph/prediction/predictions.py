"""What a model says of crystals, or several models: arrays, and tables with units."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float64, Int64

from xtalgraph.errors import Rejected
from xtalgraph.extras import import_extra
from xtalgraph.nn.task import Task
from xtalgraph.units import Target

if TYPE_CHECKING:
    import pandas

Columns = dict[str, np.ndarray]

_LONG = ("id", "property", "value", "lower", "upper", "unit", "class", "domain", "domain_reason")


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predicted values, one row a crystal, in the units of the task's targets.

    Attributes:
        ids: Of the crystals.
        values: For regression a column for each target, in its unit; for classification the
            probability of each class.
        task: What was predicted.
        rejected: The crystals that could not be predicted, and why.
        spread: The standard deviation over the members; None for a single network.
        uncertainty: Half-widths of the intervals of a calibrated regression, in the units of the
            targets; else None.
        class_sets: Which classes may be true, of a calibrated classification; else None.
        coverage: The fraction of unseen crystals whose true value lies in the interval or set.
        distance: From the training crystals, see `Reference.distance`; None if these are unknown.
        domain: `in`, `edge` or `out` for each crystal; None if the training crystals are unknown.
        domain_reason: Why a crystal is not `in`.
        model_version: Which model was asked, see `Predictor.model_version`.
        rows: Which of the crystals that were given they are, counted from 0.
    """

    ids: tuple[str, ...]
    values: Float64[np.ndarray, "n_crystals n_outputs"]
    task: Task
    rejected: tuple[Rejected, ...] = ()
    spread: Float64[np.ndarray, "n_crystals n_outputs"] | None = None
    uncertainty: Float64[np.ndarray, "n_crystals n_targets"] | None = None
    class_sets: Bool[np.ndarray, "n_crystals n_classes"] | None = None
    coverage: float | None = None
    distance: Float64[np.ndarray, "n_crystals"] | None = None
    domain: tuple[str, ...] | None = None
    domain_reason: tuple[str, ...] = ()
    model_version: str = ""
    rows: Int64[np.ndarray, "n_crystals"] = field(default_factory=lambda: np.empty(0, np.int64))

    def __len__(self) -> int:
        return len(self.ids)

    def to_frame(self, *, model_version: bool = False, long: bool = False) -> pandas.DataFrame:
        """Return the columns of `to_columns` as a table of pandas."""
        return make_frame(self.to_columns(model_version=model_version, long=long))

    def to_columns(self, *, model_version: bool = False, long: bool = False) -> Columns:
        """Return columns: `id`, then `<target> [unit]`, or the class and a probability a class.

        A calibrated model adds `<target> uncertainty [unit]`, half the width of the interval that
        holds the true value for `coverage` of unseen crystals (for classes `<target> set`, those
        of them that may be true), `domain` and `domain_reason`. A logarithm is given as the
        quantity itself too, with the ends of its interval: `bulk_modulus [GPa]`,
        `bulk_modulus lower [GPa]`, `bulk_modulus upper [GPa]`.

        Args:
            model_version: Add the column `model_version`, such as `formation-energy@0.1`.
            long: Return a row for each property of a crystal instead: `id`, `property`, `value`,
                `lower` and `upper` (the ends of its interval), `unit`, `class` (`value` is then
                its probability), `domain` and `domain_reason`. A logarithm is given as the
                quantity itself.

        Returns:
            Arrays of one length by column header.
        """
        if long:
            return self._to_long(model_version=model_version)
        columns: dict[str, np.ndarray] = {"id": np.array(self.ids, dtype=object)}
        if self.task.kind == "regression":
            for number, target in enumerate(self.task.targets):
                columns |= self._describe_target(number, target)
        else:
            columns |= self._describe_classes()
        if self.domain is not None:
            columns["domain"] = np.array(self.domain, dtype=object)
            columns["domain_reason"] = np.array(self.domain_reason, dtype=object)
        if model_version:
            columns["model_version"] = np.full(len(self), self.model_version, dtype=object)
        return columns

    def _describe_target(self, number: int, target: Target) -> dict[str, np.ndarray]:
        values = self.values[:, number]
        columns = {target.column: values}
        half = None if self.uncertainty is None else self.uncertainty[:, number]
        if half is not None:
            columns[Target(f"{target.name} uncertainty", target.unit).column] = half
        plain = target.without_logarithm
        if plain is None:
            return columns
        columns[plain.column] = 10.0**values
        if half is not None:
            for word, end in (("lower", values - half), ("upper", values + half)):
                columns[Target(f"{plain.name} {word}", plain.unit).column] = 10.0**end
        return columns

    def _describe_classes(self) -> dict[str, np.ndarray]:
        name, classes = self.task.targets[0].name, np.array(self.task.classes, dtype=object)
        chosen = self.values.argmax(axis=1) if len(self) else np.empty(0, int)
        columns = {name: classes[chosen]}
        for number, word in enumerate(self.task.classes):
            columns[f"probability {word}"] = self.values[:, number]
        if self.class_sets is not None:
            texts = [" | ".join(classes[row]) for row in self.class_sets]
            columns[f"{name} set"] = np.array(texts, dtype=object)
        return columns

    def _texts(self, texts: Sequence[str] | None) -> np.ndarray:
        return np.array(texts or [""] * len(self), dtype=object)

    def _ends(self, number: int) -> tuple[Target, np.ndarray, np.ndarray, np.ndarray]:
        """Return a target with its values and the ends of their intervals; no logarithms."""
        target, values = self.task.targets[number], self.values[:, number]
        half = np.full(len(self), np.nan) if self.uncertainty is None else self.uncertainty
        half = half if half.ndim == 1 else half[:, number]
        plain = target.without_logarithm
        if plain is None:
            return target, values, values - half, values + half
        return plain, 10.0**values, 10.0 ** (values - half), 10.0 ** (values + half)

    def _classes(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the likeliest class of each crystal, and its probability."""
        chosen = self.values.argmax(axis=1) if len(self) else np.empty(0, int)
        probability = self.values[np.arange(len(self)), chosen]
        return np.array(self.task.classes, dtype=object)[chosen], probability

    def _to_long(self, *, model_version: bool) -> Columns:
        ids, blank = self._texts(self.ids), self._texts(None)
        domains = {"domain": self._texts(self.domain)}
        domains["domain_reason"] = self._texts(self.domain_reason)
        if model_version:
            domains["model_version"] = self._texts([self.model_version] * len(self))
        parts = []
        if self.task.kind == "classification":
            name = self._texts([self.task.targets[0].name] * len(self))
            classes, probability = self._classes()
            none = np.full(len(self), np.nan)
            parts.append((ids, name, probability, none, none, blank, classes, *domains.values()))
        else:
            for number in range(len(self.task.targets)):
                target, values, lower, upper = self._ends(number)
                name, unit = (
                    self._texts([text] * len(self)) for text in (target.name, target.unit)
                )
                found = (ids, name, values, lower, upper, unit, blank)
                parts.append((*found, *domains.values()))
        names = (*_LONG[:-2], *domains)
        order = _interleave(len(self), len(parts))
        joined = (np.concatenate(column)[order] for column in zip(*parts, strict=True))
        return dict(zip(names, joined, strict=True))

    def _to_wide(self, label: str) -> Columns:
        """Return the columns of a table of several models; `label` precedes ambiguous names."""
        columns: Columns = {}
        target = self.task.targets[0]
        first = f"{label}{(target.without_logarithm or target).name}"
        if self.task.kind == "classification":
            columns[first], columns[f"{first} probability"] = self._classes()
        for number in range(len(self.task.targets) if self.task.kind == "regression" else 0):
            target, values, lower, upper = self._ends(number)
            name = f"{label}{target.name}"
            columns[Target(name, target.unit).column] = values
            if self.uncertainty is None:
                continue
            if target is self.task.targets[number]:
                half = self.uncertainty[:, number]
                columns[Target(f"{name} uncertainty", target.unit).column] = half
            else:  # the interval of a logarithm is not symmetric
                columns[Target(f"{name} lower", target.unit).column] = lower
                columns[Target(f"{name} upper", target.unit).column] = upper
        if self.domain is not None:
            columns[f"{first} domain"] = self._texts(self.domain)
        return columns


@dataclass(frozen=True, eq=False)
class PredictionGroup(Mapping[str, Predictions]):
    """What several models say of the same crystals: a mapping from a model to its predictions.

    Attributes:
        by_model: The predictions of each model, by its name.
        ids: Of the crystals that one model at least could predict.
        rows: Which of the crystals that were given they are, counted from 0.
        rejected: What could not be predicted, and why: a crystal, or the models that refused it.
    """

    by_model: Mapping[str, Predictions]
    ids: tuple[str, ...]
    rows: Int64[np.ndarray, "n_crystals"]
    rejected: tuple[Rejected, ...] = ()

    def __len__(self) -> int:
        return len(self.by_model)

    def __getitem__(self, name: str) -> Predictions:
        return self.by_model[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_model)

    def to_frame(self, *, model_version: bool = False, long: bool = False) -> pandas.DataFrame:
        """Return the columns of `to_columns` as a table of pandas."""
        return make_frame(self.to_columns(model_version=model_version, long=long))

    def to_columns(self, *, model_version: bool = False, long: bool = False) -> Columns:
        """Return one row per crystal, or with `long` a row for each crystal and property.

        The columns of the wide table are `id`, and of each model `<target> [unit]`, `<target>
        uncertainty [unit]` (half the width of the interval; of a quantity that is learned as a
        logarithm, the ends `<target> lower [unit]` and `<target> upper [unit]`; of classes the
        class and `<target> probability`) and `<target> domain`. Where two models predict the same
        target, the name of the model stands before it. What a model refused is blank.

        Args:
            model_version: Add the column `model_version`; in the wide table with all of them.
            long: Return a row for each crystal and property, as `Predictions.to_columns` does, with
                the name of the model in the column `model`.

        Returns:
            Arrays of one length by column header.
        """
        if long:
            parts = []
            for name, part in self.items():
                found = part.to_columns(model_version=model_version, long=True)
                model = np.full(len(found["id"]), name, dtype=object)
                parts.append({"id": found.pop("id"), "model": model, **found})
            rows = [np.repeat(part.rows, len(part.task.targets)) for part in self.values()]
            order = np.argsort(np.concatenate(rows), kind="stable")
            return {
                name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]
            }
        columns: Columns = {"id": np.array(self.ids, dtype=object)}
        shared = Counter(target for part in self.values() for target in part.task.targets)
        for name, part in self.items():
            is_shared = any(shared[target] > 1 for target in part.task.targets)
            places = np.searchsorted(self.rows, part.rows)
            for header, values in part._to_wide(f"{name} " if is_shared else "").items():
                columns[header] = _spread(values, places, len(self.ids))
        if model_version:
            versions = ", ".join(part.model_version for part in self.values())
            columns["model_version"] = np.full(len(self.ids), versions, dtype=object)
        return columns


def make_frame(columns: Columns) -> pandas.DataFrame:
    """Return a table of pandas, which not every installation has."""
    return import_extra("pandas", "a table as a data frame").DataFrame(columns)


def _interleave(n_crystals: int, n_parts: int) -> np.ndarray:
    """Return the order that puts the parts of each crystal together."""
    return np.arange(n_crystals * n_parts).reshape(n_parts, n_crystals).T.ravel()


def _spread(values: np.ndarray, places: np.ndarray, n_rows: int) -> np.ndarray:
    """Put values at their places in a column that is blank elsewhere."""
    blank = "" if values.dtype == object else np.nan
    column = np.full(n_rows, blank, dtype=values.dtype)
    column[places] = values
    return column
