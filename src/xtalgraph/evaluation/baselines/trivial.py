"""Baselines that ignore the crystal."""

import numpy as np

from xtalgraph.evaluation.distance_table import Labelled
from xtalgraph.evaluation.labels import read_labels, refuse_unlabelled_targets
from xtalgraph.metrics import MISSING_CLASS
from xtalgraph.nn import Outputs, Rows, Task


class ConstantBaseline:
    """Predicts the `mean` or the `median` of the training labels of every crystal.

    The median has the lowest mean absolute error that a constant can have.
    """

    def __init__(self, statistic: str, *, seed: int = 0) -> None:
        self.statistic, self.seed = statistic, seed

    @property
    def settings(self) -> dict[str, int | float | str]:
        """The arguments that it was made with."""
        return {"seed": self.seed}

    def fit(self, dataset: Labelled, rows: Rows, task: Task) -> None:
        """Take the statistic of each target over its labelled rows."""
        labels = read_labels(dataset, task, rows)
        refuse_unlabelled_targets(labels, task)
        take = np.nanmedian if self.statistic == "median" else np.nanmean
        self.values = np.asarray(take(labels, axis=0))

    def predict(self, dataset: Labelled, rows: Rows) -> Outputs:
        """Return the same values for each row."""
        return np.tile(self.values, (len(rows), 1))

    def state(self) -> dict[str, np.ndarray]:
        """Return the values."""
        return {"values": self.values}

    def restore(self, state: dict[str, np.ndarray], task: Task) -> None:
        """Take the values."""
        self.values = state["values"]


class FrequencyBaseline:
    """Knows how frequent each class is among the training labels, and nothing else.

    `most_common` gives these frequencies as probabilities, so its class is the most common one (of
    equally common ones the first). `random` draws a class for each crystal with these frequencies
    and is sure of it; the draw depends on the seed and on the crystal's row in the data set.
    """

    def __init__(self, choice: str, *, seed: int = 0) -> None:
        self.choice, self.seed = choice, seed

    @property
    def settings(self) -> dict[str, int | float | str]:
        """The arguments that it was made with."""
        return {"seed": self.seed}

    def fit(self, dataset: Labelled, rows: Rows, task: Task) -> None:
        """Count the classes."""
        labels = read_labels(dataset, task, rows)
        refuse_unlabelled_targets(labels, task)
        counts = np.bincount(labels[labels != MISSING_CLASS], minlength=len(task.classes))
        self.frequencies = counts / counts.sum()

    def predict(self, dataset: Labelled, rows: Rows) -> Outputs:
        """Return a probability of each class."""
        if self.choice == "most_common":
            return np.tile(self.frequencies, (len(rows), 1))
        draws = np.random.default_rng(self.seed).random(len(dataset))[rows]
        bounds = np.cumsum(self.frequencies)[:-1]
        return np.eye(len(self.frequencies))[np.searchsorted(bounds, draws, side="right")]

    def state(self) -> dict[str, np.ndarray]:
        """Return the frequencies."""
        return {"frequencies": self.frequencies}

    def restore(self, state: dict[str, np.ndarray], task: Task) -> None:
        """Take the frequencies."""
        self.frequencies = state["frequencies"]
