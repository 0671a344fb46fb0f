"""A baseline that knows how far apart atoms are, and not which atoms they are."""

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from xtalgraph.errors import BadDataset
from xtalgraph.evaluation.baselines.distance_network import (
    DistanceNetwork,
    refuse_unlabelled_targets,
    train_network,
)
from xtalgraph.evaluation.distance_table import DistanceTable, Labelled
from xtalgraph.evaluation.distances import (
    CUTOFF,
    N_DISTANCES,
    pad_distances,
    shortest_distances,
)
from xtalgraph.evaluation.labels import labelled_rows, read_labels
from xtalgraph.nn import Task


class DistanceMlp:
    """Four fully connected layers with ReLU between them, on the shortest distances of a crystal.

    The distances are those of the structures, or those of a table that `read_distances` read.

    Adam; cross-entropy for classes, mean absolute error of standardised targets for numbers. The
    distances are standardised by the training rows. The seed sets the first weights and the order
    of the batches.
    """

    kinds = ("regression", "classification")

    def __init__(
        self,
        *,
        seed: int = 0,
        n_distances: int = N_DISTANCES,
        cutoff: float = CUTOFF,
        hidden_width: int = 128,
        epochs: int = 100,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
    ) -> None:
        self.seed, self.n_distances, self.cutoff = seed, n_distances, cutoff
        self.hidden_width, self.epochs = hidden_width, epochs
        self.batch_size, self.learning_rate = batch_size, learning_rate

    @property
    def settings(self) -> dict[str, int | float | str]:
        """The arguments that it was made with."""
        return {
            "seed": self.seed,
            "n_distances": self.n_distances,
            "cutoff": self.cutoff,
            "hidden_width": self.hidden_width,
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
        }

    def fit(self, dataset: Labelled, rows: Int64[np.ndarray, "n_rows"], task: Task) -> None:
        """Train on the labelled rows."""
        labels = read_labels(dataset, task, rows)
        self.fit_distances(self._find_distances(dataset, rows), labels, task)

    def fit_distances(
        self,
        distances: Float64[np.ndarray, "n_rows width"],
        labels: Float64[np.ndarray, "n_rows n_targets"] | Int64[np.ndarray, "n_rows"],
        task: Task,
    ) -> None:
        """Train on lists of distances that are there already."""
        known = labelled_rows(labels)
        distances, labels = distances[known], labels[known]
        refuse_unlabelled_targets(labels, task)
        self.network = self._new_network(distances.shape[1], task)
        self.network.measure(distances, labels)
        train_network(
            self.network,
            torch.from_numpy(distances),
            torch.from_numpy(labels),
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            seed=self.seed,
        )

    def predict(
        self, dataset: Labelled, rows: Int64[np.ndarray, "n_rows"]
    ) -> Float64[np.ndarray, "n_rows n_outputs"]:
        """Give the targets in their units, or a probability of each class."""
        return self.predict_distances(self._find_distances(dataset, rows))

    def predict_distances(
        self, distances: Float64[np.ndarray, "n_rows width"]
    ) -> Float64[np.ndarray, "n_rows n_outputs"]:
        """Predict from lists of distances of the length that the network was trained with."""
        if distances.shape[1] != self.network.distance_mean.shape[0]:
            raise BadDataset(
                f"lists of {distances.shape[1]} distances, and the network was trained with "
                f"{self.network.distance_mean.shape[0]}. Pad or cut them with pad_distances."
            )
        with torch.inference_mode():
            return self.network.answer(torch.from_numpy(distances)).double().numpy()

    def state(self) -> dict[str, np.ndarray]:
        """Give the weights and the scales."""
        numbers: dict[str, Tensor] = self.network.state_dict()
        return {name: value.numpy() for name, value in numbers.items()}

    def restore(self, state: dict[str, np.ndarray], task: Task) -> None:
        """Take the weights and the scales."""
        self.network = self._new_network(len(state["distance_mean"]), task)
        self.network.load_state_dict({name: torch.tensor(a) for name, a in state.items()})

    def _find_distances(
        self, dataset: Labelled, rows: Int64[np.ndarray, "n_rows"]
    ) -> Float64[np.ndarray, "n_rows width"]:
        """Give the lists of a table of distances, or those of the structures."""
        if isinstance(dataset, DistanceTable):
            near = [distances[distances <= self.cutoff] for distances in dataset.take_lists(rows)]
            return pad_distances(near, self.n_distances, self.cutoff)
        return shortest_distances(dataset.crystals.take(rows), self.n_distances, self.cutoff)

    def _new_network(self, n_distances: int, task: Task) -> DistanceNetwork:
        with torch.random.fork_rng(devices=[]):  # the user's own random state stays as it is
            torch.manual_seed(self.seed)
            return DistanceNetwork(n_distances, self.hidden_width, task.n_outputs, task.kind)
