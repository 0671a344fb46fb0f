"""A search for better settings, judged by the validation set alone: Optuna proposes, we train."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from xtalgraph.data import Dataset, Split
from xtalgraph.data.splits import DEFAULT_SPLIT
from xtalgraph.errors import BadConfig, MissingExtra
from xtalgraph.files import write_text
from xtalgraph.studies.pages import write_tuning_page
from xtalgraph.studies.results import BEST, Tuning, list_baselines, tabulate_baselines
from xtalgraph.studies.search_space import (
    DEFAULT_SPACE,
    Space,
    get_value,
    refuse_impossible,
    set_values,
)
from xtalgraph.studies.trials import (
    RUNS,
    Study,
    Trial,
    refuse_several_processes,
    run_trial,
    run_trials,
    split_parts,
)
from xtalgraph.training import Progress, RunConfig, format_config, preset
from xtalgraph.training.config import config_tables
from xtalgraph.training.problem import Problem, pose_problem
from xtalgraph.training.run import GIVEN_SPLIT
from xtalgraph.training.run_folder import HISTORY

if TYPE_CHECKING:
    import optuna

WORK = "a search"
LOG = "study.log"
BEFORE_PRUNING = 0.3  # of the epochs: until then one_cycle warms up, and says little of the end
N_BEFORE_PRUNING = 4  # finished trials that a median is taken of
CONTINUES = "continues"

OnRow = Callable[[Mapping[str, object], int, int], None]
"""Told of each trial: its row of the table, how many are done, and how many there shall be."""


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
    on_trial: OnRow | None = None,
) -> Tuning:
    """Search for settings with a small error on the validation set, and leave `best.toml`.

    The first trial has the settings as given; the tree-structured Parzen estimator proposes the
    others. A trial is pruned once its validation score is worse than the median of the others at
    the same epoch. The test set is taken away before anything is trained, so that it can judge the
    settings that are found. If interrupted, call it again to resume, with the interrupted trial
    first.

    Args:
        dataset: Crystals and their labels.
        targets: Columns to learn together, or their names with commas between them.
        out: Folder of the study.
        task: `regression` or `classification`.
        config: What is not searched; the default preset if left out.
        split: A `Split`, or a text as `make_split` takes it (seed `train.split_seed`).
        space: What is searched; `DEFAULT_SPACE` if left out.
        n_trials: How many in all, with those of earlier calls in the same folder.
        minutes: Stop after so long in this call, at the end of an epoch.
        seed: Of the proposals.
        on_trial: Called with the row of each finished trial, how many are done, and `n_trials`.

    Returns:
        The best settings and all trials.

    Raises:
        MissingExtra: Optuna is not installed.
        BadConfig: The space is impossible, no trial was completed, or the folder holds another
            study.
        BadDataset: The data cannot be learned.
        FolderInUse: Another process works in the folder.

    >>> found = tune(dataset, "band_gap", out="runs/search", n_trials=50)  # doctest: +SKIP
    >>> train(dataset, "band_gap", out="runs/best", config=found.best)  # doctest: +SKIP
    """
    config, space = config or preset("default"), space or DEFAULT_SPACE
    if n_trials < 1 or (minutes is not None and not minutes > 0):
        raise BadConfig(f"trials = {n_trials}, minutes = {minutes}: both must be above 0.")
    refuse_several_processes(config)
    refuse_impossible(space, config)
    whole = pose_problem(dataset, targets, task, split, config.train.split_seed)
    problem = _without_test(whole)
    deadline = None if minutes is None else time.monotonic() + 60 * minutes
    shared = {
        "settings": config_tables(config),
        "space": {name: asdict(entry) for name, entry in space.items()},
    }
    study = Study(Path(out), WORK, dataset, whole.task, [split_parts(problem.split)], shared)
    baselines = list_baselines(problem)
    with _quiet_optuna(), study.open(baselines, traces=[LOG]):
        search = Search(study, problem, config, space, seed, deadline)
        trials, best = search.run(n_trials, on_trial)
        stated = tabulate_baselines(run_trials(study, baselines), whole.task)
        score = float(trials.loc[trials["state"] == "complete", "score"].min())
        result = Tuning(whole, study.folder, config, space, trials, best, score, stated)
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
    """Keep Optuna's notes off stderr; say how to install it where it is missing."""
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


class _Stopped(Exception):
    """Raised within a training run to end it: `pruned`, or else for lack of time."""

    def __init__(self, pruned: bool) -> None:
        self.pruned = pruned
        super().__init__()


@dataclass(eq=False)
class Search:
    """The trials that Optuna proposes in the folder of a study, and its record of them."""

    study: Study
    problem: Problem  # without its test set
    config: RunConfig
    space: Space
    seed: int
    deadline: float | None
    has_stopped: bool = False  # for lack of time, within a trial

    @cached_property
    def record(self) -> optuna.Study:
        """What Optuna knows; a trial in which the process was killed is put first in the queue."""
        import optuna
        from optuna.storages.journal import JournalFileBackend, JournalStorage

        epochs = self.config.train.epochs
        record = optuna.create_study(
            study_name="xtalgraph",
            storage=JournalStorage(JournalFileBackend(str(self.study.folder / LOG))),
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(
                n_startup_trials=N_BEFORE_PRUNING,
                n_warmup_steps=max(1, round(BEFORE_PRUNING * epochs)),
            ),
        )
        if not record.trials:
            given = {name: get_value(self.config, name) for name in self.space}
            record.enqueue_trial(
                {name: value for name, value in given.items() if self.space[name].holds(value)}
            )
        for trial in record.trials:
            if trial.state == optuna.trial.TrialState.RUNNING:  # the process was killed in it
                record.tell(trial.number, state=optuna.trial.TrialState.FAIL)
                record.enqueue_trial(trial.params, user_attrs={CONTINUES: trial.number})
        return record

    def run(self, n_trials: int, on_trial: OnRow | None) -> tuple[pd.DataFrame, RunConfig]:
        """Do trials until there are enough or the time is over; give all of them, and the best."""
        table = self.tabulate()
        while len(table) < n_trials and not (self.has_stopped or self._is_over()):
            number = self._run_trial()
            table = self.tabulate()
            if on_trial is not None and number in table["trial"].tolist():
                row = table[table["trial"] == number].to_dict(orient="records")[0]
                on_trial({str(name): value for name, value in row.items()}, len(table), n_trials)
        if "complete" not in table["state"].tolist():
            errors = [str(text) for text in table["error"] if text]
            why = f" The first failed: {errors[0]}" if errors else ""
            raise BadConfig(
                f"{self.study.folder}: no trial was completed.{why} Allow more time or trials "
                "(--minutes, --trials), or fewer epochs; interrupted trials are resumed."
            )
        return table, set_values(self.config, self.record.best_trial.params)

    def _is_over(self, seconds_needed: float = 0.0) -> bool:
        return self.deadline is not None and time.monotonic() + seconds_needed > self.deadline

    def _run_trial(self) -> int:
        import optuna
        from optuna.trial import TrialState

        # seeded by the trial, so that a search that is resumed proposes what it would have
        seed = self.seed + len(self.record.trials)
        self.record.sampler = optuna.samplers.TPESampler(seed=seed)
        asked = self.record.ask({name: entry.distribution for name, entry in self.space.items()})
        config = set_values(self.config, asked.params)
        name = "trial-" + hashlib.sha256(format_config(config).encode()).hexdigest()[:8]
        parts, place = split_parts(self.problem.split), f"{RUNS}/{name}"
        trial = Trial(asked.params, parts, config, place=place)
        asked.set_user_attr("folder", trial.path)
        history = self.study.folder / trial.path / HISTORY
        try:
            error = run_trial(self.study, trial, self._watch(asked, history))
        except _Stopped as stop:
            self._note_cost(asked, history)
            self.record.tell(asked, state=TrialState.PRUNED if stop.pruned else TrialState.FAIL)
            self.has_stopped = not stop.pruned
            if self.has_stopped:
                self.record.enqueue_trial(asked.params, user_attrs={CONTINUES: asked.number})
            return asked.number
        if error:
            asked.set_user_attr("error", error)
            self.record.tell(asked, state=TrialState.FAIL)
            return asked.number
        self._note_cost(asked, history)
        self.record.tell(asked, min(self._score(pd.read_csv(history))))
        best = set_values(self.config, self.record.best_trial.params)
        write_text(self.study.folder / BEST, format_config(best))
        return asked.number

    def _watch(self, asked: optuna.Trial, history: Path) -> Callable[[Progress], None]:
        """Report the epochs of an interrupted run; give what reports and judges the others."""
        reported: set[int] = set()
        if history.is_file():
            before = pd.read_csv(history)
            for epoch, value in zip(before["epoch"], self._score(before), strict=True):
                asked.report(value, int(epoch))
                reported.add(int(epoch))
        last = [time.monotonic()]

        def watch(progress: Progress) -> None:
            if not progress.is_epoch_end or progress.epoch == progress.n_epochs:
                return
            if progress.epoch not in reported:
                row = pd.DataFrame([dict(progress.validation)])
                asked.report(self._score(row)[0], progress.epoch)
            if asked.should_prune():
                raise _Stopped(pruned=True)
            now = time.monotonic()
            if self._is_over(seconds_needed=now - last[0]):
                raise _Stopped(pruned=False)
            last[0] = now

        return watch

    def _score(self, history: pd.DataFrame) -> list[float]:
        """Return the score of each row of a history; smaller is better."""
        normaliser = self.problem.normaliser
        if normaliser is None:
            return history["validation_loss"].astype(float).tolist()
        targets = self.problem.task.targets
        errors = [history[f"validation_mae {target.column}"].astype(float) for target in targets]
        if len(targets) == 1:
            return errors[0].tolist()
        scaled = [error / float(std) for error, std in zip(errors, normaliser.std, strict=True)]
        return pd.concat(scaled, axis=1).mean(axis=1).tolist()

    def _note_cost(self, asked: optuna.Trial, history: Path) -> None:
        table = pd.read_csv(history)
        asked.set_user_attr("epochs", len(table))
        asked.set_user_attr("seconds", round(float(table["seconds"].sum()), 2))

    def tabulate(self) -> pd.DataFrame:
        """Return a row for each trial that is done; one that another continues is not."""
        trials = self.record.trials
        continued = {trial.user_attrs.get(CONTINUES) for trial in trials}
        rows = [
            {
                "trial": trial.number,
                "state": trial.state.name.lower(),
                "score": trial.value,
                "epochs": trial.user_attrs.get("epochs"),
                "seconds": trial.user_attrs.get("seconds"),
                **trial.params,
                "folder": trial.user_attrs["folder"],
                "error": trial.user_attrs.get("error"),
            }
            for trial in trials
            if trial.state.is_finished() and trial.number not in continued
        ]
        columns = ["trial", "state", "score", "epochs", "seconds", *self.space, "folder", "error"]
        return pd.DataFrame(rows, columns=columns)
