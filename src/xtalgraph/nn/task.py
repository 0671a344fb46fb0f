"""What a network is asked: targets with units or classes, and which crystals it can take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float64, Int64

from xtalgraph.errors import BadConfig, BadCrystal, Rejected, UnknownName
from xtalgraph.structures import CrystalStore
from xtalgraph.structures.elements import SYMBOLS
from xtalgraph.units import Target

if TYPE_CHECKING:
    import pandas

Rows = Int64[np.ndarray, "n_rows"]
"""Row numbers of a data set."""

Labels = Float64[np.ndarray, "n_rows n_targets"] | Int64[np.ndarray, "n_rows"]
"""True values: numbers in the units of the targets, NaN where missing; or class numbers, -1 where
missing."""

Outputs = Float64[np.ndarray, "n_rows n_outputs"]
"""Predicted values in the units of the targets, or a probability of each class."""

TASK_KINDS = ("regression", "classification")


@dataclass(frozen=True)
class Task:
    """Regression of one or more targets, or classification by one target.

    >>> Task("regression", (Target("band_gap", "eV"),)).n_outputs
    1
    >>> Task("classification", (Target("is_metal"),), ("0", "1")).n_outputs
    2

    Attributes:
        kind: `regression` or `classification`.
        targets: What is predicted, each with its unit; a classification has one.
        classes: The names of the classes, in the order of the network's outputs; empty for a
            regression.
    """

    kind: str
    targets: tuple[Target, ...]
    classes: tuple[str, ...] = ()

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
            raise BadConfig(f"classification needs one target, got {names}. Train one at a time.")
        if len(set(self.classes)) < max(2, len(self.classes)):
            raise BadConfig(
                f"classification by {names[0]!r}: two or more different classes are needed, got "
                f"{list(self.classes)}."
            )

    @property
    def n_outputs(self) -> int:
        """Columns that the network gives: one per target, or one per class."""
        return len(self.targets) if self.kind == "regression" else len(self.classes)

    def tabulate(self, ids: Sequence[str], labels: Labels, predicted: Outputs) -> pandas.DataFrame:
        """Return a table of true and predicted values, units in the header.

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


@dataclass(frozen=True)
class Normaliser:
    """z = (y - mean) / std for each target, fitted on the training set alone.

    >>> normaliser = Normaliser.fit(np.array([[1.0], [3.0], [np.nan]]), ["band_gap"])
    >>> normaliser
    Normaliser(mean=(2.0,), std=(1.0,))
    >>> normaliser.inverse_transform(np.array([[-1.0]])).item()
    1.0

    Attributes:
        mean: Of the labels of each target, in its unit.
        std: The population standard deviation (divided by n), likewise.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def fit(cls, values: Float[np.ndarray, "n_rows n_targets"], names: Sequence[str]) -> Normaliser:
        """Take mean and standard deviation of each column of the training set.

        Args:
            values: Labels in the units of the targets; NaN is a missing label.
            names: Of the targets, for error messages.

        Returns:
            The normaliser.

        Raises:
            BadDataset: A target has no labels, infinite or too large ones, or the same value
                everywhere.
        """
        from xtalgraph.data.question import refuse_unlearnable  # which prediction does not need

        mean, std = [], []
        for name, column in zip(names, values.T, strict=True):
            refuse_unlearnable(name, column)
            labels = column[~np.isnan(column)].astype(np.float64)
            mean.append(float(labels.mean()))
            std.append(float(labels.std()))
        return cls(tuple(mean), tuple(std))

    def transform(
        self, values: Float[np.ndarray, "n_rows n_targets"]
    ) -> Float[np.ndarray, "n_rows n_targets"]:
        """Standardize labels; NaN stays NaN."""
        return (values - np.array(self.mean, values.dtype)) / np.array(self.std, values.dtype)

    def inverse_transform(
        self, values: Float[np.ndarray, "n_rows n_targets"]
    ) -> Float[np.ndarray, "n_rows n_targets"]:
        """Return standardized values in the units of the targets."""
        return values * np.array(self.std, values.dtype) + np.array(self.mean, values.dtype)


def interpret_outputs(
    outputs: Float[np.ndarray, "n_rows n_outputs"], normaliser: Normaliser | None
) -> Outputs:
    """Turn the outputs of a network into answers.

    Args:
        outputs: Standardized values, or the logits of the classes.
        normaliser: Of the training labels; None for a classification.

    Returns:
        Values in the units of the targets, or the probability of each class (softmax).
    """
    outputs = outputs.astype(np.float64)
    if normaliser is not None:
        return normaliser.inverse_transform(outputs)
    powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def refuse_unknown_elements(
    crystals: CrystalStore, known_elements: list[int], *, rejected: list[Rejected] | None = None
) -> Rows:
    """Find the crystals all of whose elements a network knows.

    Call it where crystals come in: on an accelerator a network cannot say which crystal it was.

    Args:
        crystals: What is to be predicted or learned from.
        known_elements: Atomic numbers that the network has a vector for.
        rejected: A list to which the other crystals are appended.

    Returns:
        The indices of the crystals that the network can take.

    Raises:
        BadCrystal: There are others, and no list is given.
    """
    known = np.zeros(256, dtype=bool)
    known[known_elements] = True
    unknown_atoms = np.flatnonzero(~known[crystals.atomic_numbers])
    owners = np.searchsorted(crystals.offsets, unknown_atoms, side="right") - 1
    found = []
    for index in np.unique(owners).tolist():
        numbers = np.unique(crystals.atomic_numbers[unknown_atoms[owners == index]])
        symbols = ", ".join(SYMBOLS[number] for number in numbers)
        found.append(Rejected(str(crystals.ids[index]), f"the network has no vector for {symbols}"))
    if found and rejected is None:
        more = ", ".join(row.id for row in found[1:10])
        also = f" (likewise in {len(found) - 1} more: {more})" if more else ""
        raise BadCrystal(
            found[0].reason + also,
            id=found[0].id,
            remedy="Leave it out, or train with model.element_vectors = 'learned'.",
        )
    if rejected is not None:
        rejected.extend(found)
    return np.setdiff1d(np.arange(len(crystals)), owners)


def try_each(
    crystals: CrystalStore, check: Callable[[CrystalStore], object]
) -> tuple[Rows, list[BadCrystal]]:
    """Check crystals one by one, after a check of all together has failed.

    Args:
        crystals: What is to be checked.
        check: Called with a store of one crystal; it raises `BadCrystal` where it cannot take it.

    Returns:
        The indices of the good ones, and the error of each other.
    """
    good, errors = [], []
    for row in range(len(crystals)):
        try:
            check(crystals.take([row]))
        except BadCrystal as error:
            errors.append(error)
        else:
            good.append(row)
    return np.array(good, dtype=np.int64), errors
