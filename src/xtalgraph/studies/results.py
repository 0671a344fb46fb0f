"""What studies give: tables of their trials, and the problem that these have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from xtalgraph.evaluation.baselines import trivial_baselines
from xtalgraph.files import unprotect
from xtalgraph.nn import Task
from xtalgraph.studies.folds import Fold
from xtalgraph.studies.search_space import Space
from xtalgraph.studies.trials import Trial, TrialResult, split_parts
from xtalgraph.training import RunConfig
from xtalgraph.training.problem import Problem
from xtalgraph.training.run_folder import PREDICTIONS

SEED = "seed"
JUDGED = ("validation", "test")  # in the order in which they are used: to choose, then to judge
MAIN_METRIC = {"regression": "mean_absolute_error", "classification": "accuracy"}
"""The score of the tables, in the unit of the target where it is an error."""

BEST = "best.toml"
"""The file of the best settings in the folder of a search."""

SPREAD_METRICS = {"regression": (), "classification": ("macro_f1",)}  # beside the main one


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a grid of settings gave.

    Attributes:
        problem: Data, split and task, which all trials have in common.
        folder: Where trials, tables and page lie.
        settings: The columns of the settings that were varied.
        results: One a trial, in the order of the grid.
        runs: A row for each trial and target.
        summary: A row for each setting and target, over the seeds.
        baselines: A row for each baseline and target.
    """

    problem: Problem
    folder: Path
    settings: tuple[str, ...]
    results: tuple[TrialResult, ...]
    runs: pd.DataFrame
    summary: pd.DataFrame
    baselines: pd.DataFrame

    @property
    def metric(self) -> str:
        """The score of the tables: mean_absolute_error, in the target's unit, or accuracy."""
        return MAIN_METRIC[self.problem.task.kind]

    @property
    def n_failed(self) -> int:
        """How many trials gave no run."""
        return sum(result.metrics is None for result in self.results)

    def rank(self) -> pd.DataFrame:
        """Return the summary of the first target, the best on validation first, failures left out.

        The test set has no say in it: it is there to judge what was chosen.
        """
        column = f"validation_{self.metric}"
        first = self.summary[self.summary["target"] == self.summary["target"].iloc[0]]
        if column not in first:
            return first.iloc[:0]
        is_error = self.problem.task.kind == "regression"
        return first.dropna(subset=[column]).sort_values(column, ascending=is_error, kind="stable")


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """What networks and baselines learned from training sets of several sizes.

    Attributes:
        problem: Data, whole split and task.
        folder: Where trials, tables and page lie.
        results: One a trial, networks first.
        runs: A row for each model, size, seed and target.
        summary: A row for each model, size and target, over the seeds.
        slopes: For each model the power of the size with which its mean error changes.
    """

    problem: Problem
    folder: Path
    results: tuple[TrialResult, ...]
    runs: pd.DataFrame
    summary: pd.DataFrame
    slopes: pd.DataFrame

    @property
    def n_failed(self) -> int:
        """How many trials failed."""
        return sum(result.metrics is None for result in self.results)


@dataclass(frozen=True, eq=False)
class Tuning:
    """What a search found.

    Attributes:
        problem: Data, whole split and task.
        folder: Where trials, `best.toml` and the page lie.
        config: The settings as given.
        space: What was searched.
        trials: A row for each trial: its state, score, cost, settings and folder.
        best: The best settings.
        best_score: Their score on the validation set, smaller is better: the mean absolute error
            in the unit of the target; for several targets the mean of error / standard deviation;
            for classes the log-loss.
        baselines: The scores of baselines on the validation set.
    """

    problem: Problem
    folder: Path
    config: RunConfig
    space: Space
    trials: pd.DataFrame
    best: RunConfig
    best_score: float
    baselines: pd.DataFrame


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """What models gave on folds.

    Attributes:
        task: What was learned.
        folds: The rows of each fold.
        folder: Where trials, tables and page lie.
        results: One for each model and fold, in that order.
        rare_classes: Classes that were left out, with their numbers of crystals.
    """

    task: Task
    folds: tuple[Fold, ...]
    folder: Path
    results: tuple[TrialResult, ...]
    rare_classes: Mapping[str, int] = field(default_factory=dict)

    @property
    def models(self) -> list[str]:
        """The models that finished a fold, in the order in which they were asked for."""
        return list(dict.fromkeys(_model(each) for each in self.results if each.metrics))

    @property
    def failures(self) -> list[str]:
        """A line for each model and fold that failed, with the reason."""
        return [f"{each.trial.path} failed: {each.error}" for each in self.results if each.error]

    @cached_property
    def scores(self) -> pd.DataFrame:
        """A row for each finished model, fold and target: all metrics, and `seconds`."""
        rows: list[dict[str, object]] = []
        for result in self.results:
            if result.metrics is None:
                continue
            for target in self.task.targets:
                scores = dict(result.metrics["test"][target.name])
                scores.pop("unit", None)
                row = {**result.trial.labels, "target": target.column, **scores}
                rows.append(row | {"seconds": result.metrics["seconds"]})
        return pd.DataFrame(rows)

    def summary(self) -> pd.DataFrame:
        """Return mean and standard deviation over folds of the main metrics, one row per model."""
        metric = MAIN_METRIC[self.task.kind]
        grouped = self.scores.groupby(["model", "target"], sort=False)
        frame = grouped[metric].agg(["mean", "std"]).reset_index()
        frame = frame.rename(columns={"mean": metric, "std": "standard_deviation"})
        for other in SPREAD_METRICS[self.task.kind]:
            frame[other] = grouped[other].mean().to_numpy()
            frame[f"{other}_deviation"] = grouped[other].std().to_numpy()
        frame["n_folds"] = grouped[metric].count().to_numpy()
        frame["seconds"] = grouped["seconds"].sum().to_numpy()
        return frame

    def predictions(self, model: str) -> pd.DataFrame:
        """Return the true and predicted values of all finished folds of a model, with `fold`."""
        texts = {"id": str}
        if self.task.kind == "classification":
            name = self.task.targets[0].name  # `true` is a class here, and not a truth
            texts |= {f"{name} true": str, f"{name} predicted": str}
        tables = [
            pd.read_csv(each.folder / PREDICTIONS, dtype=texts, keep_default_na=False).assign(
                id=lambda table: [unprotect(id) for id in table["id"]],
                fold=each.trial.labels["fold"],
            )
            for each in self.results
            if each.metrics is not None and _model(each) == model
        ]
        return pd.concat(tables, ignore_index=True)


def _model(result: TrialResult) -> str:
    return str(result.trial.labels["model"])


def tabulate_results(results: Sequence[TrialResult], task: Task) -> pd.DataFrame:
    """Return a row for each trial and target: labels, scores as in its `metrics.json`, and cost.

    A trial without a test set has no test columns; one that failed has its reason as `error`, and
    no numbers.
    """
    rows: list[dict[str, object]] = []
    for result in results:
        for target in task.targets:
            row: dict[str, object] = {**result.trial.labels, "target": target.column}
            rows.append(row | _describe(result, target.name, MAIN_METRIC[task.kind]))
    return pd.DataFrame(rows).dropna(axis="columns", how="all")


def _describe(result: TrialResult, target: str, metric: str) -> dict[str, object]:
    metrics = result.metrics
    if metrics is None:
        return {"folder": result.trial.path, "error": result.error}
    scores = {
        f"{part}_{metric}": metrics[part][target].get(metric) for part in JUDGED if part in metrics
    }
    return {
        **scores,
        "n_train": metrics["n_train"],
        "n_parameters": result.n_parameters or None,
        "epochs": metrics.get("epochs"),
        "best_epoch": metrics.get("best_epoch"),
        "seconds": metrics["seconds"],
        "folder": result.trial.path,
        "error": None,
    }


def summarise_seeds(runs: pd.DataFrame, settings: Sequence[str]) -> pd.DataFrame:
    """Return mean and standard deviation over the seeds, a row for each setting and target.

    The scores of a setting are those of its trials that are finished, `n_seeds` says how many; the
    deviation (of a sample, n − 1) needs two. Costs are means. Where one failed, `error` says why.
    """
    rows = []
    scores = [str(name) for name in runs if str(name).partition("_")[0] in JUDGED]
    for key, group in runs.groupby([*settings, "target"], sort=False):
        row: dict[str, object] = dict(zip([*settings, "target"], key, strict=True))
        for name in scores:
            row[name] = group[name].mean()
            row[f"{name.partition('_')[0]}_deviation"] = group[name].std(ddof=1)
        row["n_seeds"] = int(group[scores].notna().any(axis=1).sum())
        for name in ("n_parameters", "epochs", "seconds"):
            row[name] = group[name].mean() if name in group else np.nan
        if "error" in group:
            row["error"] = next(iter(group["error"].dropna()), None)
        rows.append(row)
    return pd.DataFrame(rows).dropna(axis="columns", how="all")


def list_baselines(problem: Problem, names: Sequence[str] | None = None) -> list[Trial]:
    """Return a trial for each baseline on a problem's split; the trivial ones without names."""
    parts = split_parts(problem.split)
    chosen = trivial_baselines(problem.task) if names is None else names
    return [Trial({"baseline": name}, parts, baseline=name) for name in chosen]


def tabulate_baselines(results: Sequence[TrialResult], task: Task) -> pd.DataFrame:
    """Return baseline, target and score: of the test set if there is one, else of validation."""
    table = tabulate_results(results, task)
    scores = [f"{part}_{MAIN_METRIC[task.kind]}" for part in reversed(JUDGED)]
    found = [name for name in scores if name in table][:1]
    errors = ["error"] if "error" in table else []
    return table.reindex(columns=["baseline", "target", *found, *errors])


def as_errors(scores: pd.Series, metric: str, n_test: int) -> pd.Series:
    """Return errors for a logarithmic axis: of an accuracy 1 − it, at least half a crystal."""
    return (1 - scores).clip(lower=0.5 / n_test) if metric.endswith("accuracy") else scores
