"""Settings that explain themselves: each field of a config says what it means and what is legal.

A config is a frozen dataclass whose fields are made with `setting`. From them alone come the checks
when a config is made, `xtalgraph settings`, the help of the class, and the page of the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import Field, dataclass, field, fields
from typing import Any, TypeVar, get_type_hints

from xtalgraph.errors import BadConfig, UnknownName

Config = TypeVar("Config")


def setting(
    default: Any,
    meaning: str,
    *,
    choices: Collection[str] | None = None,
    kind: str = "",
    at_least: int | float | None = None,
    above: int | float | None = None,
    at_most: int | float | None = None,
    below: int | float | None = None,
    unit: str = "",
    changes_results: bool = True,
) -> Any:
    """Return a dataclass field with its default, its meaning and its legal values.

    `choices` is a tuple of names or a `Registry`, whose names are legal whoever added them; `kind`
    is what one of them is called in an error. Bounds are for numbers. Configs that differ only in
    a setting that does not change results are equal, and `decisive_settings` leaves it out.
    """
    rule = _Rule(meaning, choices, kind, at_least, above, at_most, below, unit)
    return field(default=default, metadata={"setting": rule}, compare=changes_results)


@dataclass(frozen=True)
class Setting:
    """A setting as it is shown: all texts."""

    name: str
    default: str
    legal: str
    meaning: str


@dataclass(frozen=True)
class _Rule:
    meaning: str
    choices: Collection[str] | None
    kind: str
    at_least: int | float | None
    above: int | float | None
    at_most: int | float | None
    below: int | float | None
    unit: str

    def is_legal(self, value: Any) -> bool:
        """Return whether a number is within the bounds; NaN is within none."""
        bounds: tuple[tuple[int | float | None, Callable[[Any, Any], bool]], ...] = (
            (self.at_least, lambda number, bound: number >= bound),
            (self.above, lambda number, bound: number > bound),
            (self.at_most, lambda number, bound: number <= bound),
            (self.below, lambda number, bound: number < bound),
        )
        return all(bound is None or within(value, bound) for bound, within in bounds)

    @property
    def range_in_words(self) -> str:
        """Which numbers are legal, such as `above 0`, `0 or more`, `0 or more, below 1`."""
        words = [
            f"{self.at_least:g} or more" if self.at_least is not None else "",
            f"above {self.above:g}" if self.above is not None else "",
            f"at most {self.at_most:g}" if self.at_most is not None else "",
            f"below {self.below:g}" if self.below is not None else "",
        ]
        return ", ".join(word for word in words if word)


def check_settings(config: object, section: str) -> None:
    """Check each field of a config; call it in `__post_init__`.

    Raises `UnknownName` with the nearest legal name, or `BadConfig` as `train.epochs = 0; it must
    be 1 or more.`
    """
    for item, rule in _rules(type(config)):
        value = getattr(config, item.name)
        if rule.choices is not None:
            if value not in rule.choices:
                raise UnknownName(rule.kind or item.name.replace("_", " "), value, rule.choices)
        elif isinstance(value, int | float) and not rule.is_legal(value):
            legal = f"{rule.range_in_words} {rule.unit}".rstrip()
            raise BadConfig(f"{section}.{item.name} = {value!r}; it must be {legal}.")


def decisive_settings(config: Any) -> dict[str, Any]:
    """Return the settings of a config that decide what comes out, by name: what a file keeps."""
    return {item.name: getattr(config, item.name) for item in fields(config) if item.compare}


def describe_settings(config: type, section: str) -> list[Setting]:
    """Return each setting of a config class with default, legal values and meaning."""
    hints = get_type_hints(config)
    described = []
    for item, rule in _rules(config):
        legal = rule.range_in_words or _TYPES.get(hints[item.name], "")
        if rule.choices is not None:
            legal = " | ".join(rule.choices)
        unit = f" {rule.unit}" if rule.unit else ""
        default = "none" if item.default is None else _show(item.default)
        described.append(Setting(f"{section}.{item.name}", default, legal + unit, rule.meaning))
    return described


def explained(config: type[Config]) -> type[Config]:
    """Add the settings to the docstring of a config class, for `help()`: a class decorator.

    Legal names are not listed there: other packages add to them, and `xtalgraph settings` knows.
    """
    lines = [f"        {item.name}: {rule.meaning}" for item, rule in _rules(config)]
    text = (config.__doc__ or "").rstrip()
    config.__doc__ = f"{text}\n\n    Attributes:\n" + "\n".join(lines) + "\n    "
    return config


_TYPES: dict[Any, str] = {
    bool: "true | false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    int | str: "a whole number or a text",
    tuple[int, ...]: "a list of whole numbers",
}


def _rules(config: type) -> list[tuple[Field, _Rule]]:
    return [
        (item, item.metadata["setting"]) for item in fields(config) if "setting" in item.metadata
    ]


def _show(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    return str(list(value)) if isinstance(value, tuple) else str(value)
