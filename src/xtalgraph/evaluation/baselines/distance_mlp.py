"""A baseline that knows how far apart atoms are, and not which atoms they are."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from xtalgraph.datasets import Dataset
from xtalgraph.errors import BadDataset
from xtalgraph.evaluation.baselines.distance_network import (
    DistanceNetwork,
    refuse_unlabelled_targets,
    train_network,
)
from xtalgraph.evaluation.labels import labelled_rows, read_labels
from xtalgraph.graphs import GraphConfig, build_graphs
from xtalgraph.models import Task
from xtalgraph.structures.store import CrystalStore

CHUNK = 512  # crystals whose graphs are held at a time


def shortest_distances(
    crystals: CrystalStore, n_distances: int = 64, cutoff: float = 8.0
) -> Float64[np.ndarray, "n_crystals width"]:
    """Give the `n_distances` shortest interatomic distances of each crystal in Å, sorted.

    Each atom of the cell sees each image of each neighbour: a bond between two atoms of the cell
    counts twice, and the list of a supercell begins with more of the same. Where fewer lie within
    the cutoff, the rest is filled with the cutoff. Isolated sites add nothing.

    >>> from xtalgraph.structures.crystal import Crystal
    >>> polonium = Crystal(3.36 * np.eye(3), [[0, 0, 0]], [84])
    >>> shortest_distances(CrystalStore.from_crystals([polonium]), 8).round(2).tolist()
    [[3.36, 3.36, 3.36, 3.36, 3.36, 3.36, 4.75, 4.75]]
    """
    # The n shortest of a crystal are among the n nearest of each of its atoms.
    config = GraphConfig("nearest", n_distances, cutoff, isolated="ignore")
    lists: list[np.ndarray] = []
    for first in range(0, len(crystals), CHUNK):
        rows = np.arange(first, min(first + CHUNK, len(crystals)))
        graph = build_graphs(crystals.take(rows), config)
        owner = graph.crystal[graph.centre].numpy()
        ends = np.searchsorted(owner, np.arange(1, len(rows)))
        lists += np.split(graph.distance.numpy(), ends)
    return pad_distances(lists, n_distances, cutoff)


def pad_distances(
    lists: Sequence[np.ndarray], n_distances: int, filler: float
) -> Float64[np.ndarray, "n_crystals width"]:
    """Give each list sorted and cut to `n_distances`, or filled up to it with `filler` (Å)."""
    padded = np.full((len(lists), n_distances), filler)
    for row, distances in enumerate(lists):
        shortest = np.sort(distances)[:n_distances]
        padded[row, : len(shortest)] = shortest
    return padded


class DistanceMlp:
    """Four fully connected layers with ReLU between them, on the shortest distances of a crystal.

    Adam; cross-entropy for classes, mean absolute error of standardised targets for numbers. The
    distances are standardised by the training rows. The seed sets the first weights and the order
    of the batches.
    """

    kinds = ("regression", "classification")

    def __init__(
        self,
        *,
        seed: int = 0,
        n_distances: int = 64,
        cutoff: float = 8.0,
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

    def fit(self, dataset: Dataset, rows: Int64[np.ndarray, "n_rows"], task: Task) -> None:
        """Train on the labelled rows."""
        labels = read_labels(dataset, task, rows)
        distances = shortest_distances(dataset.crystals.take(rows), self.n_distances, self.cutoff)
        self.fit_distances(distances, labels, task)

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
        self, dataset: Dataset, rows: Int64[np.ndarray, "n_rows"]
    ) -> Float64[np.ndarray, "n_rows n_outputs"]:
        """Give the targets in their units, or a probability of each class."""
        crystals = dataset.crystals.take(rows)
        return self.predict_distances(shortest_distances(crystals, self.n_distances, self.cutoff))

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

    def _new_network(self, n_distances: int, task: Task) -> DistanceNetwork:
        with torch.random.fork_rng(devices=[]):  # the user's own random state stays as it is
            torch.manual_seed(self.seed)
            return DistanceNetwork(n_distances, self.hidden_width, task.n_outputs, task.kind)
