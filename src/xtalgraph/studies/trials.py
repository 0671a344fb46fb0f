"""Trials: one model each, fitted on a part of a data set and scored on the other parts.

Every study (comparison, learning curve, search, cross-validation) is a list of trials in a folder,
and all of them run here. A trial leaves the same whether its model is a network or a baseline: a
folder of its own below that of the study, with `test_predictions.csv` and `metrics.json`, which is
written last; that of a network is the whole run folder of `train`.

A study is resumable. Its `manifest.json` has what all trials share (data, task, split or folds),
and under `trials` what each of them is: its rows, and its settings or its baseline and seed. Called
again, finished trials are read and interrupted ones resumed. New trials may be added; one that is
there must be what it was, or nothing is run. One process at a time may work in the folder.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from xtalgraph.data import Split
from xtalgraph.data.splits import PARTS
from xtalgraph.errors import BadConfig, XtalgraphError
from xtalgraph.evaluation.baselines import make_baseline, need_structures
from xtalgraph.evaluation.distance_table import Labelled
from xtalgraph.evaluation.labels import labelled_rows, read_labels
from xtalgraph.evaluation.scores import score
from xtalgraph.files import checksum, format_csv, lock_folder, write_json, write_text
from xtalgraph.manifest import begin_or_resume, read_manifest
from xtalgraph.nn import Task
from xtalgraph.training import RunConfig, TrainedRun, read_run, train
from xtalgraph.training.config import config_tables
from xtalgraph.training.run_folder import CONFIG, METRICS, PREDICTIONS
from xtalgraph.workers import work_in_processes

if TYPE_CHECKING:
    from xtalgraph.training import Progress

RUNS = "runs"  # the folder of the trials, beside the page
LONGEST_NAME = 100  # characters of a folder's name; file systems take 255, and paths add up
MAY_DIFFER = ("name", "source", "start_from")  # where data and weights lie; their checksums may not
_UNSAFE = re.compile(r"[^A-Za-z0-9.+-]+")
_NO_MEMORY = (MemoryError, torch.OutOfMemoryError)


@dataclass(frozen=True, eq=False)
class Trial:
    """A model to fit and to score.

    Attributes:
        labels: The columns of tables that say what it is, such as `{"pooling": "mean", "seed": 0}`.
        parts: Row numbers of the data set by part (`train`, `validation`, `test`); the model is
            fitted on the first and scored on the others.
        config: All settings of a network; None for a baseline.
        baseline: The name of a baseline, fitted with `seed`.
        seed: Random seed of the baseline.
        error: Why the settings are impossible; such a trial is reported and not run.
        place: Its folder, relative to that of the study; named by the labels if left out.
    """

    labels: Mapping[str, str | int | float]
    parts: Mapping[str, np.ndarray]
    config: RunConfig | None = None
    baseline: str = ""
    seed: int = 0
    error: str = ""
    place: str = ""

    @cached_property
    def path(self) -> str:
        """Its folder, relative to that of the study."""
        return self.place or f"{RUNS}/{name_folder(self.labels)}"


@dataclass(frozen=True, eq=False)
class TrialResult:
    """The result of a trial.

    Attributes:
        trial: The trial.
        folder: Its folder.
        metrics: Its metrics, as in its `metrics.json`; None if it failed.
        error: Why it failed.
    """

    trial: Trial
    folder: Path
    metrics: Mapping[str, Any] | None
    error: str = ""

    @cached_property
    def run(self) -> TrainedRun | None:
        """The finished run of a network; None for a baseline, or where the trial failed."""
        is_network = self.metrics is not None and not self.trial.baseline
        return read_run(self.folder) if is_network else None

    @property
    def n_parameters(self) -> int:
        """The number of trained parameters; 0 where there is no run."""
        if self.run is None:
            return 0
        return sum(weights.numel() for weights in self.run.model.network.parameters())


OnTrial = Callable[[TrialResult, int, int], None]
"""Told of each finished trial: its result, how many are done, and how many there are."""


@dataclass(frozen=True, eq=False)
class Study:
    """A folder of trials on one data set and task.

    Attributes:
        folder: Where the trials, the tables and the page lie.
        work: What it is, in words for a message: `a comparison`.
        dataset: What the rows of the trials are of.
        task: What is learned.
        splits: Rows by part, of the split or of each fold.
        shared: What else decides all results, as JSON values.
        jobs: How many trials run at a time, in processes of one thread each.
    """

    folder: Path
    work: str
    dataset: Labelled
    task: Task
    splits: Sequence[Mapping[str, np.ndarray]]
    shared: Mapping[str, object] = field(default_factory=dict)
    jobs: int = 1

    @contextmanager
    def open(self, trials: Sequence[Trial], *, traces: Sequence[str] = ()) -> Iterator[None]:
        """Begin or resume the study in its folder, and keep other processes out meanwhile.

        `traces` are files that show that a study was begun here before there were manifests.

        Raises:
            BadConfig: The trials cannot be run together, or the folder holds others.
            FolderInUse: Another process works in the folder.
        """
        self._refuse_impossible(trials)
        places = [*traces, *(name for t in trials for name in (t.path, f"{t.path}.json"))]
        if read_manifest(self.folder) is None and any((self.folder / p).exists() for p in places):
            raise BadConfig(
                f"{self.folder} holds {self.work} of xtalgraph 0.1, which this version cannot "
                "resume. Choose another folder (--out)."
            )
        with lock_folder(self.folder, self.work):
            begin_or_resume(
                self.folder,
                self.work,
                self._identify(trials),
                may_differ=MAY_DIFFER,
                may_grow=("trials",),
            )
            yield

    def _identify(self, trials: Sequence[Trial]) -> dict[str, Any]:
        data = {"name": self.dataset.name, "source": self.dataset.source}
        data |= {"checksum": self.dataset.checksum}
        targets = [target.column for target in self.task.targets]
        task = {"kind": self.task.kind, "targets": targets, "classes": list(self.task.classes)}
        splits = [self._checksum_rows(parts) for parts in self.splits]
        known = {trial.path: self._describe(trial) for trial in trials if not trial.error}
        return {"data": data, "task": task, "splits": splits, **self.shared, "trials": known}

    def _describe(self, trial: Trial) -> dict[str, Any]:
        rows = {"rows": self._checksum_rows(trial.parts)}
        if trial.config is not None:
            return rows | config_tables(trial.config)
        return rows | {"baseline": trial.baseline, "seed": trial.seed}

    def _checksum_rows(self, parts: Mapping[str, np.ndarray]) -> str:
        """Return a text that differs where other crystals are in the parts."""
        ids = self.dataset.ids
        lines = [f"{id},{part}" for part in PARTS for id in ids[parts[part]].tolist()]
        return checksum("\n".join(sorted(lines)))

    def _refuse_impossible(self, trials: Sequence[Trial]) -> None:
        if self.jobs < 1:
            raise BadConfig(f"jobs = {self.jobs}; it must be 1 or more.")
        errors = [trial.error for trial in trials if trial.error]
        if errors and all(trial.error or trial.baseline for trial in trials):
            raise BadConfig(f"none of the {len(errors)} combinations is possible: {errors[0]}")
        names = [trial.path.lower() for trial in trials]
        for trial in trials:
            if names.count(trial.path.lower()) > 1:
                raise BadConfig(f"{Path(trial.path).name!r} is asked for twice. Name each once.")
            if trial.baseline:
                make_baseline(trial.baseline, kind=self.task.kind)
            if trial.config is not None:
                refuse_several_processes(trial.config)


def refuse_several_processes(config: RunConfig) -> None:
    """Raise `BadConfig` where one run would be spread over processes."""
    if str(config.train.devices) != "1" or config.train.num_nodes != 1:
        raise BadConfig(
            f"train.devices = {config.train.devices!r}, train.num_nodes = "
            f"{config.train.num_nodes}: each run of a study is one process. Set both to 1, and "
            "use --jobs for several runs at a time."
        )


def run_trials(
    study: Study, trials: Sequence[Trial], on_trial: OnTrial | None = None
) -> list[TrialResult]:
    """Run the trials of an open study, and give the results in their order.

    Finished trials are read, interrupted ones resumed. One that fails for a reason that its user
    can fix, or for lack of memory, does not stop the others.

    Raises:
        LostWorkers: Processes were killed again and again.
    """
    results: dict[int, TrialResult] = {}
    for number, error in _settle(study, trials):
        folder = study.folder / trials[number].path
        results[number] = TrialResult(trials[number], folder, _read_metrics(folder), error)
        if on_trial is not None:
            on_trial(results[number], len(results), len(trials))
    return [results[number] for number in range(len(trials))]


def _read_metrics(folder: Path) -> dict[str, Any] | None:
    try:
        metrics: dict[str, Any] = json.loads((folder / METRICS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return metrics


def _settle(study: Study, trials: Sequence[Trial]) -> Iterator[tuple[int, str]]:
    """Yield number and error of each trial as it is done, first those with nothing left to do."""
    left = []
    for number, trial in enumerate(trials):
        if trial.error or (study.folder / trial.path / METRICS).is_file():
            yield number, trial.error
        else:
            left.append(number)
    if study.jobs > 1 and len(left) > 1:
        # a script needs no `if __name__ == "__main__"`, as with one process
        yield from work_in_processes(
            _begin_trials,
            (study, trials),
            left,
            min(study.jobs, len(left)),
            ahead=1,
            imports_main=False,
        )
        return
    for number in left:
        yield number, run_trial(study, trials[number])


def _begin_trials(study: Study, trials: Sequence[Trial]) -> Callable[[int], str]:
    return lambda number: run_trial(study, trials[number])


def run_trial(
    study: Study, trial: Trial, on_progress: Callable[[Progress], None] | None = None
) -> str:
    """Fit and score a model, or resume that; give why it failed, or an empty text."""
    try:
        if trial.config is None:
            _fit_baseline(study, trial)
        else:
            train_network(study, trial, on_progress)
    except XtalgraphError as error:
        return str(error)
    except _NO_MEMORY as error:
        return f"out of memory ({error}). Lower train.batch_size, or run fewer at a time (--jobs)."
    return ""


def train_network(
    study: Study, trial: Trial, on_progress: Callable[[Progress], None] | None = None
) -> TrainedRun:
    """Train the network of a trial, or resume that; a finished run is given as it is."""
    folder = study.folder / trial.path
    return train(
        need_structures(study.dataset),
        [target.name for target in study.task.targets],
        out=folder,
        task=study.task.kind,
        config=trial.config,
        split=Split(**trial.parts),
        resume=(folder / CONFIG).is_file(),
        on_progress=on_progress,
    )


def _fit_baseline(study: Study, trial: Trial) -> None:
    begin = time.monotonic()
    dataset, task, folder = study.dataset, study.task, study.folder / trial.path
    labels = {part: read_labels(dataset, task, rows) for part, rows in trial.parts.items()}
    labelled = {part: labelled_rows(values) for part, values in labels.items()}
    rows = {part: trial.parts[part][labelled[part]] for part in PARTS}
    baseline = make_baseline(trial.baseline, seed=trial.seed, kind=task.kind)
    baseline.fit(dataset, rows["train"], task)
    metrics: dict[str, Any] = {
        "task": task.kind,
        **{f"n_{part}": len(rows[part]) for part in PARTS},
    }
    table = pd.DataFrame()
    for part in PARTS[1:]:
        if len(rows[part]):
            true, predicted = labels[part][labelled[part]], baseline.predict(dataset, rows[part])
            scores = score(true, predicted, task)
            metrics[part] = {
                target.name: {"unit": target.unit} | scores[target.name] for target in task.targets
            }
            table = task.tabulate(tuple(map(str, dataset.ids[rows[part]])), true, predicted)
    metrics["seconds"] = round(time.monotonic() - begin, 3)
    folder.mkdir(parents=True, exist_ok=True)
    if len(rows["test"]):
        write_text(folder / PREDICTIONS, format_csv(table))
    write_json(folder / METRICS, metrics)


def split_parts(split: Split) -> dict[str, np.ndarray]:
    """Return the rows of each part of a split, ascending."""
    return {part: np.sort(split.part(part)) for part in PARTS}


def name_folder(labels: Mapping[str, str | int | float]) -> str:
    """Return a folder name that says what a trial is, and that every file system takes.

    What had to be changed or cut for it is distinguished by the beginning of a checksum.

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
