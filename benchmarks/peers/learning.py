"""Steps of learning on one batch, the same for every network: squared error, plain SGD.

A batch lies in a file of arrays, with 12 edges to each atom in order; see `crystals.py`.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

N_STEPS = 20
NORMALISED, NOT_NORMALISED = 0.01, 1e-5
"""Learning rates: that of 2018, and one that a network without normalisation bears."""


def make_step(
    network: nn.Module, inputs: tuple, target: torch.Tensor, rate: float
) -> Callable[[], float]:
    """One step of learning at a learning rate: forward, backward, optimiser; gives the loss."""
    optimiser = torch.optim.SGD(network.parameters(), lr=rate, momentum=0.9)
    network.train()

    def step() -> float:
        optimiser.zero_grad()
        outputs = network(*inputs)
        outputs = outputs[0] if isinstance(outputs, tuple) else outputs
        loss = (outputs.view(-1) - target).square().mean()
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


def make_losses(step: Callable[[], float]) -> Callable[[], list[float]]:
    """The losses along the first steps."""
    return lambda: [step() for _ in range(N_STEPS)]


def read_batch(options: dict) -> dict[str, torch.Tensor]:
    """The arrays of a batch, on the device that is asked for."""
    arrays = np.load(options["batch"])
    return {name: torch.from_numpy(arrays[name]).to(options["device"]) for name in arrays.files}


def read_weights(options: dict) -> dict[str, torch.Tensor]:
    """The weights that every network begins with, under the names of the code of 2018."""
    return torch.load(options["weights"], map_location=options["device"], weights_only=True)
