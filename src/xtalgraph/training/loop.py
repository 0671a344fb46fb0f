"""The training loop: a step, an epoch, validation, and the state between epochs.

Optimisers, schedules and weight averaging are torch's. Creating an optimiser imports torch's
compiler, which takes over a second.
"""

from __future__ import annotations

import pickle
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from xtalgraph.errors import BadCheckpoint, BadConfig
from xtalgraph.files import open_atomically, write_text
from xtalgraph.graphs import CrystalGraph, GraphLoader
from xtalgraph.nn import Network
from xtalgraph.training.config import RunConfig, TrainConfig
from xtalgraph.training.devices import Place
from xtalgraph.training.problem import Problem
from xtalgraph.training.run_folder import CHECKPOINT, HISTORY, TENSORBOARD
from xtalgraph.training.scoring import count_known, find_loss, score_validation

Tensors = tuple[Tensor, ...] | list[Tensor]
_OUTPUT = "output"  # the part of a network that is trained when the rest is frozen


@dataclass(frozen=True, eq=False)
class TrainingBatch:
    """Graphs, their labels, and their rows in the data set.

    With several processes it is one shard of a batch of `n_whole` crystals, and `share` is the
    fraction of that batch's labels that it contains. The losses of the processes, weighted by it,
    add up to the loss of a single process, however crystals and missing labels are distributed.
    """

    graph: CrystalGraph
    labels: Tensor
    rows: Tensor
    share: float
    n_whole: int


@dataclass
class Best:
    """The best validation so far: its epoch, from 1, its score, and the weights, on the CPU."""

    epoch: int = 0
    score: float = float("inf")
    weights: dict[str, Tensor] = field(default_factory=dict)


class TrainingLoop:
    """The training of a network: its state, and how it changes.

    Losses are summed on the device and read once per epoch. Validation uses the averaged weights,
    if there is an average. The outputs for the validation set are gathered on every process before
    they are scored, so that the scores do not depend on the number of processes.
    """

    def __init__(self, network: Network, problem: Problem, config: RunConfig, place: Place) -> None:
        self.problem, self.config, self.place, self.settings = problem, config, place, config.train
        self.dtype = torch.float64 if self.settings.precision == "64-true" else torch.float32
        self.network = network
        self._module = cast(nn.Module, network).to(place.device, self.dtype)
        self._frozen = _freeze(self._module) if self.settings.freeze != "none" else []
        self._called: nn.Module = self._module
        if place.n_processes > 1:
            numbers = [place.device.index] if place.device.type == "cuda" else None
            self._called = DistributedDataParallel(self._module, device_ids=numbers)
        self.train_batches, self.validation_batches = self._load("train"), self._load("validation")
        self.loss = find_loss(problem.task, self.settings.loss)
        self.optimiser = make_optimiser(network.parameters(), self.settings)
        self.schedule = make_schedule(self.optimiser, self.settings, len(self.train_batches))
        self.scaler = torch.amp.GradScaler(
            place.device.type, enabled=self.settings.precision == "16-mixed"
        )
        decay = self.settings.weight_averaging
        self.average = average_weights(self._module, decay) if decay else None
        self.epoch = self.step = 0  # completed in this run
        self.loss_sum = torch.zeros(2)  # of the epoch: loss × crystals, crystals
        self.history: list[dict[str, float]] = []  # one row per epoch
        self.best = Best()

    @property
    def is_done(self) -> bool:
        """Whether all epochs are done, or validation has not improved for long enough."""
        patience = self.settings.patience
        is_stopped = patience and self.epoch - self.best.epoch >= patience
        return self.epoch >= self.settings.epochs or bool(is_stopped)

    def train_epoch(self, after_step: Callable[[], None]) -> None:
        """Take a step for each batch of the next epoch."""
        settings, place = self.settings, self.place
        # by epoch and process, so that dropout in a resumed run is the same
        seed = np.random.SeedSequence([settings.seed, self.epoch, place.rank])
        torch.manual_seed(int(seed.generate_state(1, np.uint64)[0] >> 1))
        self.network.train()
        for part in self._frozen:
            part.eval()
        self.loss_sum = torch.zeros(2, device=place.device)
        for batch in self._training_batches():
            self.train_step(batch)
            after_step()

    def train_step(self, batch: TrainingBatch) -> None:
        """Update the weights and their average with the gradient of a batch's loss."""
        self.optimiser.zero_grad()
        with self._autocast():
            loss = self.loss(self._called(batch.graph), batch.labels)
        n_crystals = loss.new_full((), batch.share * batch.n_whole)  # without a copy to wait for
        self.loss_sum += torch.stack([loss.detach() * n_crystals, n_crystals])
        # DDP averages gradients, but the losses must be summed
        self.scaler.scale(loss * (batch.share * self.place.n_processes)).backward()
        if self.settings.gradient_clip:
            self.scaler.unscale_(self.optimiser)
            nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.gradient_clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        if self.schedule is not None:
            self.schedule.step()
        if self.average is not None:
            self.average.update_parameters(self._module)
        self.step += 1

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Return the scores of the validation set; keep the weights if they are the best."""
        network: Any = self.network if self.average is None else self.average.module
        network.eval()
        if self.place.n_processes > 1:  # running statistics differ between processes
            for buffer in network.buffers():
                distributed.broadcast(buffer, 0)
        outputs = self._gather_outputs(network)
        self.refuse_not_finite(outputs, "an output for the validation set")
        score, columns = score_validation(self.problem, self.loss, outputs)
        if score < self.best.score:
            weights = {name: value.cpu().clone() for name, value in network.state_dict().items()}
            self.best = Best(self.epoch + 1, score, weights)
        return columns

    def _gather_outputs(self, network: Network) -> Tensor:
        """Return the outputs for the validation set, in the order of its rows, on the CPU."""
        rows, device = self.problem.rows("validation"), self.place.device
        width = self.problem.task.n_outputs
        sums = torch.zeros(len(rows), width + 1, device=device, dtype=self.dtype)
        for graph, found in self.validation_batches:
            places = torch.from_numpy(np.searchsorted(rows, found.numpy())).to(device)
            with self._autocast():
                sums[places, :width] = network(_move(graph, device)).to(self.dtype)
            sums[places, width] = 1
        sums = self.place.sum(sums)
        return (sums[:, :width] / sums[:, width:]).cpu()

    def mean_train_loss(self) -> float:
        """Return the mean loss of the epoch's crystals over all processes; all must call it."""
        total, count = self.place.sum(self.loss_sum).tolist()
        self.refuse_not_finite(torch.tensor(total / count), "the loss")
        return total / count

    def refuse_not_finite(self, values: Tensor, what: str) -> None:
        """Raise `BadConfig` if training has diverged."""
        if not values.isfinite().all():
            raise BadConfig(
                f"{what} is not finite in epoch {self.epoch + 1} (learning rate {self.rate:.2g}): "
                "the training has diverged. Lower train.learning_rate, set train.gradient_clip = "
                "1, or look for outliers of the target (xtalgraph check)."
            )

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        return float(self.optimiser.param_groups[0]["lr"])

    def state_dict(self) -> dict[str, Any]:
        """Return everything needed to resume the run, as tensors and plain values."""
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        return parts | {
            "epoch": self.epoch,
            "step": self.step,
            "history": self.history,
            "best": vars(self.best),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.epoch, self.step = state["epoch"], state["step"]
        self.history, self.best = state["history"], Best(**state["best"])

    def _parts(self) -> dict[str, Any]:
        parts = {
            "network": self.network,
            "optimiser": self.optimiser,
            "scaler": self.scaler,
            "schedule": self.schedule,
            "average": self.average,
        }
        return {name: part for name, part in parts.items() if part is not None}

    def _autocast(self) -> torch.autocast:
        """Return the context for mixed precision."""
        precision = self.settings.precision
        dtype = torch.float16 if precision == "16-mixed" else torch.bfloat16
        return torch.autocast(self.place.device.type, dtype, precision.endswith("mixed"))

    def _load(self, part: str) -> GraphLoader:
        """Return the batches of this process's shard of a part."""
        return GraphLoader(
            self.problem.dataset.crystals,
            # every graph was built before training, so any warning was already shown
            replace(self.config.graph, isolated="ignore"),
            self.settings.batch_size,
            indices=self.problem.rows(part),
            deduplicated=self.network.learns_from_deduplicated,
            shuffle=part == "train",
            seed=self.settings.seed,
            rank=self.place.rank,
            n_ranks=self.place.n_processes,
            pinned=self.place.device.type == "cuda",
        )

    def _training_batches(self) -> Iterator[TrainingBatch]:
        """Yield the batches of the next epoch with their labels, on the device."""
        loader, device = self.train_batches, self.place.device
        all_labels = self.problem.standardized_labels
        loader.set_epoch(self.epoch)
        # every process knows the rows of all, so the shares need no communication
        for (graph, rows), whole in zip(loader, loader.whole_batches(), strict=True):
            labels, share = all_labels[rows], 1.0
            if self.place.n_processes > 1:
                n_known = count_known(all_labels[torch.from_numpy(whole)])
                share = count_known(labels) / n_known if n_known else 1 / self.place.n_processes
            labels = labels.pin_memory() if loader.pinned else labels
            graph, labels = _move(graph, device), labels.to(device, non_blocking=True)
            yield TrainingBatch(graph, labels, rows, share, len(whole))


def make_optimiser(parameters: Iterable[nn.Parameter], config: TrainConfig) -> Optimizer:
    """Make the optimiser of the weights that are not frozen, at the maximum learning rate."""
    parameters = [parameter for parameter in parameters if parameter.requires_grad]
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimiser == "sgd":
        return SGD(parameters, lr=rate, momentum=config.momentum, weight_decay=decay)
    # one kernel for all weights; incompatible with clipping in 16-mixed, and not on all devices
    is_fused = config.precision != "16-mixed" and all(
        parameter.device.type in ("cpu", "cuda") for parameter in parameters
    )
    return AdamW(parameters, lr=rate, weight_decay=decay, fused=is_fused)


def make_schedule(
    optimiser: Optimizer, config: TrainConfig, steps_per_epoch: int
) -> LRScheduler | None:
    """Make the learning rate schedule, advanced after each step; None if constant.

    `one_cycle` rises from 1/25 of the maximum in the first part of the run and falls to zero, with
    cosine annealing, while the momentum moves in the opposite direction (Smith & Topin,
    arXiv:1708.07120). `step` multiplies the rate by a factor after the given epochs.
    """
    if config.schedule == "one_cycle":
        return OneCycleLR(
            optimiser,
            max_lr=config.learning_rate,
            total_steps=config.epochs * steps_per_epoch,
            pct_start=config.warm_up,
        )
    if config.schedule == "step":
        last_steps = [epoch * steps_per_epoch for epoch in config.step_epochs]
        return LambdaLR(
            optimiser, lambda step: config.step_factor ** bisect_right(last_steps, step)
        )
    return None


def average_weights(network: nn.Module, decay: float) -> AveragedModel:
    """Return an exponential moving average of a network, updated by `update_parameters`.

    The decay at step n (from 0) is min(`decay`, (1 + n) / (10 + n)), so that the average of a short
    run forgets its random start. Running statistics are averaged like weights, because those of
    one step do not match averaged weights; counts are copied.
    """

    def move(averages: Tensors, currents: Tensors, n_averaged: Tensor | int) -> None:
        if not averages[0].is_floating_point():
            for average, current in zip(averages, currents, strict=True):
                average.copy_(current)
            return
        n = int(averaged.n_averaged) - 1  # on the CPU: nothing to wait for
        get_ema_multi_avg_fn(min(decay, (1 + n) / (10 + n)))(averages, currents, n_averaged)

    averaged = AveragedModel(network, multi_avg_fn=move, use_buffers=True)
    averaged.n_averaged.fill_(1)  # so that the first step averages instead of copying
    averaged.module.eval()
    return averaged


def _freeze(network: nn.Module) -> list[nn.Module]:
    """Freeze everything in a network but the layers after pooling; return the frozen modules.

    Their normalisation uses the existing running statistics and does not update them.
    """
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name.startswith(f"{_OUTPUT}."))
    return [part for name, part in network.named_children() if name != _OUTPUT]


def _move(graph: CrystalGraph, device: torch.device) -> CrystalGraph:
    if device.type == "mps":  # which has no float64
        graph = replace(graph, distance=graph.distance.float())
    return graph.to(device)


_FORMAT = "xtalgraph checkpoint 1"
_SECONDS_BETWEEN = 0.5  # reading the loss from an accelerator waits for it, so not at every step


@dataclass(frozen=True)
class Progress:
    """The progress of a run.

    Attributes:
        epoch: The current epoch, from 1.
        n_epochs: Number of epochs of the run.
        step: Number of batches so far in the whole run.
        n_steps: Number of batches of the whole run.
        crystals_per_second: Of all processes together, including validation.
        seconds_remaining: Without early stopping.
        train_loss: Mean of this epoch so far, on standardized targets.
        validation: Scores of the last epoch, as in history.csv.
        is_epoch_end: Whether the epoch is complete.
    """

    epoch: int
    n_epochs: int
    step: int
    n_steps: int
    crystals_per_second: float
    seconds_remaining: float
    train_loss: float
    validation: Mapping[str, float] = field(default_factory=dict)
    is_epoch_end: bool = False


def fit(
    loop: TrainingLoop,
    folder: Path,
    on_progress: Callable[[Progress], None] | None = None,
    keep_best: Callable[[bool], None] = lambda is_end: None,
) -> None:
    """Train to the end. The first process writes and reports after each epoch.

    `history.csv` and the checkpoint are replaced atomically, so that the folder always contains the
    state after a complete epoch, even if the run is killed, or if `on_progress` raises. `keep_best`
    is called after each epoch with False, and with True where the run ends before its last one.
    """
    reporter = _Reporter(loop, on_progress if loop.place.is_first else None)
    writer = _open_tensorboard(loop, folder)
    try:
        _train_epochs(loop, folder, reporter, writer, keep_best)
    finally:
        if not loop.is_done:
            keep_best(True)
    if writer is not None:
        writer.close()


def _train_epochs(
    loop: TrainingLoop,
    folder: Path,
    reporter: _Reporter,
    writer: Any,
    keep_best: Callable[[bool], None],
) -> None:
    while not loop.is_done:
        begin = time.monotonic()
        loop.train_epoch(reporter.after_step)
        trained = time.monotonic()
        validation = loop.validate()
        row = {
            "epoch": loop.epoch + 1,
            "train_loss": loop.mean_train_loss(),
            **validation,
            "learning_rate": loop.rate,
            "seconds": round(time.monotonic() - begin, 4),
            "crystals_per_second": round(reporter.n_crystals / (trained - begin), 1),
        }
        loop.history.append(row)
        loop.epoch += 1
        if loop.place.is_first:
            write_text(folder / HISTORY, pd.DataFrame(loop.history).to_csv(index=False))
            with open_atomically(folder / CHECKPOINT, "wb") as file:
                torch.save({"format": _FORMAT} | loop.state_dict(), file)
            if writer is not None:
                for name, value in row.items():
                    writer.add_scalar(name, value, loop.epoch)
                writer.flush()
        keep_best(False)
        reporter.after_epoch(validation)


def read_checkpoint(folder: Path) -> dict[str, Any] | None:
    """Return the state that a run is resumed from, or None if no epoch was finished.

    Only tensors and plain values are read, never a pickled object.
    """
    file = folder / CHECKPOINT
    if not file.exists():
        return None
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except (RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise BadCheckpoint(
            f"{file} cannot be read ({type(error).__name__}). Remove it: the run then starts "
            "again with the same settings, and gives the same result."
        ) from error
    if not isinstance(state, dict) or state.get("format") != _FORMAT:
        raise BadCheckpoint(
            f"{file} was written by another version of xtalgraph (0.1 kept Lightning's "
            "checkpoints) and cannot be resumed from. Finish the run with that version, or remove "
            "the file: the run then starts again with the same settings."
        )
    return state


class _Reporter:
    """Calls `on_progress` twice a second and at the end of each epoch."""

    def __init__(self, loop: TrainingLoop, on_progress: Callable[[Progress], None] | None) -> None:
        self.loop, self.on_progress = loop, on_progress
        self.n_crystals = len(loop.problem.rows("train"))
        self._begin = self._last = time.monotonic()
        self._first_step = loop.step
        self._validation: Mapping[str, float] = {}

    def after_step(self) -> None:
        """Report from time to time; stop a run whose loss is not finite."""
        if time.monotonic() - self._last < _SECONDS_BETWEEN:
            return
        self._last = time.monotonic()
        if self.loop.place.n_processes == 1:  # several must stop together: at the epoch's end
            self.loop.refuse_not_finite(self.loop.loss_sum, "the loss")
        self._report(self.loop.epoch + 1, is_epoch_end=False)

    def after_epoch(self, validation: Mapping[str, float]) -> None:
        """Report the epoch."""
        self._validation = validation
        self._report(self.loop.epoch, is_epoch_end=True)

    def _report(self, epoch: int, is_epoch_end: bool) -> None:
        if self.on_progress is None:
            return
        loop, steps_per_epoch = self.loop, len(self.loop.train_batches)
        n_steps = loop.settings.epochs * steps_per_epoch
        seconds = time.monotonic() - self._begin
        steps_per_second = max(loop.step - self._first_step, 1e-9) / max(seconds, 1e-9)
        total, count = loop.loss_sum.tolist()
        self.on_progress(
            Progress(
                epoch=epoch,
                n_epochs=loop.settings.epochs,
                step=loop.step,
                n_steps=n_steps,
                crystals_per_second=steps_per_second * self.n_crystals / steps_per_epoch,
                seconds_remaining=(n_steps - loop.step) / steps_per_second,
                train_loss=total / max(count, 1),
                validation=self._validation,
                is_epoch_end=is_epoch_end,
            )
        )


def _open_tensorboard(loop: TrainingLoop, folder: Path) -> Any:
    """Return the writer of TensorBoard logs, if enabled."""
    if not (loop.settings.tensorboard and loop.place.is_first):
        return None
    from torch.utils.tensorboard import SummaryWriter

    # epochs after the one resumed from are hidden, since they are trained again
    return SummaryWriter(str(folder / TENSORBOARD), purge_step=loop.epoch + 1)
