"""The network of the distance baseline, and how it is trained."""

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn

from xtalgraph.errors import BadDataset
from xtalgraph.nn import Task


class DistanceNetwork(nn.Module):
    """Four fully connected layers with ReLU, with the scales of its inputs and outputs inside."""

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

    def measure(
        self,
        distances: Float64[np.ndarray, "n_rows width"],
        labels: Float64[np.ndarray, "n_rows n_targets"] | Int64[np.ndarray, "n_rows"],
    ) -> None:
        """Take the scales from the training rows."""
        self.distance_mean.copy_(torch.from_numpy(distances.mean(axis=0)))
        # A place in the list that never varies says nothing: its scale must only not be 0.
        self.distance_deviation.copy_(torch.from_numpy(np.maximum(distances.std(axis=0), 1e-3)))
        if self.kind == "regression":
            deviation = np.nanstd(labels, axis=0)
            self.target_mean.copy_(torch.from_numpy(np.nanmean(labels, axis=0)))
            self.target_deviation.copy_(torch.from_numpy(np.where(deviation > 0, deviation, 1.0)))

    def forward(
        self, distances: Float[Tensor, "n_rows width"]
    ) -> Float[Tensor, "n_rows n_outputs"]:
        """Give standardised targets, or logits."""
        return self.layers(((distances - self.distance_mean) / self.distance_deviation).float())

    def answer(self, distances: Float[Tensor, "n_rows width"]) -> Float[Tensor, "n_rows n_outputs"]:
        """Give targets in their units, or probabilities, in float64."""
        outputs = self(distances).double()
        if self.kind == "classification":
            return outputs.softmax(dim=1)
        return outputs * self.target_deviation + self.target_mean

    def loss(
        self,
        distances: Float[Tensor, "n_rows width"],
        labels: Float[Tensor, "n_rows n_targets"] | Int64[Tensor, "n_rows"],
    ) -> Float[Tensor, ""]:
        """Give the cross-entropy, or the mean absolute error of the standardised targets."""
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


def refuse_unlabelled_targets(labels: np.ndarray, task: Task) -> None:
    """Raise `BadDataset` where a target has no training label."""
    for number, target in enumerate(task.targets):
        column = labels if labels.ndim == 1 else labels[:, number]
        if len(column) == 0 or (labels.ndim == 2 and np.isnan(column).all()):
            raise BadDataset(f"target {target.name!r} has no label among the training rows.")
