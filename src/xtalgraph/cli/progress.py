"""Progress of long work: one moving line on a terminal, a line now and then in a log."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from xtalgraph.screening import ScreenProgress
    from xtalgraph.training import Progress as TrainingProgress

N_LOG_LINES = 20
Report = TypeVar("Report")


@dataclass(frozen=True)
class State:
    """How far a piece of work is, and what to say about it; the total may be unknown."""

    done: int
    total: int | None
    text: str
    seconds_remaining: float | None = None
    is_logged: bool = True  # a line in a log may be written now, if one is due


@contextmanager
def progress_bar(read: Callable[[Report], State]) -> Iterator[Callable[[Report], None]]:
    """Return a function that shows the progress on stderr, from one process only.

    `read` says what a report of the work means.
    """
    console = Console(stderr=True, highlight=False)
    if int(os.environ.get("LOCAL_RANK", 0)) or int(os.environ.get("NODE_RANK", 0)):
        yield lambda report: None
        return
    if not console.is_terminal:
        lines = _LogLines(console)
        yield lambda report: lines.show(read(report))
        return
    text = TextColumn("{task.fields[text]}", markup=False)
    columns = (BarColumn(), text, TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with Progress(*columns, console=console) as bars:
        bar = bars.add_task("work", total=None, text="")

        def show(report: Report) -> None:
            state = read(report)
            bars.update(bar, completed=state.done, total=state.total, text=state.text)

        yield show


def training_bar() -> AbstractContextManager[Callable[[TrainingProgress], None]]:
    """Return the progress bar of a training run."""
    return progress_bar(describe_training)


class _LogLines:
    """Prints a line whenever a twentieth more is done, or twice as much where no end is known."""

    def __init__(self, console: Console) -> None:
        self.console, self.due = console, 0

    def show(self, state: State) -> None:
        if not state.is_logged or (state.done < self.due and state.done != state.total):
            return
        self.due = state.done + (state.total // N_LOG_LINES if state.total else state.done)
        left = state.seconds_remaining
        remaining = "" if left is None else f"  {left:.0f} s left"
        self.console.print(state.text + remaining, soft_wrap=True, markup=False)


def describe_training(progress: TrainingProgress) -> State:
    """Return how far a training run is; a log has lines at the ends of epochs."""
    figures = [f"loss {progress.train_loss:.4f}"]
    figures += [f"{name} {value:.4g}" for name, value in progress.validation.items()]
    text = (
        f"epoch {progress.epoch}/{progress.n_epochs}  {'  '.join(figures)}  "
        f"{progress.crystals_per_second:.0f} crystals/s"
    )
    is_end, left = progress.is_epoch_end, progress.seconds_remaining
    return State(progress.step, progress.n_steps, text, left, is_logged=is_end)


def describe_screen(progress: ScreenProgress) -> State:
    """Return how far a screen is."""
    of = f" of {progress.n_all:,}" if progress.n_all else ""
    text = (
        f"{progress.n_candidates:,}{of} candidates, {progress.n_passed:,} passed, "
        f"{progress.candidates_per_second:,.0f}/s"
    )
    return State(progress.n_candidates, progress.n_all, text, progress.seconds_remaining)


def describe_download(done_and_total: tuple[int, int | None]) -> State:
    """Return how much of a file has been fetched."""
    done, total = done_and_total
    of = f" of {total / 1e6:.1f}" if total else ""
    return State(done, total, f"fetched {done / 1e6:.1f}{of} MB")
