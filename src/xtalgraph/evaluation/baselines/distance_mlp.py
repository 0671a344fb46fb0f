"""A baseline that uses interatomic distances, but not the elements."""

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn

from xtalgraph.errors import BadDataset
from xtalgraph.evaluation.distance_table import (
    CUTOFF,
    N_DISTANCES,
    DistanceTable,
    Labelled,
    pad_distances,
    shortest_distances,
)
from xtalgraph.evaluation.labels import labelled_rows, read_labels, refuse_unlabelled_targets
from xtalgraph.nn import Labels, Outputs, Rows, Task


class DistanceNetwork(nn.Module):
    """Four fully connected layers with ReLU, including the scales of inputs and outputs."""

    distance_mean: Tensor
    distance_deviation: Tensor
    target_mean: Tensor
    target_deviation: Tensor

    def __init__(self, n_distances: int, hidden_width: int, n_outputs: int, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.layers = nn.Sequential(
            nn.Linear(n_distances, hidden_width),
            nn.ReLU(),
            nn.Linear(hidden_width, hidden_width),
            nn.ReLU(),
            nn.Linear(hidden_width, hidden_width),
            nn.ReLU(),
            nn.Linear(hidden_width, n_outputs),
        )
        self.register_buffer("distance_mean", torch.zeros(n_distances))
        self.register_buffer("distance_deviation", torch.ones(n_distances))
        self.register_buffer("target_mean", torch.zeros(n_outputs))
        self.register_buffer("target_deviation", torch.ones(n_outputs))

    def measure(self, distances: Float64[np.ndarray, "n_rows width"], labels: Labels) -> None:
        """Compute the scales from the training rows."""
        self.distance_mean.copy_(torch.from_numpy(distances.mean(axis=0)))
        # A constant position in the list carries no information: its scale must only not be 0.
        self.distance_deviation.copy_(torch.from_numpy(np.maximum(distances.std(axis=0), 1e-3)))
        if self.kind == "regression":
            deviation = np.nanstd(labels, axis=0)
            self.target_mean.copy_(torch.from_numpy(np.nanmean(labels, axis=0)))
            self.target_deviation.copy_(torch.from_numpy(np.where(deviation > 0, deviation, 1.0)))

    def forward(
        self, distances: Float[Tensor, "n_rows width"]
    ) -> Float[Tensor, "n_rows n_outputs"]:
        """Return standardised targets, or logits."""
        return self.layers(((distances - self.distance_mean) / self.distance_deviation).float())

    def answer(self, distances: Float[Tensor, "n_rows width"]) -> Float[Tensor, "n_rows n_outputs"]:
        """Return targets in their units, or probabilities, in float64."""
        outputs = self(distances).double()
        if self.kind == "classification":
            return outputs.softmax(dim=1)
        return outputs * self.target_deviation + self.target_mean

    def loss(
        self,
        distances: Float[Tensor, "n_rows width"],
        labels: Float[Tensor, "n_rows n_targets"] | Int64[Tensor, "n_rows"],
    ) -> Float[Tensor, ""]:
        """Return the cross-entropy, or the mean absolute error of the standardised targets."""
        outputs = self(distances)
        if self.kind == "classification":
            return nn.functional.cross_entropy(outputs, labels)
        wanted = ((labels - self.target_mean) / self.target_deviation).float()
        known = ~wanted.isnan()
        return (outputs[known] - wanted[known]).abs().mean()


def train_network(
    network: DistanceNetwork,
    distances: Float[Tensor, "n_rows width"],
    labels: Float[Tensor, "n_rows n_targets"] | Int64[Tensor, "n_rows"],
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
) -> None:
    """Train with Adam for a fixed number of epochs; the seed sets the order of the batches."""
    optimiser = torch.optim.Adam(network.parameters(), lr=learning_rate)
    random = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for batch in torch.randperm(len(distances), generator=random).split(batch_size):
            optimiser.zero_grad()
            network.loss(distances[batch], labels[batch]).backward()
            optimiser.step()


class DistanceMlp:
    """Four fully connected layers with ReLU between them, on the shortest distances of a crystal.

    The distances are those of the structures, or those of a table that `read_distances` read.

    Adam; cross-entropy for classes, mean absolute error of standardised targets for numbers. The
    distances are standardised by the training rows. The seed sets the first weights and the order
    of the batches.
    """

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

    def fit(self, dataset: Labelled, rows: Rows, task: Task) -> None:
        """Train on the labelled rows."""
        labels = read_labels(dataset, task, rows)
        self.fit_distances(self._find_distances(dataset, rows), labels, task)

    def fit_distances(
        self, distances: Float64[np.ndarray, "n_rows width"], labels: Labels, task: Task
    ) -> None:
        """Train on given lists of distances."""
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

    def predict(self, dataset: Labelled, rows: Rows) -> Outputs:
        """Return the targets in their units, or a probability of each class."""
        return self.predict_distances(self._find_distances(dataset, rows))

    def predict_distances(self, distances: Float64[np.ndarray, "n_rows width"]) -> Outputs:
        """Predict from lists of distances of the length that the network was trained with."""
        if distances.shape[1] != self.network.distance_mean.shape[0]:
            raise BadDataset(
                f"lists of {distances.shape[1]} distances, and the network was trained with "
                f"{self.network.distance_mean.shape[0]}. Pad or cut them with pad_distances."
            )
        with torch.inference_mode():
            return self.network.answer(torch.from_numpy(distances)).double().numpy()

    def state(self) -> dict[str, np.ndarray]:
        """Return the weights and the scales."""
        numbers: dict[str, Tensor] = self.network.state_dict()
        return {name: value.numpy() for name, value in numbers.items()}

    def restore(self, state: dict[str, np.ndarray], task: Task) -> None:
        """Take the weights and the scales."""
        self.network = self._new_network(len(state["distance_mean"]), task)
        self.network.load_state_dict({name: torch.tensor(a) for name, a in state.items()})

    def _find_distances(self, dataset: Labelled, rows: Rows) -> Float64[np.ndarray, "n_rows width"]:
        """Return the lists of a table of distances, or those of the structures."""
        if isinstance(dataset, DistanceTable):
            near = [distances[distances <= self.cutoff] for distances in dataset.take_lists(rows)]
            return pad_distances(near, self.n_distances, self.cutoff)
        return shortest_distances(dataset.crystals.take(rows), self.n_distances, self.cutoff)

    def _new_network(self, n_distances: int, task: Task) -> DistanceNetwork:
        with torch.random.fork_rng(devices=[]):  # the user's own random state stays as it is
            torch.manual_seed(self.seed)
            return DistanceNetwork(n_distances, self.hidden_width, task.n_outputs, task.kind)
