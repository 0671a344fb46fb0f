"""What a network is asked: numbers of certain units, or one of certain classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64, Int64

from xtalgraph.errors import BadConfig, UnknownName
from xtalgraph.units import Target

if TYPE_CHECKING:
    import pandas

TASK_KINDS = ("regression", "classification")


@dataclass(frozen=True)
class Task:
    """A task: regression of one or more targets, or classification by one target.

    >>> Task("regression", (Target("band_gap", "eV"),)).n_outputs
    1
    >>> Task("classification", (Target("is_metal"),), ("0", "1")).n_outputs
    2
    """

    kind: str
    targets: tuple[Target, ...]
    classes: tuple[str, ...] = ()  # in the order of the network's outputs

    def __post_init__(self) -> None:
        if self.kind not in TASK_KINDS:
            raise UnknownName("task", self.kind, TASK_KINDS)
        names = [target.name for target in self.targets]
        if not names or len(set(names)) < len(names):
            raise BadConfig(f"targets {names}: name at least one, and each once.")
        if self.kind == "regression":
            if self.classes:
                raise BadConfig(f"regression of {names} has no classes, got {self.classes}.")
            return
        if len(names) > 1:
            raise BadConfig(f"classification is by one target, got {names}. Train one by one.")
        if len(set(self.classes)) < max(2, len(self.classes)):
            raise BadConfig(
                f"classification by {names[0]!r}: two or more different classes are needed, got "
                f"{list(self.classes)}."
            )

    @property
    def n_outputs(self) -> int:
        """Columns that the network gives: one per target, or one per class."""
        return len(self.targets) if self.kind == "regression" else len(self.classes)

    def tabulate(
        self,
        ids: Sequence[str],
        labels: Float64[np.ndarray, "n_rows n_targets"] | Int64[np.ndarray, "n_rows"],
        predicted: Float64[np.ndarray, "n_rows n_outputs"],
    ) -> pandas.DataFrame:
        """Give a table of true and predicted values, units in the header.

        Args:
            ids: Of the rows.
            labels: In the units of the targets, NaN where missing; or class numbers, -1 where
                missing.
            predicted: In the units of the targets; or a probability of each class.

        Returns:
            `id`, then `NAME true [UNIT]` and `NAME predicted [UNIT]` of each target; or `NAME
            true`, `NAME predicted` and a `probability CLASS` of each class.
        """
        import pandas as pd

        columns: dict[str, object] = {"id": np.array(ids, dtype=object)}
        if self.kind == "classification":
            name, classes = self.targets[0].name, np.array([*self.classes, None], dtype=object)
            columns[f"{name} true"] = classes[labels]  # -1, a missing label, is the None at the end
            columns[f"{name} predicted"] = classes[predicted.argmax(axis=1)]
            columns |= {f"probability {c}": predicted[:, n] for n, c in enumerate(self.classes)}
            return pd.DataFrame(columns)
        for number, target in enumerate(self.targets):
            for word, values in (("true", labels), ("predicted", predicted)):
                column = Target(f"{target.name} {word}", target.unit).column
                columns[column] = values[:, number]
        return pd.DataFrame(columns)
