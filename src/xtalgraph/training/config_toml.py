"""Settings as text: TOML in and out, and overrides such as `model.pooling=max`."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from xtalgraph.errors import BadConfig, UnknownName
from xtalgraph.nn import NETWORKS
from xtalgraph.nn.saved import RENAMED_SETTINGS
from xtalgraph.training.config import RunConfig, preset

SECTIONS = ("graph", "model", "train")
REMOVED = {"compile": False, "cuda_graphs": False}  # settings of 0.1, at what means nothing
RECORD_SECTION = "data"  # where a run folder keeps what it was trained on; not a setting


def read_config(path: Path | str, base: RunConfig | None = None) -> RunConfig:
    """Give the settings of a TOML file; what it does not name is taken from `base`.

    The file has the sections `[graph]`, `[model]` (with `kind`, a name of `NETWORKS`) and
    `[train]`. A run folder's `config.toml` can be given as it is. Refused, naming the nearest legal
    one: keys and sections that do not exist, and values of the wrong type.
    """
    tables = read_toml(path)
    tables.pop(RECORD_SECTION, None)
    try:
        return override(base or preset("default"), tables)
    except (BadConfig, UnknownName) as error:
        raise BadConfig(f"{path}: {error}") from error


def read_toml(path: Path | str) -> dict[str, Any]:
    """Give the tables of a TOML file; `BadConfig` says in which line it is broken."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadConfig(f"{path}: cannot be read ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadConfig(f"{path}: not a TOML file: {error}.") from error


def apply_overrides(config: RunConfig, assignments: Sequence[str]) -> RunConfig:
    """Give the config with `section.key=value` assignments applied, as `--set` takes them.

    >>> apply_overrides(preset("default"), ["train.epochs=3", "graph.rule=nearest"]).graph.rule
    'nearest'
    """
    tables: dict[str, dict[str, Any]] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        section, dot, key = name.strip().partition(".")
        if not (equals and dot and key):
            raise BadConfig(f"{assignment!r}: write section.key=value, as in train.epochs=50.")
        tables.setdefault(section, {})[key] = _read_value(text.strip())
    return override(config, tables)


def override(config: RunConfig, tables: Mapping[str, Any]) -> RunConfig:
    """Give the config with the values of `tables` (section, key) in place of its own."""
    for section, table in tables.items():
        if section not in SECTIONS:
            raise UnknownName("section", section, SECTIONS)
        if not isinstance(table, Mapping):
            raise BadConfig(f"[{section}] must be a section of keys, got {table!r}.")
    model, values = config.model, dict(tables.get("model", {}))
    kind = values.pop("kind", config.model_kind)
    if kind != config.model_kind:
        model = NETWORKS[str(kind)].config_class()
    return RunConfig(
        graph=_replace(config.graph, "graph", tables.get("graph", {})),
        model=_replace(model, "model", values),
        train=_replace(config.train, "train", tables.get("train", {})),
    )


def format_config(config: RunConfig, record: Mapping[str, Any] | None = None) -> str:
    """Give the TOML text of all settings, and of `record` as `[data]`, that `read_config` reads."""
    tables = config_tables(config) | ({RECORD_SECTION: dict(record)} if record else {})
    return format_toml(tables)


def config_tables(config: RunConfig) -> dict[str, dict[str, Any]]:
    """Give all settings by section and key, as they stand in TOML."""
    tables = {section: _table(getattr(config, section)) for section in SECTIONS}
    tables["model"] = {"kind": config.model_kind} | tables["model"]
    return tables


def format_toml(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Give the TOML text of flat tables."""
    sections = []
    for section, table in tables.items():
        lines = [f"{key} = {_format_value(value)}" for key, value in table.items()]
        sections.append("\n".join([f"[{section}]", *lines]))
    return "\n\n".join(sections) + "\n"


def _table(config: Any) -> dict[str, Any]:
    return {field.name: getattr(config, field.name) for field in fields(config)}


def _format_value(value: Any) -> str:
    if value is None:
        return '"none"'  # TOML has no null; `_convert` reads it back where None is legal
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        # JSON's escapes are those of TOML; DEL is the one character that only JSON leaves raw
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_format_value(item) for item in value) + "]"
    raise BadConfig(f"a {type(value).__name__} cannot be written as TOML: {value!r}.")


def _read_value(text: str) -> Any:
    """Read a value as TOML; text that is no TOML value is taken as a string without quotes."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _replace(config: Any, section: str, values: Mapping[str, Any]) -> Any:
    values = {
        RENAMED_SETTINGS.get(key, key): value
        for key, value in values.items()
        if not (section == "train" and key in REMOVED and value is REMOVED[key])
    }
    hints = get_type_hints(type(config))
    legal = [field.name for field in fields(config)]
    for key in values:
        if key not in legal:
            raise UnknownName(f"key in [{section}]", key, legal)
    converted = {
        key: _convert(value, hints[key], f"{section}.{key}") for key, value in values.items()
    }
    return replace(config, **converted)


def _convert(value: Any, annotation: Any, name: str) -> Any:
    """Give the value as the field's type wants it, or refuse it; nothing is rounded or guessed."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        if NoneType in arguments and value == "none":
            return None
        plain = [argument for argument in arguments if argument is not NoneType]
        exact = [argument for argument in plain if type(value) is argument]
        return _convert(value, (exact or plain)[0], name)
    if origin is tuple:
        if isinstance(value, list):
            return tuple(_convert(item, arguments[0], name) for item in value)
        expected = f"a list such as [1, 2], each {_type_name(arguments[0])}"
    else:
        if annotation is float and type(value) is int:
            return float(value)
        if type(value) is annotation:
            return value
        expected = _type_name(annotation)
    raise BadConfig(f"{name} = {value!r}: expected {expected}.")


def _type_name(annotation: Any) -> str:
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    return names.get(annotation, str(annotation))
