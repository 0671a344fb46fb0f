"""Trains the tiny data set in a process of its own: `python -m tests.training.run_tiny OUT …`.

The arguments after the folder are settings. Two environment variables make it fail or tell:
KILL_AT=n kills the process by SIGKILL in the middle of step n, KILL_AT=write in the middle of the
second write of a checkpoint; ROWS=FOLDER writes what each process trained and validated on.
"""

import json
import os
import signal
import sys
from pathlib import Path

import torch

from tests.training.tiny import make_tiny, small_config
from xtalgraph.training import checkpoint, train
from xtalgraph.training.module import TrainingModule


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at(moment: str) -> None:
    """Let the process die at a moment."""
    if moment == "write":
        replace, written = os.replace, []

        def replace_or_die(source, target) -> None:
            written.append(target)
            if len(written) == 2:
                die()
            replace(source, target)

        checkpoint.os = type("os", (), {"replace": staticmethod(replace_or_die)})
        return
    step = TrainingModule.training_step

    def step_or_die(self, batch, batch_index):
        loss = step(self, batch, batch_index)
        if self.trainer.global_step == int(moment):
            die()
        return loss

    TrainingModule.training_step = step_or_die


def note_rows(folder: Path) -> None:
    """Write the rows that this process saw, by epoch."""
    seen: dict[str, list[int]] = {}

    def noting(name, method):
        def noted(self, batch, batch_index):
            key = f"{name} {self.current_epoch}"
            seen.setdefault(key, []).extend(batch.rows.tolist())
            (folder / f"rank{self.global_rank}.json").write_text(json.dumps(seen))
            return method(self, batch, batch_index)

        return noted

    TrainingModule.training_step = noting("train", TrainingModule.training_step)
    TrainingModule.validation_step = noting("validation", TrainingModule.validation_step)


def main(out: str, *assignments: str) -> None:
    if os.environ.get("KILL_AT"):
        kill_at(os.environ["KILL_AT"])
    if os.environ.get("ROWS"):
        note_rows(Path(os.environ["ROWS"]))
    torch.set_num_threads(1)
    # with 43 crystals the validation part cannot be shared out evenly
    run = train(
        make_tiny(43),
        ["energy", "gap"],
        out=out,
        config=small_config(*assignments),
        on_progress=lambda progress: print(f"{os.getpid()} epoch {progress.epoch}"),
    )
    # one write, so that lines of two processes do not mix
    sys.stdout.write(f"rank {run.rank}: {run.metrics['best_epoch']} {run.folder}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
