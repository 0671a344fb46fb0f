"""The result of a prediction: one row a crystal, with units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float64

from xtalgraph.errors import Rejected
from xtalgraph.nn import Task
from xtalgraph.units import Target

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predicted values, one row a crystal, in the units of the task's targets.

    For regression `values` has a column for each target; for classification it holds the
    probability of each class. `rejected` lists the crystals that could not be predicted. The other
    fields are there for models that have what they come from: several members give a `spread`, a
    calibration gives `uncertainty` or `class_sets`, known training crystals a `distance` and a
    `domain`.
    """

    ids: tuple[str, ...]
    values: Float64[np.ndarray, "n_crystals n_outputs"]
    task: Task
    rejected: tuple[Rejected, ...] = ()
    spread: Float64[np.ndarray, "n_crystals n_outputs"] | None = None  # σ over the members
    uncertainty: Float64[np.ndarray, "n_crystals n_targets"] | None = None  # half-widths
    class_sets: Bool[np.ndarray, "n_crystals n_classes"] | None = None
    coverage: float | None = None  # of unseen crystals, by intervals or sets
    distance: Float64[np.ndarray, "n_crystals"] | None = None  # see `Reference.distance`
    domain: tuple[str, ...] | None = None  # in, edge or out
    domain_reason: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def to_frame(self) -> pandas.DataFrame:
        """Give the columns of `to_columns` as a table."""
        import pandas as pd

        return pd.DataFrame(self.to_columns())

    def to_columns(self) -> dict[str, np.ndarray]:
        """Give columns: `id`, then `<target> [unit]`, or the class and a probability a class.

        A calibrated model adds `<target> uncertainty [unit]`, half the width of the interval that
        holds the true value for `coverage` of unseen crystals (for classes `<target> set`, those
        of them that may be true), `domain` and `domain_reason`. A logarithm is given as the
        quantity itself too, with the ends of its interval: `bulk_modulus [GPa]`,
        `bulk_modulus lower [GPa]`, `bulk_modulus upper [GPa]`.
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
