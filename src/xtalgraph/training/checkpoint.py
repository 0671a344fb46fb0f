"""The best weights, the state to resume from, and when to stop early."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from torch import Tensor

from xtalgraph.training.lightning import Callback, Trainer
from xtalgraph.training.module import TrainingModule
from xtalgraph.training.run_folder import CHECKPOINT


class BestAndLast(Callback):
    """Keeps the weights of the best validation, and writes the state of the run after each epoch.

    One file holds all: current and averaged weights, optimiser, schedule, history, and the best
    weights so far. It replaces the one before in one step of the file system, so that whenever the
    run is killed, what lies there is one whole epoch's end. Lightning's `ModelCheckpoint` writes
    the last state only in epochs that are also the best, in a file beside the best one, and knows
    the best by its path.
    """

    def __init__(self, folder: Path, patience: int) -> None:
        self.folder, self.patience = folder, patience
        self.epoch = 0  # of the best validation, from 1
        self.score = float("inf")
        self.weights: dict[str, Tensor] = {}

    def on_train_start(self, trainer: Trainer, pl_module: TrainingModule) -> None:
        """Stop where a run was resumed that had stopped early but not finished."""
        self._stop_if_enough(trainer, trainer.current_epoch)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: TrainingModule) -> None:
        """Compare, decide, write."""
        epoch = trainer.current_epoch + 1
        if pl_module.score < self.score:
            self.epoch, self.score, self.weights = epoch, pl_module.score, pl_module.validated
        self._stop_if_enough(trainer, epoch)
        unfinished = self.folder / f"{CHECKPOINT}.part"
        trainer.save_checkpoint(unfinished)
        if trainer.is_global_zero:
            os.replace(unfinished, self.folder / CHECKPOINT)

    def _stop_if_enough(self, trainer: Trainer, epoch: int) -> None:
        if self.patience and epoch - self.epoch >= self.patience:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """Give what a checkpoint keeps."""
        return {"epoch": self.epoch, "score": self.score, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what a checkpoint kept."""
        self.epoch, self.score = state_dict["epoch"], state_dict["score"]
        self.weights = state_dict["weights"]
