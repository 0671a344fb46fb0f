"""Named runs in folders of their own, each run, resumed or left as it is: what comparisons do."""

from __future__ import annotations

import hashlib
import os
import re
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from xtalgraph.errors import BadConfig, XtalgraphError
from xtalgraph.training import RunConfig, TrainedRun, read_run, train
from xtalgraph.training.problem import Problem
from xtalgraph.training.run_folder import CONFIG, is_finished, make_record, refuse_changes

if TYPE_CHECKING:
    from types import FrameType

    from xtalgraph.training import Progress

RUNS = "runs"  # the folder of the run folders, beside the page
LONGEST_NAME = 100  # characters of a folder's name; file systems take 255, and paths add up
_UNSAFE = re.compile(r"[^A-Za-z0-9.+-]+")
_NO_MEMORY = (MemoryError, torch.OutOfMemoryError)


@dataclass(frozen=True, eq=False)
class Point:
    """A run to be done: the name of its folder, the columns that say what it is, and all of it.

    Settings that cannot be are a point too, without `config` and with the `error`.
    """

    name: str
    labels: Mapping[str, str | int]
    problem: Problem
    config: RunConfig | None
    error: str = ""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of a point: its finished run, or the reason why there is none."""

    point: Point
    folder: Path
    run: TrainedRun | None
    error: str = ""

    @property
    def n_parameters(self) -> int:
        """The number of trained parameters; 0 where there is no run."""
        if self.run is None:
            return 0
        return sum(weights.numel() for weights in self.run.model.network.parameters())


OnPoint = Callable[[Outcome, int, int], None]
"""Told of each finished point: its outcome, how many are done, and how many there are."""


def run_points(
    points: Sequence[Point], folder: Path, *, jobs: int = 1, on_point: OnPoint | None = None
) -> list[Outcome]:
    """Run each point in `folder/runs/<name>`, and give the outcomes in the order of the points.

    A finished run is taken as it is, a broken-off one resumed, both only if settings, data and
    split are the same: others in the same place are refused before anything is run. A point that
    fails for a reason that its user can mend, or for lack of memory, does not stop the others.
    `jobs` processes work at a time, with one thread each where there are several.
    """
    _refuse_what_cannot_be_run(points, jobs)
    for point in points:
        _refuse_other_run(point, folder / RUNS / point.name)
    outcomes: dict[int, Outcome] = {}
    for number, error in _settle(points, folder, jobs):
        place = folder / RUNS / points[number].name
        run = None if error else read_run(place)
        outcomes[number] = Outcome(points[number], place, run, error)
        if on_point is not None:
            on_point(outcomes[number], len(outcomes), len(points))
    return [outcomes[number] for number in range(len(points))]


def run_or_resume(
    problem: Problem,
    config: RunConfig,
    folder: Path,
    on_progress: Callable[[Progress], None] | None = None,
) -> TrainedRun:
    """Train in a folder, or continue what was begun there; a finished run is given as it is."""
    return train(
        problem.dataset,
        [target.name for target in problem.task.targets],
        out=folder,
        task=problem.task.kind,
        config=config,
        split=problem.split,
        resume=(folder / CONFIG).is_file(),
        on_progress=on_progress,
    )


def name_folder(labels: Mapping[str, str | int]) -> str:
    """Give a folder name that says what a point is, and that every file system takes.

    What had to be changed or cut for it is told apart by the beginning of a checksum.

    >>> name_folder({"convolution": "gated", "seed": 0})
    'convolution-gated_seed-0'
    >>> name_folder({"element_vectors": "../a b.json", "seed": 0})
    'element-vectors-..-a-b.json_seed-0_dfecc6'
    """
    exact = "_".join(f"{key}-{value}" for key, value in labels.items())
    pairs = [f"{_clean(key)}-{_clean(str(value))}" for key, value in labels.items()]
    name = "_".join(pairs)[:LONGEST_NAME]
    changed = any(_clean(str(value)) != str(value) for value in labels.values())
    if changed or len("_".join(pairs)) > LONGEST_NAME or name != name.lower():
        name += "_" + hashlib.sha256(exact.encode()).hexdigest()[:6]
    return name


def _clean(text: str) -> str:
    return _UNSAFE.sub("-", text).strip("-")


def _settle(points: Sequence[Point], folder: Path, jobs: int) -> Iterator[tuple[int, str]]:
    """Give number and error of each point as it is done, first those with nothing left to do."""
    left = []
    for number, point in enumerate(points):
        if point.config is None or is_finished(folder / RUNS / point.name):
            yield number, point.error
        else:
            left.append(number)
    if jobs > 1 and len(left) > 1:
        yield from _run_in_processes(points, left, folder, min(jobs, len(left)))
        return
    for number in left:
        yield number, _run_point(points[number], folder / RUNS / points[number].name)


def _run_in_processes(
    points: Sequence[Point], left: Sequence[int], folder: Path, jobs: int
) -> Iterator[tuple[int, str]]:
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_begin_worker)
    try:
        waiting = {
            pool.submit(_run_point, points[number], folder / RUNS / points[number].name): number
            for number in left
        }
        while waiting:
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                yield waiting.pop(future), future.result()
    except BrokenProcessPool as error:
        raise BadConfig(
            "a process that trained was killed, most often because the memory was full. Run the "
            "same again with fewer processes (--jobs): what is finished is kept."
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _begin_worker() -> None:
    """Use one thread, and leave at Ctrl-C without a word: the run folder stands at an epoch."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, _leave)


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)


def _run_point(point: Point, folder: Path) -> str:
    """Give the reason why a point failed, empty where it did not."""
    if point.config is None:
        return point.error
    try:
        run_or_resume(point.problem, point.config, folder)
    except XtalgraphError as error:
        return str(error)
    except _NO_MEMORY as error:
        return f"out of memory ({error}). Lower train.batch_size, or run fewer at a time (--jobs)."
    return ""


def _refuse_what_cannot_be_run(points: Sequence[Point], jobs: int) -> None:
    if jobs < 1:
        raise BadConfig(f"jobs = {jobs}; it must be 1 or more.")
    errors = [point.error for point in points if point.config is None]
    if errors and len(errors) == len(points):
        raise BadConfig(f"none of the {len(points)} settings can be: {errors[0]}")
    names = [point.name.lower() for point in points]
    twice = [point.name for point in points if names.count(point.name.lower()) > 1]
    if twice:
        raise BadConfig(f"the settings of {twice[0]!r} are asked for twice. Name each once.")
    for point in points:
        if point.config is not None:
            refuse_several_processes(point.config)


def refuse_several_processes(config: RunConfig) -> None:
    """Raise `BadConfig` where one run would be spread over processes."""
    if str(config.train.devices) != "1" or config.train.num_nodes != 1:
        raise BadConfig(
            f"train.devices = {config.train.devices!r}, train.num_nodes = "
            f"{config.train.num_nodes}: where several runs are compared, each is one process. Set "
            "both to 1; --jobs does several runs at a time."
        )


def _refuse_other_run(point: Point, folder: Path) -> None:
    """Raise `BadConfig` where a folder holds another run than the one that is asked for."""
    if point.config is not None and (folder / CONFIG).is_file():
        refuse_changes(folder, point.config, make_record(point.problem, ""))
