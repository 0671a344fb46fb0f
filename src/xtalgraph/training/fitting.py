"""The epochs of a run: progress, history, the checkpoint after each, and the best model so far."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from xtalgraph.errors import BadCheckpoint
from xtalgraph.files import open_atomically, write_text
from xtalgraph.training.loop import TrainingLoop
from xtalgraph.training.run_folder import CHECKPOINT, HISTORY, TENSORBOARD

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
    loop: TrainingLoop, folder: Path, on_progress: Callable[[Progress], None] | None = None
) -> None:
    """Train to the end. The first process writes and reports after each epoch.

    `history.csv` and the checkpoint are replaced atomically, so that the folder always contains the
    state after a complete epoch, even if the run is killed, or if `on_progress` raises.
    """
    reporter = _Reporter(loop, on_progress if loop.place.is_first else None)
    writer = _open_tensorboard(loop, folder)
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
        reporter.after_epoch(validation)
    if writer is not None:
        writer.close()


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
