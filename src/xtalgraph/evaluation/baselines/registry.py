"""The baselines by name, what is known of each, and a fitted one in two files.

Nothing heavy is imported here, because the command line lists the names in its help.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from xtalgraph.errors import BadCheckpoint, BadConfig, BadDataset
from xtalgraph.files import write_json
from xtalgraph.registry import Registry
from xtalgraph.units import Target

if TYPE_CHECKING:
    from xtalgraph.data import Dataset
    from xtalgraph.evaluation.distance_table import Labelled
    from xtalgraph.nn import Outputs, Rows, Task

FORMAT = 1
Settings = Mapping[str, int | float | str]
DESCRIPTION, ARRAYS = "baseline.json", "baseline.safetensors"


@runtime_checkable
class Baseline(Protocol):
    """What a baseline can do. `settings` and the arrays of `state` make it again."""

    @property
    def settings(self) -> dict[str, int | float | str]:
        """The arguments that it was made with."""

    def fit(self, dataset: Labelled, rows: Rows, task: Task) -> None:
        """Learn from these rows of the data set, and from no other."""

    def predict(self, dataset: Labelled, rows: Rows) -> Outputs:
        """Return the targets in their units, or a probability of each class."""

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays that were learned."""

    def restore(self, state: dict[str, np.ndarray], task: Task) -> None:
        """Load arrays that `state` gave: predictions are then the same again."""


@dataclass(frozen=True)
class BaselineEntry:
    """A baseline in the registry.

    Attributes:
        make: Gives an unfitted baseline from its settings: `{"seed": 0}`, or all of them where a
            saved one is read.
        meaning: What it does, in a few words, for the help.
        kinds: The kinds of task that it can do.
        needs_structures: Whether it needs a `Dataset`; False where a `DistanceTable` is enough.
        is_trivial: Whether it ignores the crystal. Trivial baselines are evaluated beside every
            model.
    """

    make: Callable[[Settings], Baseline]
    meaning: str = ""
    kinds: tuple[str, ...] = ("regression", "classification")
    needs_structures: bool = True
    is_trivial: bool = False


BASELINES: Registry[BaselineEntry] = Registry("baseline", "xtalgraph.baselines")
"""Every baseline by name; another package adds one with `BASELINES.add` or an entry point."""


def _maker(module: str, name: str, *args: str) -> Callable[[Settings], Baseline]:
    """Return a function that imports a class of this room when it is called."""

    def make(settings: Settings) -> Baseline:
        made: Baseline = getattr(import_module(f"{__package__}.{module}"), name)(*args, **settings)
        return made

    return make


def _add_trivial(name: str, cls: str, kind: str, meaning: str) -> None:
    make = _maker("trivial", cls, name)
    BASELINES.add(name, BaselineEntry(make, meaning, (kind,), False, True))


_add_trivial("mean", "ConstantBaseline", "regression", "the mean of the training labels")
_add_trivial("median", "ConstantBaseline", "regression", "the median of the training labels")
_add_trivial("most_common", "FrequencyBaseline", "classification", "the most common class")
_add_trivial("random", "FrequencyBaseline", "classification", "a class drawn by its frequency")
BASELINES.add(
    "composition_forest",
    BaselineEntry(
        _maker("composition", "CompositionModel", "forest"),
        "a random forest on statistics of the composition",
    ),
)
BASELINES.add(
    "composition_boosting",
    BaselineEntry(
        _maker("composition", "CompositionModel", "boosting"),
        "gradient-boosted trees on statistics of the composition",
    ),
)
BASELINES.add(
    "distance_mlp",
    BaselineEntry(
        _maker("distance_mlp", "DistanceMlp"),
        "a multilayer perceptron on the shortest interatomic distances",
        needs_structures=False,
    ),
)


def make_baseline(name: str, *, seed: int = 0, kind: str | None = None) -> Baseline:
    """Return the unfitted baseline of a name.

    Args:
        name: A name in `BASELINES`.
        seed: Random seed.
        kind: `regression` or `classification`; a baseline that does not support it is refused.

    Returns:
        The baseline, to be fitted.

    Raises:
        UnknownName: There is no such baseline.
        BadConfig: It does not support tasks of this kind.

    >>> make_baseline("median").settings
    {'seed': 0}
    """
    entry = BASELINES[name]
    if kind is not None and kind not in entry.kinds:
        able = [other for other, entry in BASELINES.items() if kind in entry.kinds]
        raise BadConfig(
            f"the baseline {name!r} cannot do {kind}. Use one of these: {', '.join(able)}."
        )
    return entry.make({"seed": seed})


def trivial_baselines(task: Task, *, seed: int = 0) -> dict[str, Baseline]:
    """Return the baselines that ignore the crystal, such as the mean of the training labels.

    Args:
        task: The task, which determines the baselines.
        seed: Random seed.

    Returns:
        Unfitted baselines by name.
    """
    return {
        name: entry.make({"seed": seed})
        for name, entry in BASELINES.items()
        if entry.is_trivial and task.kind in entry.kinds
    }


def models_without_structures() -> list[str]:
    """Return the names of the baselines that can learn from a table of distances."""
    return [
        name
        for name, entry in BASELINES.items()
        if not entry.needs_structures and "classification" in entry.kinds
    ]


def need_structures(dataset: Labelled) -> Dataset:
    """Return the data set as it is; a table of distances, which has no structures, is refused."""
    from xtalgraph.data import Dataset

    if not isinstance(dataset, Dataset):
        able = ", ".join(models_without_structures())
        raise BadDataset(
            f"{dataset.source} is a table of distances, without structures. Give the structures, "
            f"or use models that need none ({able}), and no groups."
        )
    return dataset


def save_baseline(name: str, baseline: Baseline, task: Task, folder: str | Path) -> Path:
    """Write a fitted baseline to a folder, without pickle.

    For composition models the training table is saved, and they are fitted again when read.

    Args:
        name: Its name in `BASELINES`.
        baseline: The fitted baseline.
        task: The task that it was fitted for.
        folder: The output folder.

    Returns:
        The folder, with `baseline.json` and `baseline.safetensors`.
    """
    from safetensors.numpy import save_file

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(baseline.state(), folder / ARRAYS)
    description = {
        "format": FORMAT,
        "baseline": name,
        "settings": baseline.settings,
        "task": asdict(task),
        "versions": {name: version(name) for name in ("xtalgraph", "scikit-learn", "torch")},
    }
    write_json(folder / DESCRIPTION, description)
    return folder


def read_baseline(folder: str | Path) -> tuple[Baseline, Task]:
    """Read a baseline written by `save_baseline`.

    Args:
        folder: Its folder.

    Returns:
        The baseline, ready to predict, and its task.

    Raises:
        BadCheckpoint: The files are missing or corrupted, or belong to a baseline that is not in
            `BASELINES`.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    from xtalgraph.nn import Task

    folder = Path(folder)
    try:
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        state = load_file(folder / ARRAYS)
    except FileNotFoundError as error:
        raise BadCheckpoint(
            f"{error.filename or folder} does not exist. Give the folder of a saved baseline."
        ) from None
    except (ValueError, SafetensorError) as error:
        raise BadCheckpoint(f"{folder}: broken ({error}). Save the baseline again.") from None
    if description.get("format") != FORMAT or description.get("baseline") not in BASELINES:
        raise BadCheckpoint(
            f"{folder / DESCRIPTION}: format {description.get('format')!r}, baseline "
            f"{description.get('baseline')!r}; expected format {FORMAT} and one of "
            f"{', '.join(BASELINES)}. Save it again with this version."
        )
    baseline = BASELINES[description["baseline"]].make(description["settings"])
    written = description["task"]
    targets = tuple(Target(**target) for target in written["targets"])
    task = Task(written["kind"], targets, tuple(written["classes"]))
    baseline.restore(state, task)
    return baseline, task
