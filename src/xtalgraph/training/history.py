"""A row an epoch: `history.csv`, and the same for TensorBoard."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pandas as pd

from xtalgraph.training.lightning import Callback, Trainer
from xtalgraph.training.module import TrainingModule
from xtalgraph.training.run_folder import HISTORY, write_text


class History(Callback):
    """Keeps and writes what each epoch gave; a resumed run continues the rows of its checkpoint."""

    def __init__(self, folder: Path, tensorboard: bool) -> None:
        self.folder, self.tensorboard = folder, tensorboard
        self.rows: list[dict[str, float]] = []
        self._begin = self._trained = 0.0
        self._writer: Any = None

    def on_train_start(self, trainer: Trainer, pl_module: TrainingModule) -> None:
        """Open the log of TensorBoard."""
        if self.tensorboard and trainer.is_global_zero:
            from torch.utils.tensorboard import SummaryWriter

            # epochs after the one that was resumed from are hidden: they were trained again
            self._writer = SummaryWriter(
                str(self.folder / "tensorboard"), purge_step=len(self.rows) + 1
            )

    def on_train_epoch_start(self, trainer: Trainer, pl_module: TrainingModule) -> None:
        """Start the clock."""
        self._begin = time.monotonic()

    def on_validation_start(self, trainer: Trainer, pl_module: TrainingModule) -> None:
        """Note when the training of this epoch was done."""
        self._trained = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: TrainingModule) -> None:
        """Add the row of this epoch."""
        loss = pl_module.mean_train_loss()
        pl_module.refuse_not_finite(pl_module.loss_sum.new_tensor(loss), "the loss")
        n_crystals = len(pl_module.problem.rows("train"))
        row = {
            "epoch": trainer.current_epoch + 1,
            "train_loss": loss,
            **pl_module.validation,
            "learning_rate": float(trainer.optimizers[0].param_groups[0]["lr"]),
            "seconds": round(time.monotonic() - self._begin, 4),
            "crystals_per_second": round(n_crystals / (self._trained - self._begin), 1),
        }
        self.rows.append(row)
        if not trainer.is_global_zero:
            return
        write_text(self.folder / HISTORY, self.to_frame().to_csv(index=False))
        if self._writer is not None:
            for name, value in row.items():
                self._writer.add_scalar(name, value, row["epoch"])
            self._writer.flush()

    def teardown(self, trainer: Trainer, pl_module: TrainingModule, stage: str) -> None:
        """Close the log of TensorBoard."""
        if self._writer is not None:
            self._writer.close()

    def to_frame(self) -> pd.DataFrame:
        """Give the rows as a table."""
        return pd.DataFrame(self.rows)

    def state_dict(self) -> dict[str, Any]:
        """Give what a checkpoint keeps."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what a checkpoint kept."""
        self.rows = list(state_dict["rows"])
