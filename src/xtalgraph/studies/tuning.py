"""A search for better settings, judged by the validation part alone: Optuna proposes, we train."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from xtalgraph.data import Dataset, Split
from xtalgraph.data.splits import DEFAULT_SPLIT
from xtalgraph.errors import BadConfig, MissingExtra
from xtalgraph.studies.search_space import DEFAULT_SPACE, Space, refuse_impossible
from xtalgraph.studies.trials import refuse_several_processes
from xtalgraph.studies.tuning_page import write_tuning_page
from xtalgraph.studies.tuning_result import Tuning
from xtalgraph.studies.tuning_search import OnTrial, Search
from xtalgraph.training import RunConfig, preset
from xtalgraph.training.problem import Problem, pose_problem
from xtalgraph.training.run import GIVEN_SPLIT


def tune(
    dataset: Dataset,
    targets: str | Sequence[str],
    *,
    out: str | Path,
    task: str = "regression",
    config: RunConfig | None = None,
    split: str | Split = DEFAULT_SPLIT,
    space: Space | None = None,
    n_trials: int = 20,
    minutes: float | None = None,
    seed: int = 0,
    on_trial: OnTrial | None = None,
) -> Tuning:
    """Search for settings with a small error on the validation part, and leave `best.toml`.

    The first trial has the settings as given; the tree-structured Parzen estimator proposes the
    others. A trial is broken off once its validation score is worse than the median of the others
    at the same epoch. The test part is taken away before anything is trained, so that it can
    judge the settings that are found. `n_trials` counts those of earlier calls in the same folder
    too; after `minutes` of this call it ends, at an epoch's end. Called again, it goes on, with the
    trial that was broken off first. One process at a time may work in a folder.
    """
    config, space = config or preset("default"), space or DEFAULT_SPACE
    if n_trials < 1 or (minutes is not None and not minutes > 0):
        raise BadConfig(f"trials = {n_trials}, minutes = {minutes}: both must be above 0.")
    refuse_several_processes(config)
    refuse_impossible(space, config)
    whole = pose_problem(dataset, targets, task, split, config.train.split_seed)
    problem = _without_test(whole)
    deadline = None if minutes is None else time.monotonic() + 60 * minutes
    with _quiet_optuna():
        search = Search(problem, config, space, Path(out), seed, deadline)
        trials, best = search.run(n_trials, on_trial)
    score = float(trials.loc[trials["state"] == "complete", "score"].min())
    result = Tuning(whole, Path(out), config, space, trials, best, score)
    options: dict[str, object] = {"trials": n_trials, "seed": seed}
    options |= {"split": split if isinstance(split, str) else GIVEN_SPLIT}
    write_tuning_page(result, problem, options)
    return result


def _without_test(problem: Problem) -> Problem:
    split, names = problem.split, [target.name for target in problem.task.targets]
    left = Split(split.train, split.validation, np.empty(0, dtype=np.int64))
    return pose_problem(problem.dataset, names, problem.task.kind, left)


@contextmanager
def _quiet_optuna() -> Iterator[None]:
    """Keep Optuna's notes off stderr; say how to install it where it is not there."""
    try:
        import optuna
    except ImportError as error:
        raise MissingExtra("tuning", "tune") from error
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
