"""What a network is asked: numbers of certain units, or one of certain classes."""

from __future__ import annotations

from dataclasses import dataclass

from xtalgraph.errors import BadConfig, UnknownName
from xtalgraph.units import Target

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
