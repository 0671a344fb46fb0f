"""Trains the tiny data set in a process of its own: `python -m tests.training.run_tiny OUT …`.

The arguments after the folder are settings. Environment variables make it fail or tell: KILL_AT=n
kills the process by SIGKILL in the middle of step n, KILL_AT=write in the middle of the second
write of a checkpoint, KILL_RANK=n only that of this rank; STOP_AT=n waits for ever before step n;
RESUME=1 resumes; ROWS=FOLDER writes what each process trained and validated on.
"""

import json
import os
import signal
import sys
from pathlib import Path

import torch

from tests.training.tiny import make_tiny, small_config
from xtalgraph import files
from xtalgraph.training import train
from xtalgraph.training.loop import TrainingBatch, TrainingLoop


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def stop_at(moment: int) -> None:
    """Let the process wait, for ever, before a step."""
    step = TrainingLoop.train_step

    def step_or_stop(self: TrainingLoop, batch: TrainingBatch) -> None:
        if self.step == moment:
            print("stopped", flush=True)
            signal.pause()
        step(self, batch)

    TrainingLoop.train_step = step_or_stop


def kill_at(moment: str) -> None:
    """Let the process die at a moment."""
    if moment == "write":
        publish, written = files.publish, []

        def publish_or_die(temporary: Path, path: Path) -> None:
            written.append(path.name)
            if written.count("last.ckpt") == 2:
                die()
            publish(temporary, path)

        files.publish = publish_or_die
        return
    step = TrainingLoop.train_step

    def step_or_die(self: TrainingLoop, batch: TrainingBatch) -> None:
        if self.step == int(moment):
            die()
        step(self, batch)

    TrainingLoop.train_step = step_or_die


def note_rows(folder: Path) -> None:
    """Write the rows that this process saw, by epoch."""
    seen: dict[str, list[int]] = {}
    step, gather = TrainingLoop.train_step, TrainingLoop._gather_outputs

    def note(loop: TrainingLoop, name: str, rows: list[int]) -> None:
        seen.setdefault(f"{name} {loop.epoch}", []).extend(rows)
        (folder / f"rank{loop.place.rank}.json").write_text(json.dumps(seen))

    def noting_step(self: TrainingLoop, batch: TrainingBatch) -> None:
        note(self, "train", batch.rows.tolist())
        step(self, batch)

    def noting_gather(self: TrainingLoop, network: object) -> torch.Tensor:
        for rows in self.validation_batches.batches():
            note(self, "validation", rows.tolist())
        return gather(self, network)

    TrainingLoop.train_step, TrainingLoop._gather_outputs = noting_step, noting_gather


def main(out: str, *assignments: str) -> None:
    rank = os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0"))
    if os.environ.get("KILL_AT") and os.environ.get("KILL_RANK", rank) == rank:
        kill_at(os.environ["KILL_AT"])
    if os.environ.get("STOP_AT"):
        stop_at(int(os.environ["STOP_AT"]))
    if os.environ.get("ROWS"):
        note_rows(Path(os.environ["ROWS"]))
    torch.set_num_threads(1)
    # with 43 crystals the validation set cannot be shared out evenly
    run = train(
        make_tiny(43),
        ["energy", "gap"],
        out=out,
        config=small_config(*assignments),
        resume="RESUME" in os.environ,
        on_progress=lambda progress: print(f"{os.getpid()} epoch {progress.epoch}"),
    )
    # one write, so that lines of two processes do not mix
    sys.stdout.write(f"rank {run.rank}: {run.metrics['best_epoch']} {run.folder}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
