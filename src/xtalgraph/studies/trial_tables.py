"""Tables of many runs: a row for each, and a row for each setting over its seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from xtalgraph.evaluation.baselines import make_baseline, trivial_baselines
from xtalgraph.evaluation.labels import read_labels
from xtalgraph.evaluation.scores import score
from xtalgraph.studies.cross_validation_result import MAIN_METRIC
from xtalgraph.studies.trials import Outcome
from xtalgraph.training.problem import Problem

SEED = "seed"
PARTS = ("validation", "test")  # in the order in which they are used: to choose, then to judge


def tabulate_outcomes(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """Give a row for each run and target: its labels, scores as in its `metrics.json`, its cost.

    A run without a test part has no test columns; a point that failed has its reason as `error`,
    and no numbers.
    """
    rows: list[dict[str, object]] = []
    for outcome in outcomes:
        task = outcome.point.problem.task
        for target in task.targets:
            row: dict[str, object] = {**outcome.point.labels, "target": target.column}
            rows.append(row | _describe_run(outcome, target.name, MAIN_METRIC[task.kind]))
    return pd.DataFrame(rows).dropna(axis="columns", how="all")


def _describe_run(outcome: Outcome, target: str, metric: str) -> dict[str, object]:
    folder = f"{outcome.folder.parent.name}/{outcome.folder.name}"
    if outcome.run is None:
        return {"folder": folder, "error": outcome.error}
    metrics = outcome.run.metrics
    scores = {
        f"{part}_{metric}": metrics[part][target][metric] for part in PARTS if part in metrics
    }
    return {
        **scores,
        "n_train": metrics["n_train"],
        "n_parameters": outcome.n_parameters,
        "epochs": metrics["epochs"],
        "best_epoch": metrics["best_epoch"],
        "seconds": metrics["seconds"],
        "folder": folder,
        "error": None,
    }


def summarise_seeds(runs: pd.DataFrame, settings: Sequence[str]) -> pd.DataFrame:
    """Give mean and standard deviation over the seeds, a row for each setting and target.

    The scores of a setting are those of its runs that are finished, `n_seeds` says how many; the
    deviation (of a sample, n − 1) needs two. Costs are means. Where a run failed, `error` says why.
    """
    rows = []
    scores = [str(name) for name in runs if str(name).partition("_")[0] in PARTS]
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


def score_baselines(
    problem: Problem, names: Sequence[str] | None = None, *, part: str = "", seed: int = 0
) -> pd.DataFrame:
    """Give a row for each baseline and target, fitted on the training part of the same split.

    `part` is where they are scored: the test part where there is one, else validation. Without
    names they are the trivial ones.
    """
    task, dataset = problem.task, problem.dataset
    part = part or ("test" if len(problem.rows("test")) else "validation")
    if names is None:
        chosen = trivial_baselines(task, seed=seed)
    else:
        chosen = {name: make_baseline(name, seed=seed, kind=task.kind) for name in names}
    rows = problem.rows(part)
    labels = read_labels(dataset, task, rows)
    table = []
    for name, baseline in chosen.items():
        baseline.fit(dataset, problem.rows("train"), task)
        scores = score(labels, baseline.predict(dataset, rows), task)
        for target in task.targets:
            metric = MAIN_METRIC[task.kind]
            value = scores[target.name].get(metric, np.nan)
            table.append({"baseline": name, "target": target.column, f"{part}_{metric}": value})
    return pd.DataFrame(table)


def as_errors(scores: pd.Series, metric: str, n_test: int) -> pd.Series:
    """Give errors for a logarithmic axis: of accuracies the wrong part, half a crystal at least."""
    return (1 - scores).clip(lower=0.5 / n_test) if metric.endswith("accuracy") else scores
