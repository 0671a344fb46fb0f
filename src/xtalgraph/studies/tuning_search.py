"""The trials of a search: proposed by Optuna, run in folders of their own, recorded in a file."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import torch

from xtalgraph.data.splits import checksum_split
from xtalgraph.errors import BadConfig, XtalgraphError
from xtalgraph.studies.search_space import Space, get_value, set_values
from xtalgraph.studies.trials import RUNS, run_or_resume
from xtalgraph.studies.tuning_result import BEST
from xtalgraph.training import Progress, RunConfig, format_config
from xtalgraph.training.problem import Problem
from xtalgraph.training.run_folder import HISTORY, write_text

if TYPE_CHECKING:
    import optuna

STUDY = "study.log"
BEFORE_PRUNING = 0.3  # of the epochs: until then one_cycle warms up, and says little of the end
N_BEFORE_PRUNING = 4  # finished trials that a median is taken of
CONTINUES, FINGERPRINT = "continues", "fingerprint"
_NO_MEMORY = (MemoryError, torch.OutOfMemoryError)

OnTrial = Callable[[Mapping[str, object], int, int], None]
"""Told of each trial: its row of the table, how many are done, and how many there shall be."""


class _BrokenOff(Exception):
    """Raised within a training run to end it: `pruned`, or else for lack of time."""

    def __init__(self, pruned: bool) -> None:
        self.pruned = pruned
        super().__init__()


class Search:
    """A study in a folder: its trials are run folders, its record a file that grows."""

    def __init__(
        self,
        problem: Problem,
        config: RunConfig,
        space: Space,
        folder: Path,
        seed: int,
        deadline: float | None,
    ) -> None:
        self.problem, self.config, self.space = problem, config, space
        self.folder, self.seed, self.deadline = folder, seed, deadline
        self.has_stopped = False  # for lack of time, within a trial
        self.study = self._open_study()

    def run(self, n_trials: int, on_trial: OnTrial | None) -> tuple[pd.DataFrame, RunConfig]:
        """Do trials until there are enough or the time is over; give all of them, and the best."""
        while self._count() < n_trials and not (self.has_stopped or self._is_over()):
            number = self._run_trial()
            table = self.tabulate()
            if on_trial is not None and number in table["trial"].tolist():
                row = table[table["trial"] == number].to_dict(orient="records")[0]
                on_trial({str(name): value for name, value in row.items()}, len(table), n_trials)
        table = self.tabulate()
        if "complete" not in table["state"].tolist():
            errors = [str(text) for text in table["error"] if text]
            why = f" The first failed: {errors[0]}" if errors else ""
            raise BadConfig(
                f"{self.folder}: no trial came to its end.{why} Give it more time or trials "
                "(--minutes, --trials), or fewer epochs; what was begun is continued."
            )
        return table, set_values(self.config, self.study.best_trial.params)

    def _open_study(self) -> optuna.Study:
        import optuna
        from optuna.storages.journal import JournalFileBackend, JournalStorage

        self.folder.mkdir(parents=True, exist_ok=True)
        epochs = self.config.train.epochs
        study = optuna.create_study(
            study_name="xtalgraph",
            storage=JournalStorage(JournalFileBackend(str(self.folder / STUDY))),
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(
                n_startup_trials=N_BEFORE_PRUNING,
                n_warmup_steps=max(1, round(BEFORE_PRUNING * epochs)),
            ),
        )
        fingerprint = self._fingerprint()
        if study.user_attrs.get(FINGERPRINT, fingerprint) != fingerprint:
            raise BadConfig(
                f"{self.folder / STUDY}: a search on other data, split, settings or space. "
                "Undo the change, or choose another folder (--out)."
            )
        study.set_user_attr(FINGERPRINT, fingerprint)
        if not study.trials:
            given = {name: get_value(self.config, name) for name in self.space}
            study.enqueue_trial(
                {name: value for name, value in given.items() if self.space[name].holds(value)}
            )
        for trial in study.trials:
            if trial.state == optuna.trial.TrialState.RUNNING:  # the process was killed in it
                study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
                study.enqueue_trial(trial.params, user_attrs={CONTINUES: trial.number})
        return study

    def _fingerprint(self) -> str:
        """Give a text that differs where scores could not be compared."""
        problem = self.problem
        split = checksum_split(problem.dataset, problem.split)
        parts = [problem.dataset.checksum, split, repr(problem.task)]
        parts += [format_config(self.config), repr(sorted(self.space.items()))]
        return hashlib.sha256("|".join(parts).encode()).hexdigest()

    def _count(self) -> int:
        """Give how many trials are done; one that is continued by another is not."""
        continued = self._continued()
        return sum(
            trial.state.is_finished() and trial.number not in continued
            for trial in self.study.trials
        )

    def _continued(self) -> set[int]:
        attributes = [trial.user_attrs for trial in self.study.trials]
        return {each[CONTINUES] for each in attributes if CONTINUES in each}

    def _is_over(self, seconds_needed: float = 0.0) -> bool:
        return self.deadline is not None and time.monotonic() + seconds_needed > self.deadline

    def _run_trial(self) -> int:
        import optuna
        from optuna.trial import TrialState

        # seeded by the trial, so that a search that is continued proposes what it would have
        seed = self.seed + len(self.study.trials)
        self.study.sampler = optuna.samplers.TPESampler(seed=seed)
        trial = self.study.ask({name: entry.distribution for name, entry in self.space.items()})
        config = set_values(self.config, trial.params)
        name = "trial-" + hashlib.sha256(format_config(config).encode()).hexdigest()[:8]
        folder = self.folder / RUNS / name
        trial.set_user_attr("folder", f"{RUNS}/{name}")
        try:
            values = self._train(trial, config, folder)
        except _BrokenOff as stop:
            self._note_cost(trial, folder)
            self.study.tell(trial, state=TrialState.PRUNED if stop.pruned else TrialState.FAIL)
            self.has_stopped = not stop.pruned
            if self.has_stopped:
                self.study.enqueue_trial(trial.params, user_attrs={CONTINUES: trial.number})
        except (XtalgraphError, *_NO_MEMORY) as error:
            trial.set_user_attr("error", str(error))
            self.study.tell(trial, state=TrialState.FAIL)
        else:
            self._note_cost(trial, folder)
            self.study.tell(trial, min(values))
            best = set_values(self.config, self.study.best_trial.params)
            write_text(self.folder / BEST, format_config(best))
        return trial.number

    def _train(self, trial: optuna.Trial, config: RunConfig, folder: Path) -> list[float]:
        """Train, or go on, and give the validation score of each epoch."""
        reported: set[int] = set()
        if (folder / HISTORY).is_file():
            history = pd.read_csv(folder / HISTORY)
            for epoch, value in zip(history["epoch"], self._score(history), strict=True):
                trial.report(value, int(epoch))
                reported.add(int(epoch))
        last = [time.monotonic()]

        def watch(progress: Progress) -> None:
            if not progress.is_epoch_end or progress.epoch == progress.n_epochs:
                return
            row = pd.DataFrame([dict(progress.validation)])
            if progress.epoch not in reported:
                trial.report(self._score(row)[0], progress.epoch)
            if trial.should_prune():
                raise _BrokenOff(pruned=True)
            now = time.monotonic()
            if self._is_over(seconds_needed=now - last[0]):
                raise _BrokenOff(pruned=False)
            last[0] = now

        run = run_or_resume(self.problem, config, folder, watch)
        return self._score(run.history)

    def _score(self, history: pd.DataFrame) -> list[float]:
        """Give the score of each row of a history; smaller is better."""
        normaliser = self.problem.normaliser
        if normaliser is None:
            return history["validation_loss"].astype(float).tolist()
        targets = self.problem.task.targets
        errors = [history[f"validation_mae {target.column}"].astype(float) for target in targets]
        if len(targets) == 1:
            return errors[0].tolist()
        scaled = [error / float(std) for error, std in zip(errors, normaliser.std, strict=True)]
        return pd.concat(scaled, axis=1).mean(axis=1).tolist()

    def _note_cost(self, trial: optuna.Trial, folder: Path) -> None:
        history = pd.read_csv(folder / HISTORY)
        trial.set_user_attr("epochs", len(history))
        trial.set_user_attr("seconds", round(float(history["seconds"].sum()), 2))

    def tabulate(self) -> pd.DataFrame:
        """Give a row for each trial that is done: its state, score, cost, settings and folder."""
        continued, rows = self._continued(), []
        for trial in self.study.trials:
            if trial.state.is_finished() and trial.number not in continued:
                rows.append(
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
                )
        columns = ["trial", "state", "score", "epochs", "seconds", *self.space, "folder", "error"]
        return pd.DataFrame(rows, columns=columns)
