"""The settings of a training run, the presets, and settings as text: TOML and `--set`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import tomli_w

from xtalgraph.errors import BadConfig, UnknownName
from xtalgraph.graphs import GraphConfig
from xtalgraph.nn import NETWORKS, CgcnnConfig, NetworkConfig, network_name
from xtalgraph.nn.configs import NETWORK_OF_2018
from xtalgraph.nn.saved import RENAMED_SETTINGS
from xtalgraph.settings import check_settings, explained, setting

PRESETS = ("default", "paper")
SECTIONS = ("graph", "model", "train")
RECORD_SECTION = "data"  # where a run folder records its training data; not a setting
_DROPPED_SETTINGS = {"compile", "cuda_graphs"}  # of [train] in 0.1; they only affected speed


@explained
@dataclass(frozen=True)
class TrainConfig:
    """Settings of the optimisation and of the machine it runs on.

    The defaults are those of the preset `default`; `preset("paper")` has those of the 2018 code.
    """

    # fmt: off
    loss: str = setting(
        "l1", "Regression loss, on standardized targets.", choices=("l1", "mse", "huber"))
    optimiser: str = setting("adamw", "Optimiser.", choices=("adamw", "sgd"))
    learning_rate: float = setting(5e-3, "Maximum learning rate of the schedule.", above=0)
    momentum: float = setting(0.9, "Momentum of sgd.", at_least=0, below=1)
    weight_decay: float = setting(
        0.01, "Weight decay; with adamw it is multiplied by the learning rate.", at_least=0)
    schedule: str = setting(
        "one_cycle", "Learning rate schedule.", choices=("one_cycle", "step", "constant"))
    warm_up: float = setting(
        0.3, "Fraction of a one_cycle run before the maximum learning rate.", above=0, below=1)
    step_epochs: tuple[int, ...] = setting(
        (100,), "Epochs after which the schedule step multiplies the rate, ascending.")
    step_factor: float = setting(
        0.1, "Factor by which the schedule step multiplies the rate.", above=0, at_most=1)
    epochs: int = setting(100, "Passes over the training set.", at_least=1)
    batch_size: int = setting(64, "Crystals per step and process.", at_least=2)
    gradient_clip: float = setting(0.0, "Maximum norm of the gradient; 0 = off.", at_least=0)
    weight_averaging: float = setting(
        0.999, "Decay per step of the moving average of the weights; 0 = off.", at_least=0, below=1)
    start_from: str = setting(
        "", "Fine-tuning: the trained model whose weights the run starts from; empty = random.")
    freeze: str = setting(
        "none", "Fine-tuning: which weights are frozen; convolutions = all up to pooling.",
        choices=("none", "convolutions"), kind="part to freeze")
    patience: int = setting(
        0, "Epochs without improvement in validation before early stopping; 0 = off.", at_least=0)
    seed: int = setting(0, "Seed of initial weights, batch order and dropout.", at_least=0)
    split_seed: int = setting(
        0, "Seed of the split; runs with different seeds share their test set.", at_least=0)
    accelerator: str = setting(
        "auto", "Where to train; auto = a GPU if torch finds one, else the CPU.",
        choices=("auto", "cpu", "gpu", "mps"))
    devices: int | str = setting(
        1, 'Processes per machine: a number, "auto" = every GPU, or "0,2" = these GPUs.')
    num_nodes: int = setting(1, "Machines; several need torchrun or SLURM's srun.", at_least=1)
    strategy: str = setting(
        "auto", "Strategy for several processes; both are DDP.", choices=("auto", "ddp"))
    precision: str = setting(
        "32-true", "Floating point: float32, float64, or automatic mixed precision.",
        choices=("32-true", "64-true", "16-mixed", "bf16-mixed"))
    threads: int = setting(1, "Threads of torch on the CPU, per process.", at_least=1)
    tensorboard: bool = setting(
        False, "Also write TensorBoard logs to the run folder; needs the extra tensorboard.")
    # fmt: on

    def __post_init__(self) -> None:
        check_settings(self, "train")
        if any(a >= b for a, b in zip((0, *self.step_epochs), self.step_epochs, strict=False)):
            raise BadConfig(
                f"train.step_epochs = {list(self.step_epochs)}; it must be an ascending list of "
                "epochs, 1 or more."
            )
        if self.freeze != "none" and not self.start_from:
            raise BadConfig(
                f"train.freeze = {self.freeze!r} needs trained weights to freeze: name a model "
                "(--from, train.start_from)."
            )


@dataclass(frozen=True)
class RunConfig:
    """All settings of a training run except the data.

    Attributes:
        graph: How graphs are built.
        model: The network, a config of one of `NETWORKS`.
        train: The optimisation and the machine.
    """

    graph: GraphConfig = field(default_factory=GraphConfig)
    model: NetworkConfig = field(default_factory=CgcnnConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        network_name(self.model)  # refuses anything but the config of a network

    @property
    def model_kind(self) -> str:
        """The name of the model in `NETWORKS`."""
        return network_name(self.model)


def preset(name: str) -> RunConfig:
    """Return the settings of a preset.

    `paper` is the 2018 code: exactly 12 nearest neighbours, 3 gated convolutions of width 64 with
    batch normalisation and softplus after the residual, one hidden layer of 128, and plain SGD on
    the squared error for 30 epochs. Its step schedule starts after epoch 100, as in that code, so
    it only affects longer runs.

    Args:
        name: `default` or `paper`.

    Returns:
        All settings.

    Raises:
        UnknownName: There is no such preset.

    >>> preset("paper").train.optimiser
    'sgd'
    """
    if name == "default":
        return RunConfig()
    if name == "paper":
        return RunConfig(GraphConfig(rule="nearest"), NETWORK_OF_2018, _PAPER_TRAINING)
    raise UnknownName("preset", name, PRESETS)


_PAPER_TRAINING = TrainConfig(
    loss="mse",
    optimiser="sgd",
    learning_rate=0.01,
    momentum=0.9,
    weight_decay=0.0,
    schedule="step",
    step_epochs=(100,),
    step_factor=0.1,
    epochs=30,
    batch_size=256,
    weight_averaging=0.0,
)


def read_config(path: Path | str, base: RunConfig | None = None) -> RunConfig:
    """Return the settings of a TOML file; those it does not contain are taken from `base`.

    The file has the sections `[graph]`, `[model]` (with `kind`, a name of `NETWORKS`) and
    `[train]`. The `config.toml` of a run folder can be used as it is, also one of version 0.1.

    Args:
        path: The TOML file.
        base: Settings that the file leaves out; the preset `default` if None.

    Returns:
        All settings.

    Raises:
        UnknownName: A key or section does not exist; the message names the closest one.
        BadConfig: The file cannot be read, or a value has the wrong type or is out of range.
    """
    tables = read_toml(path)
    tables.pop(RECORD_SECTION, None)
    if isinstance(tables.get("train"), dict):
        tables["train"] = {
            key: value for key, value in tables["train"].items() if key not in _DROPPED_SETTINGS
        }
    try:
        return override(base or preset("default"), tables)
    except (BadConfig, UnknownName) as error:
        raise BadConfig(f"{path}: {error}") from error


def read_toml(path: Path | str) -> dict[str, Any]:
    """Return the tables of a TOML file; `BadConfig` names the line of a syntax error."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadConfig(f"{path}: cannot be read ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadConfig(f"{path}: not a TOML file: {error}.") from error
    except RecursionError as error:
        raise BadConfig(f"{path}: its tables or arrays are nested too deeply.") from error


def apply_overrides(config: RunConfig, assignments: Sequence[str]) -> RunConfig:
    """Return the config with `section.key=value` assignments applied, as with `--set`.

    Args:
        config: Settings; they are not changed.
        assignments: A value is parsed as TOML; anything else is a string without quotes.

    Returns:
        The new settings.

    Raises:
        UnknownName: A section or key does not exist.
        BadConfig: An assignment has another form, or a value the wrong type or range.

    >>> apply_overrides(preset("default"), ["train.epochs=3", "graph.rule=nearest"]).graph.rule
    'nearest'
    """
    tables: dict[str, dict[str, Any]] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        section, dot, key = name.strip().partition(".")
        if not (equals and dot and key):
            raise BadConfig(f"{assignment!r}: write section.key=value, such as train.epochs=50.")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except (tomllib.TOMLDecodeError, RecursionError):
            value = text.strip()
        tables.setdefault(section, {})[key] = value
    return override(config, tables)


def override(config: RunConfig, tables: Mapping[str, Any]) -> RunConfig:
    """Return the config with the values of `tables` (section, key) replacing its own."""
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
    """Return all settings as TOML that `read_config` reads.

    Args:
        config: Settings.
        record: What a run was trained on, written as `[data]`.

    Returns:
        The text of the file.
    """
    return tomli_w.dumps(config_tables(config) | ({RECORD_SECTION: record} if record else {}))


def config_tables(config: RunConfig) -> dict[str, dict[str, Any]]:
    """Return all settings by section and key, as in TOML, where None is written as "none"."""
    tables: dict[str, dict[str, Any]] = {"graph": {}, "model": {"kind": config.model_kind}}
    for section in SECTIONS:
        part = getattr(config, section)
        values = {item.name: getattr(part, item.name) for item in fields(part)}
        tables[section] = tables.get(section, {}) | {
            name: "none" if value is None else value for name, value in values.items()
        }
    return tables


def _replace(config: Any, section: str, values: Mapping[str, Any]) -> Any:
    values = {RENAMED_SETTINGS.get(key, key): value for key, value in values.items()}
    hints = get_type_hints(type(config))
    legal = [item.name for item in fields(config)]
    for key in values:
        if key not in legal:
            raise UnknownName(f"key in [{section}]", key, legal)
    converted = {
        key: _convert(value, hints[key], f"{section}.{key}") for key, value in values.items()
    }
    return replace(config, **converted)


def _convert(value: Any, annotation: Any, name: str) -> Any:
    """Return the value in the field's type, or refuse it; nothing is rounded or guessed."""
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
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a string"}
    return names.get(annotation, str(annotation))
