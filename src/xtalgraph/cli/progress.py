"""What is shown while a long piece of work runs: rate, remaining time, the latest figures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from xtalgraph.training import Progress as TrainingProgress


@contextmanager
def training_bar() -> Iterator[Callable[[TrainingProgress], None]]:
    """Give a function that shows the progress of a training run on stderr, from one process only.

    On a terminal it is one moving line; in a log file, a line an epoch, twenty in all.
    """
    console = Console(stderr=True, highlight=False)
    if int(os.environ.get("LOCAL_RANK", 0)) or int(os.environ.get("NODE_RANK", 0)):
        yield lambda progress: None
        return
    if not console.is_terminal:
        yield _LogLines(console).show
        return
    columns = (
        TextColumn("epoch {task.fields[epoch]}"),
        BarColumn(),
        TextColumn("{task.fields[rate]:.0f} crystals/s  {task.fields[figures]}", markup=False),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bars:
        bar = bars.add_task("train", total=None, epoch="", rate=0.0, figures="")

        def show(progress: TrainingProgress) -> None:
            bars.update(
                bar,
                completed=progress.step,
                total=progress.n_steps,
                epoch=f"{progress.epoch}/{progress.n_epochs}",
                rate=progress.crystals_per_second,
                figures=_write_figures(progress),
            )

        yield show


class _LogLines:
    """Prints an epoch's figures now and then, for output that is no terminal."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def show(self, progress: TrainingProgress) -> None:
        every = max(1, progress.n_epochs // 20)
        is_due = progress.epoch % every == 0 or progress.epoch == progress.n_epochs
        if not (progress.is_epoch_end and is_due):
            return
        self.console.print(
            f"epoch {progress.epoch}/{progress.n_epochs}  {_write_figures(progress)}  "
            f"{progress.crystals_per_second:.0f} crystals/s  "
            f"{progress.seconds_remaining:.0f} s left",
            soft_wrap=True,
            markup=False,
        )


def _write_figures(progress: TrainingProgress) -> str:
    figures = [f"loss {progress.train_loss:.4f}"]
    figures += [f"{name} {value:.4g}" for name, value in progress.validation.items()]
    return "  ".join(figures)
