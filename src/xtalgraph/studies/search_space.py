"""What a search may choose: ranges and lists of settings, by default or from a TOML file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from xtalgraph.errors import BadConfig, UnknownName
from xtalgraph.training import RunConfig
from xtalgraph.training.config import override, read_toml

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Value = int | float | str | bool
_RANGE_KEYS = ("low", "high", "log")
_FIXED = ("train.seed", "train.split_seed")


@dataclass(frozen=True)
class Range:
    """Numbers in a range.

    Attributes:
        low: Lower end, included.
        high: Upper end, included; only integers are drawn if both ends are integers.
        log: Whether the logarithm is drawn uniformly.
    """

    low: int | float
    high: int | float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and self.low <= 0):
            rule = "0 < low < high" if self.log else "low < high"
            raise BadConfig(f"low = {self.low}, high = {self.high}: {rule} is needed.")

    @property
    def distribution(self) -> BaseDistribution:
        """The same as Optuna takes it."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if isinstance(self.low, int) and isinstance(self.high, int):
            return IntDistribution(self.low, self.high, log=self.log)
        return FloatDistribution(self.low, self.high, log=self.log)

    def holds(self, value: Value) -> bool:
        """Return whether a value lies in the range."""
        return not isinstance(value, str) and self.low <= value <= self.high


@dataclass(frozen=True)
class Choice:
    """One of several values.

    Attributes:
        values: The values.
    """

    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        if not self.values or len(set(self.values)) < len(self.values):
            raise BadConfig(f"{list(self.values)}: give one value or more, each once.")

    @property
    def distribution(self) -> BaseDistribution:
        """The same as Optuna takes it."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.values)

    def holds(self, value: Value) -> bool:
        """Return whether a value is one of them."""
        return value in self.values


Space = Mapping[str, Range | Choice]

DEFAULT_SPACE: Space = {
    "train.learning_rate": Range(1e-3, 2e-2, log=True),  # a factor of 4 about the default of 5e-3
    "train.weight_decay": Range(1e-4, 1e-1, log=True),  # matters little below, harms above
    "train.batch_size": Choice((32, 64, 128)),  # larger ones generalise worse on small data
    "model.atom_width": Choice((32, 64, 96, 128)),  # cost grows with its square
    "model.n_convolutions": Range(2, 5),  # each one looks a neighbour further
    "model.dropout": Range(0.0, 0.3),
    "graph.n_neighbours": Choice((8, 12, 16)),  # cost grows with it
}
"""The search space of `tune` where no other is given; everything else is as the settings say."""


def read_space(path: Path | str) -> dict[str, Range | Choice]:
    """Read a search space from TOML with the sections of a config file.

    A list is a choice, `{ low = 1e-3, high = 2e-2, log = true }` a range (integers if both ends
    are), and `log` is optional:

        [train]
        learning_rate = { low = 1e-3, high = 2e-2, log = true }
        [model]
        pooling = ["mean", "max"]
        n_convolutions = { low = 2, high = 5 }

    Args:
        path: The TOML file.

    Returns:
        Ranges and choices by setting, such as `train.learning_rate`.

    Raises:
        UnknownName: There is no such setting.
        BadConfig: The file cannot be read, or a range or value is invalid.
    """
    space: dict[str, Range | Choice] = {}
    for section, table in read_toml(path).items():
        if not isinstance(table, Mapping):
            raise BadConfig(f"{path}: {section!r} stands outside a section such as [train].")
        for key, value in table.items():
            try:
                space[f"{section}.{key}"] = _read_entry(value)
            except (BadConfig, UnknownName) as error:
                raise BadConfig(f"{path}, {section}.{key}: {error}") from error
    return space


def format_space(space: Space) -> str:
    """Return the TOML text of a space that `read_space` reads.

    >>> print(format_space({"train.epochs": Range(3, 9), "model.pooling": Choice(("mean",))}))
    [train]
    epochs = { low = 3, high = 9, log = false }
    [model]
    pooling = ["mean"]
    """
    sections: dict[str, list[str]] = {}
    for name, entry in space.items():
        section, _, key = name.partition(".")
        if isinstance(entry, Choice):
            text = json.dumps(list(entry.values), ensure_ascii=False)
        else:
            log = str(entry.log).lower()
            text = f"{{ low = {entry.low!r}, high = {entry.high!r}, log = {log} }}"
        sections.setdefault(section, []).append(f"{key} = {text}")
    return "\n".join("\n".join([f"[{name}]", *lines]) for name, lines in sections.items())


def _read_entry(value: Any) -> Range | Choice:
    if isinstance(value, list):
        if not all(isinstance(one, Value) for one in value):
            raise BadConfig(f"{value}: a choice is among numbers, texts and true/false.")
        return Choice(tuple(value))
    if not isinstance(value, Mapping):
        raise BadConfig(f"{value!r}: write a list, or {{ low = 1, high = 5 }}.")
    for key in value:
        if key not in _RANGE_KEYS:
            raise UnknownName("key of a range", key, _RANGE_KEYS)
    low, high, log = value.get("low"), value.get("high"), value.get("log", False)
    if not (_is_number(low) and _is_number(high)):
        raise BadConfig(f"low = {low!r}, high = {high!r}: both must be numbers.")
    if not isinstance(log, bool):
        raise BadConfig(f"log = {log!r}: it must be true or false.")
    return Range(low, high, log)


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def refuse_impossible(space: Space, config: RunConfig) -> None:
    """Raise `BadConfig` where a value of the space is no legal setting."""
    if not space:
        raise BadConfig("the search space is empty. Name a setting with its range.")
    for name, entry in space.items():
        if name in _FIXED:
            raise BadConfig(f"{name} is no matter of a search: trials of several seeds or splits "
                            "do not compare. Leave it out.")  # fmt: skip
        ends = entry.values if isinstance(entry, Choice) else (entry.low, entry.high)
        for value in ends:
            try:
                set_values(config, {name: value})
            except (BadConfig, UnknownName) as error:
                raise BadConfig(f"search space, {name}: {error}") from error


def set_values(config: RunConfig, values: Mapping[str, Value]) -> RunConfig:
    """Return the settings with values by name, as `train.epochs`."""
    tables: dict[str, dict[str, Value]] = {}
    for name, value in values.items():
        section, _, key = name.partition(".")
        tables.setdefault(section, {})[key] = value
    return override(config, tables)


def get_value(config: RunConfig, name: str) -> Value:
    """Return the value of a setting by its name."""
    section, _, key = name.partition(".")
    return getattr(getattr(config, section), key)
