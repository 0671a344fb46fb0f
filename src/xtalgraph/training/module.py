"""The training loop's inner half: what is done with a batch, on Lightning."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from xtalgraph.errors import BadConfig
from xtalgraph.graphs import CrystalGraph, GraphLoader
from xtalgraph.nn.network import Network
from xtalgraph.training.batches import LabelledLoader, TrainingBatch
from xtalgraph.training.config import RunConfig
from xtalgraph.training.lightning import LightningModule
from xtalgraph.training.losses import find_loss
from xtalgraph.training.optimisation import make_optimiser, make_schedule
from xtalgraph.training.problem import Problem
from xtalgraph.training.scoring import score_validation


class TrainingModule(LightningModule):
    """A network, the problem it learns, and the settings of the learning.

    Losses are summed on the device and read once an epoch. The outputs for the validation part are
    gathered whole on every process before they are scored, so that the scores do not depend on how
    many processes there are.
    """

    def __init__(self, network: Network, problem: Problem, config: RunConfig) -> None:
        super().__init__()
        self.network, self.problem, self.config = network, problem, config
        self.merged = network.learns_from_deduplicated
        self.loss = find_loss(problem.task, config.train.loss)
        self.loss_sum = torch.zeros(2)  # of the epoch: loss × crystals, and crystals
        self.validation_outputs = torch.zeros(0)  # likewise: outputs, and how often they came
        self.validated: dict[str, Tensor] = {}  # the weights that made them
        self.score = float("nan")  # of the last validation, smaller is better
        self.validation: dict[str, float] = {}
        rows = problem.rows("validation")
        self.position = torch.zeros(len(problem.dataset), dtype=torch.long)
        self.position[torch.from_numpy(rows)] = torch.arange(len(rows))

    def forward(self, graph: CrystalGraph) -> Float[Tensor, "n_crystals n_outputs"]:
        """Give the network's outputs."""
        return self.network(graph)

    def train_dataloader(self) -> LabelledLoader:
        """Give the loader of this process's share of the training part."""
        return self._loader("train", shuffle=True)

    def val_dataloader(self) -> LabelledLoader:
        """Give the loader of this process's share of the validation part."""
        return self._loader("validation", shuffle=False)

    def _loader(self, part: str, shuffle: bool) -> LabelledLoader:
        rows, n_ranks = self.problem.rows(part), self.trainer.world_size
        if len(rows) < n_ranks:
            raise BadConfig(
                f"the {part} part has {len(rows)} crystals for {n_ranks} processes. Use fewer "
                "(train.devices, train.num_nodes)."
            )
        graphs = GraphLoader(
            self.problem.dataset.crystals,
            # every graph was tried before the training, so a warning has been given once
            replace(self.config.graph, isolated="ignore"),
            self.config.train.batch_size,
            indices=rows,
            merged=self.merged,
            shuffle=shuffle,
            seed=self.config.train.seed,
            rank=self.trainer.global_rank,
            n_ranks=n_ranks,
            pinned=self.trainer.strategy.root_device.type == "cuda",
        )
        return LabelledLoader(graphs, self.problem.learned)

    def configure_optimizers(self) -> Any:
        """Give the optimiser, with the schedule of the learning rate a step."""
        optimiser = make_optimiser(self.network.parameters(), self.config.train)
        schedule = make_schedule(optimiser, self.config.train, len(self.train_dataloader()))
        if schedule is None:
            return optimiser
        return [optimiser], [{"scheduler": schedule, "interval": "step"}]

    def on_train_epoch_start(self) -> None:
        """Seed dropout by epoch and process, so that a resumed run draws what it would have."""
        self.loss_sum = torch.zeros(2, device=self.device)
        generator = np.random.SeedSequence(
            [self.config.train.seed, self.current_epoch, self.global_rank]
        )
        # within the fork of the generators that `train` makes
        torch.manual_seed(int(generator.generate_state(1, np.uint64)[0] >> 1))
        self.trainer.train_dataloader.set_epoch(self.current_epoch)

    def training_step(self, batch: TrainingBatch, batch_index: int) -> Tensor:
        """Give this process's part of the loss of a batch; the gradients are averaged over all."""
        loss = self.loss(self._outputs(batch), batch.labels)
        n_crystals = loss.new_full((), batch.share * batch.n_whole)  # no copy to wait for
        self.loss_sum += torch.stack([loss.detach() * n_crystals, n_crystals])
        return loss * (batch.share * self.trainer.world_size)

    def on_validation_epoch_start(self) -> None:
        """Keep the weights to be validated, the same on all processes, and make room."""
        if self.trainer.world_size > 1:  # running statistics are of each process's own crystals
            for buffer in self.network.buffers():
                torch.distributed.broadcast(buffer, 0)
        self.validated = {
            name: value.detach().cpu().clone() for name, value in self.network.state_dict().items()
        }
        shape = len(self.problem.rows("validation")), self.problem.task.n_outputs + 1
        self.validation_outputs = torch.zeros(shape, device=self.device, dtype=self.dtype)

    def validation_step(self, batch: TrainingBatch, batch_index: int) -> None:
        """Keep the outputs of a batch."""
        positions = self.position[batch.rows].to(self.device)
        self.validation_outputs[positions, :-1] = self._outputs(batch).to(self.dtype)
        self.validation_outputs[positions, -1] = 1

    def _outputs(self, batch: TrainingBatch) -> Tensor:
        return self.network(batch.graph)

    def on_validation_epoch_end(self) -> None:
        """Gather the outputs of all processes, and score them."""
        gathered = self.trainer.strategy.reduce(self.validation_outputs, reduce_op="sum")
        outputs = (gathered[:, :-1] / gathered[:, -1:]).cpu()
        self.refuse_not_finite(outputs, "an output for the validation part")
        self.score, self.validation = score_validation(self.problem, self.loss, outputs)

    def mean_train_loss(self) -> float:
        """Give the mean loss of the epoch's crystals over all processes; all must call it."""
        total, count = self.trainer.strategy.reduce(self.loss_sum, reduce_op="sum").tolist()
        return total / count

    def refuse_not_finite(self, values: Tensor, what: str) -> None:
        """Raise `BadConfig` where the training has diverged."""
        if values.isfinite().all():
            return
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        raise BadConfig(
            f"{what} is not finite in epoch {self.current_epoch + 1} (learning rate {rate:.2g}): "
            "the training has diverged. Lower train.learning_rate, set train.gradient_clip = 1, or "
            "look for wild values of the target (xtalgraph check)."
        )
