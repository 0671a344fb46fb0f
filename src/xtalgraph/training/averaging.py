"""A moving average of the weights: steadier than the last step, and what is validated and kept."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from xtalgraph.training.lightning import Callback, LightningModule, Trainer


class WeightAverage(Callback):
    """Averages weights and running statistics of the network exponentially, a step at a time.

    The decay after n steps is min(`decay`, (1 + n) / (10 + n)), so that the average of a short run
    forgets its random beginning. While validating, the network holds the average; the running
    statistics of batch normalisation are averaged alike, because those of one step do not belong to
    averaged weights. The average is saved in the checkpoint beside the current weights.

    Lightning's own `WeightAveraging` copies the whole module (with it the data that the module
    refers to), waits for the accelerator at each step, and begins without the short memory.
    """

    def __init__(self, decay: float) -> None:
        self.decay, self.n_steps = decay, 0
        self.average: dict[str, Tensor] = {}
        self._pairs: list[tuple[Tensor, Tensor]] = []  # average and network, one memory each

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin with the network's weights, or with what a checkpoint gave."""
        self.begin(pl_module.network)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the average towards the weights of this step."""
        self.update()

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the network the average."""
        self.swap()

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the network its own weights back."""
        self.swap()

    def begin(self, network: nn.Module) -> None:
        """Copy the weights, or move an average that is there to their device."""
        current = network.state_dict()
        first = self.average or current
        self.average = {
            name: first[name].detach().to(value.device, copy=True)
            for name, value in current.items()
        }
        # the tensors of a state share the network's memory, which stays where it is from here on;
        # making the state anew at each step would cost as much as the averaging
        self._pairs = [(self.average[name], value) for name, value in current.items()]

    @torch.no_grad()
    def update(self) -> None:
        """Take one step of the average; counts are copied."""
        floating = [pair for pair in self._pairs if pair[1].is_floating_point()]
        move = get_ema_multi_avg_fn(min(self.decay, (1 + self.n_steps) / (10 + self.n_steps)))
        move([average for average, _ in floating], [value for _, value in floating], self.n_steps)
        for average, value in self._pairs:
            if not value.is_floating_point():
                average.copy_(value)
        self.n_steps += 1

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the network's weights and their average."""
        for average, value in self._pairs:
            kept = value.clone()
            value.copy_(average)
            average.copy_(kept)

    def state_dict(self) -> dict[str, Any]:
        """Give what a checkpoint keeps."""
        return {"n_steps": self.n_steps, "average": self.average}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what a checkpoint kept."""
        self.n_steps, self.average = state_dict["n_steps"], state_dict["average"]
