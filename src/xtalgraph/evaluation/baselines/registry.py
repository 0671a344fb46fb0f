"""The baselines by name."""

from collections.abc import Callable
from functools import partial
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, Int64

from xtalgraph.errors import BadConfig, UnknownName
from xtalgraph.evaluation.baselines.composition import CompositionModel
from xtalgraph.evaluation.baselines.distance_mlp import DistanceMlp
from xtalgraph.evaluation.baselines.trivial import ConstantBaseline, FrequencyBaseline
from xtalgraph.evaluation.distance_table import Labelled
from xtalgraph.nn import Task

BOTH = ("regression", "classification")


@runtime_checkable
class Baseline(Protocol):
    """What a baseline can do. `settings` and the arrays of `state` make it again."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of task that it can do."""

    @property
    def settings(self) -> dict[str, int | float | str]:
        """The arguments that it was made with."""

    def fit(self, dataset: Labelled, rows: Int64[np.ndarray, "n_rows"], task: Task) -> None:
        """Learn from these rows of the data set, and from no other."""

    def predict(
        self, dataset: Labelled, rows: Int64[np.ndarray, "n_rows"]
    ) -> Float64[np.ndarray, "n_rows n_outputs"]:
        """Give the targets in their units, or a probability of each class."""

    def state(self) -> dict[str, np.ndarray]:
        """Give the arrays that were learned."""

    def restore(self, state: dict[str, np.ndarray], task: Task) -> None:
        """Take arrays that `state` gave: predictions are then the same again."""


BASELINES: dict[str, Callable[..., Baseline]] = {
    "mean": partial(ConstantBaseline, "mean"),
    "median": partial(ConstantBaseline, "median"),
    "most_common": partial(FrequencyBaseline, "most_common"),
    "random": partial(FrequencyBaseline, "random"),
    "composition_forest": partial(CompositionModel, "forest"),
    "composition_boosting": partial(CompositionModel, "boosting"),
    "distance_mlp": DistanceMlp,
}
"""Every baseline by name; called with `seed`, each gives one that is not fitted yet."""

WITHOUT_STRUCTURES = ("mean", "median", "most_common", "random", "distance_mlp")
"""The baselines that can do with a table of distances."""

TRIVIAL = {"regression": ("mean", "median"), "classification": ("most_common", "random")}


def make_baseline(name: str, *, seed: int = 0, kind: str | None = None) -> Baseline:
    """Give the unfitted baseline of a name; one that cannot do tasks of this kind is refused.

    >>> make_baseline("median").kinds
    ('regression',)
    """
    if name not in BASELINES:
        raise UnknownName("baseline", name, BASELINES)
    baseline = BASELINES[name](seed=seed)
    if kind is not None and kind not in baseline.kinds:
        able = [name for name, make in BASELINES.items() if kind in make(seed=0).kinds]
        raise BadConfig(f"the baseline {name!r} does no {kind}. These do: {', '.join(able)}.")
    return baseline


def trivial_baselines(task: Task, *, seed: int = 0) -> dict[str, Baseline]:
    """Give the baselines that know nothing of crystals: mean and median, or the classes' shares."""
    return {name: make_baseline(name, seed=seed) for name in TRIVIAL[task.kind]}
