"""What a training run says about itself while it goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from xtalgraph.training.lightning import Callback, Trainer
from xtalgraph.training.module import TrainingModule

_SECONDS_BETWEEN = 0.5  # reading the loss from an accelerator waits for it, so not at every step


@dataclass(frozen=True)
class Progress:
    """How far a run is. Epochs count from 1; `step` counts batches of the whole run."""

    epoch: int
    n_epochs: int
    step: int
    n_steps: int
    crystals_per_second: float  # all processes together, validation counted as time
    seconds_remaining: float  # if no early stopping comes
    train_loss: float  # mean of this epoch so far, of standardised targets
    validation: Mapping[str, float] = field(default_factory=dict)  # last epoch, as in history.csv
    is_epoch_end: bool = False


class ProgressReporter(Callback):
    """Calls `on_progress` on the first process, twice a second and at the end of each epoch."""

    def __init__(self, on_progress: Callable[[Progress], None] | None) -> None:
        self.on_progress = on_progress
        self._begin = self._last = 0.0
        self._first_step = 0

    def on_train_start(self, trainer: Trainer, pl_module: TrainingModule) -> None:
        """Start the clock."""
        self._begin = self._last = time.monotonic()
        self._first_step = trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: TrainingModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Report now and then; stop a run whose loss is no number."""
        if time.monotonic() - self._last < _SECONDS_BETWEEN:
            return
        self._last = time.monotonic()
        if trainer.world_size == 1:  # all of several processes must stop together: at the epoch end
            pl_module.refuse_not_finite(pl_module.loss_sum, "the loss")
        self._report(trainer, pl_module, is_epoch_end=False)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: TrainingModule) -> None:
        """Report the epoch."""
        self._report(trainer, pl_module, is_epoch_end=True)

    def _report(self, trainer: Trainer, pl_module: TrainingModule, is_epoch_end: bool) -> None:
        if self.on_progress is None or not trainer.is_global_zero:
            return
        steps_per_epoch = int(trainer.num_training_batches)
        n_steps = pl_module.config.train.epochs * steps_per_epoch
        n_crystals = len(pl_module.problem.rows("train"))
        seconds = time.monotonic() - self._begin
        steps_per_second = (trainer.global_step - self._first_step) / max(seconds, 1e-9)
        total, count = pl_module.loss_sum.tolist()
        self.on_progress(
            Progress(
                epoch=trainer.current_epoch + 1,
                n_epochs=pl_module.config.train.epochs,
                step=trainer.global_step,
                n_steps=n_steps,
                crystals_per_second=steps_per_second * n_crystals / steps_per_epoch,
                seconds_remaining=(n_steps - trainer.global_step) / max(steps_per_second, 1e-9),
                train_loss=total / max(count, 1),
                validation=dict(pl_module.validation),
                is_epoch_end=is_epoch_end,
            )
        )
