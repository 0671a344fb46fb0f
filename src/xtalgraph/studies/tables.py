"""Tables of many trials: a row for each, and a row for each setting over its seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from xtalgraph.evaluation.baselines import trivial_baselines
from xtalgraph.nn import Task
from xtalgraph.studies.trials import Trial, TrialResult, split_parts
from xtalgraph.training.problem import Problem

SEED = "seed"
JUDGED = ("validation", "test")  # in the order in which they are used: to choose, then to judge
MAIN_METRIC = {"regression": "mean_absolute_error", "classification": "accuracy"}
"""The score of the tables, in the unit of the target where it is an error."""


def tabulate_results(results: Sequence[TrialResult], task: Task) -> pd.DataFrame:
    """Return a row for each trial and target: labels, scores as in its `metrics.json`, and cost.

    A trial without a test part has no test columns; one that failed has its reason as `error`, and
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
    """Return baseline, target and score: of the test part if there is one, else of validation."""
    table = tabulate_results(results, task)
    scores = [f"{part}_{MAIN_METRIC[task.kind]}" for part in reversed(JUDGED)]
    found = [name for name in scores if name in table][:1]
    errors = ["error"] if "error" in table else []
    return table.reindex(columns=["baseline", "target", *found, *errors])


def as_errors(scores: pd.Series, metric: str, n_test: int) -> pd.Series:
    """Return errors for a logarithmic axis: of an accuracy 1 − it, at least half a crystal."""
    return (1 - scores).clip(lower=0.5 / n_test) if metric.endswith("accuracy") else scores
