"""The result of a prediction: one row a crystal, with units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float64

from xtalgraph.errors import Rejected
from xtalgraph.nn.task import Task
from xtalgraph.units import Target

if TYPE_CHECKING:
    import pandas


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

    def __len__(self) -> int:
        return len(self.ids)

    def to_frame(self, *, model_version: bool = False) -> pandas.DataFrame:
        """Give the columns of `to_columns` as a table."""
        import pandas as pd

        return pd.DataFrame(self.to_columns(model_version=model_version))

    def to_columns(self, *, model_version: bool = False) -> dict[str, np.ndarray]:
        """Give columns: `id`, then `<target> [unit]`, or the class and a probability a class.

        A calibrated model adds `<target> uncertainty [unit]`, half the width of the interval that
        holds the true value for `coverage` of unseen crystals (for classes `<target> set`, those
        of them that may be true), `domain` and `domain_reason`. A logarithm is given as the
        quantity itself too, with the ends of its interval: `bulk_modulus [GPa]`,
        `bulk_modulus lower [GPa]`, `bulk_modulus upper [GPa]`.

        Args:
            model_version: Add the column `model_version`, such as `formation-energy@0.1`.

        Returns:
            Arrays of one length by column header.
        """
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
