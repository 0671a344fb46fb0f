"""The page of a comparison: one table, scores over seeds, losses side by side, how to repeat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from xtalgraph.report import figures
from xtalgraph.report.page import (
    MEDIUM,
    WIDE,
    Picture,
    Report,
    Section,
    describe_settings,
    describe_split,
    describe_targets,
    file_name,
    list_failures,
    target_table,
    write_report,
)

if TYPE_CHECKING:
    from xtalgraph.studies.results import Comparison
    from xtalgraph.training import RunConfig

BELOW_ALL = "Mean and standard deviation over seeds; seconds are of one run."
FITTED = "Baselines, fitted on the training part of the same split."
LOSSES = ["train_loss", "validation_loss"]


def write_comparison_page(
    result: Comparison, config: RunConfig, options: Mapping[str, object]
) -> None:
    """Write the page, with tables and figures beside it, into the folder of the comparison."""
    task = result.problem.task
    sections = [
        _describe_result(result),
        Section(
            "Losses side by side",
            (
                "One setting at a time; the others as in the best combination by validation. "
                "Lines are means over the seeds.",
            )
            if len(result.settings) > 1
            else ("Lines are means over the seeds.",),
            pictures=tuple(_draw_losses(result)),
        ),
        Section("Every run", tables=(target_table("runs", result.runs, task),)),
        describe_split(result.problem, str(options["split"])),
        describe_settings(
            result.folder, "compare", result.problem.dataset, result.problem.task, options, config
        ),
    ]
    numbers = {
        "summary": result.summary.to_dict("records"),
        "runs": result.runs.to_dict("records"),
        "baselines": result.baselines.to_dict("records"),
    }
    varied = " and ".join(name.replace("_", " ") for name in result.settings)
    title = f"{describe_targets(task)}: {varied} compared"
    write_report(result.folder, Report(title, tuple(sections), numbers))


def _describe_result(result: Comparison) -> Section:
    ranked = result.rank()
    words = (
        "Select by the validation part, then evaluate the selected setting on the test part. "
        "Standard deviations are over seeds of the initial weights and batches, on one split."
    )
    best = []
    if len(ranked):
        best.append(f"Best on the validation part: {_name_row(ranked.iloc[0], result)}.")
    return Section(
        "Result",
        (words, *best),
        list_failures(result.runs),
        (
            target_table("summary", result.summary, result.problem.task, BELOW_ALL),
            target_table("baselines", result.baselines, result.problem.task, FITTED),
        ),
        tuple(_draw_scores(result)),
    )


def _name_row(row: pd.Series, result: Comparison) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {row[name]}" for name in result.settings)


def _draw_scores(result: Comparison) -> list[Picture]:
    pictures = []
    part = "test" if f"test_{result.metric}" in result.runs else "validation"
    column = f"{part}_{result.metric}"
    for target in result.problem.task.targets:
        of_target = result.runs[result.runs["target"] == target.column]
        if column not in of_target:
            continue
        done = of_target.dropna(subset=[column])
        scores = {
            _name_row(group.iloc[0], result): group[column].tolist()
            for _, group in done.groupby(list(result.settings), sort=False)
        }
        unit = target.unit if result.problem.task.kind == "regression" else ""
        drawn = figures.scores_over_folds(
            scores, metric=f"{part} {result.metric}", unit=unit, points="seeds"
        )
        pictures.append(
            Picture(
                file_name(f"scores_{target.name}"), drawn, f"{target.name}: {part} part.", MEDIUM
            )
        )
    return pictures


def _draw_losses(result: Comparison) -> list[Picture]:
    """Draw a figure for each setting that was varied, the others as in the best combination."""
    ranked = result.rank()
    if not len(ranked):
        return []
    pictures = []
    for setting in result.settings:
        others = {name: ranked.iloc[0][name] for name in result.settings if name != setting}
        histories = _mean_histories(result, setting, others)
        drawn = figures.compare_losses(histories)
        words = f"{setting.replace('_', ' ')}"
        if others:
            words += " at " + ", ".join(f"{n.replace('_', ' ')} {v}" for n, v in others.items())
        pictures.append(
            Picture(
                file_name(f"losses_{setting}"), drawn, f"Training and validation: {words}.", WIDE
            )
        )
    return pictures


def _mean_histories(
    result: Comparison, setting: str, others: Mapping[str, object]
) -> dict[str, pd.DataFrame]:
    """Return the mean losses over seeds of each value of a setting."""
    found: dict[str, list[pd.DataFrame]] = {}
    for trial_result in result.results:
        labels = trial_result.trial.labels
        same = all(str(labels[name]) == str(value) for name, value in others.items())
        if same and trial_result.run is not None:
            name = f"{setting.replace('_', ' ')} {labels[setting]}"
            found.setdefault(name, []).append(trial_result.run.history)
    return {
        name: pd.concat(histories).groupby("epoch", as_index=False)[LOSSES].mean()
        for name, histories in found.items()
    }
