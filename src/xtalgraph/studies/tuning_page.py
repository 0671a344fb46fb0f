"""The page of a search: the best settings, every trial, and how to go on from there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from xtalgraph.files import write_text
from xtalgraph.manifest import write_command
from xtalgraph.report import figures
from xtalgraph.report.page import (
    WIDE,
    Picture,
    Report,
    Section,
    Table,
    describe_settings,
    describe_split,
    describe_targets,
    format_cell,
    list_failures,
    name_source,
    name_task,
    target_table,
    write_report,
)
from xtalgraph.studies.results import BEST, Tuning
from xtalgraph.studies.search_space import Range, format_space, get_value

if TYPE_CHECKING:
    from xtalgraph.training.problem import Problem

SPACE = "space.toml"


def write_tuning_page(result: Tuning, searched: Problem, options: Mapping[str, object]) -> None:
    """Write the page, with tables and figures beside it, into the folder of the search.

    `searched` is the problem without its test part, as the trials had it.
    """
    folder = result.folder
    write_text(folder / SPACE, format_space(result.space))
    baselines = result.baselines
    options = {**options, "space": folder / SPACE}
    sections = (
        _describe_result(result, baselines, searched),
        Section("Every trial", tables=(Table("trials", result.trials.drop(columns="folder")),)),
        describe_split(
            result.problem,
            str(options["split"]),
            "The test part was held out before the search, and no trial has used it.",
        ),
        describe_settings(
            folder, "tune", result.problem.dataset, result.problem.task, options, result.config
        ),
    )
    numbers = {
        "best_score": result.best_score,
        "best": {name: get_value(result.best, name) for name in result.space},
        "trials": result.trials.to_dict("records"),
        "baselines": baselines.to_dict("records"),
    }
    title = f"{describe_targets(result.problem.task)}: search for settings"
    write_report(folder, Report(title, sections, numbers))


def _describe_result(result: Tuning, baselines: pd.DataFrame, searched: Problem) -> Section:
    words, unit = describe_score(searched)
    counts = result.trials["state"].value_counts()
    given = [get_value(result.config, name) for name in result.space]
    best = [get_value(result.best, name) for name in result.space]
    table = pd.DataFrame(
        {
            "setting": list(result.space),
            "as_given": map(format_cell, given),
            "best": map(format_cell, best),
        }
    )
    lines = (
        f"Best {words}: {result.best_score:.4g} {unit}".rstrip()
        + f"; {counts.get('complete', 0)} trials were completed and "
        f"{counts.get('pruned', 0)} stopped early because they were worse than the median.",
        *_describe_first(result, unit),
        "The best score of many trials is optimistic, because it was selected: evaluate it on "
        "the test part.",
    )
    score = {"score": words, "unit": unit}
    settings = {
        name: isinstance(entry, Range) and entry.log for name, entry in result.space.items()
    }
    pictures = (
        Picture(
            "scores_of_trials",
            figures.scores_of_trials(result.trials, **score),
            "Trials in order.",
            480,
        ),
        Picture(
            "scores_over_settings",
            figures.scores_over_settings(result.trials, settings, **score),
            "Scores over each setting; the diamond is the best trial, crosses were stopped early.",
            WIDE,
        ),
    )
    return Section(
        "Result",
        lines,
        list_failures(result.trials),
        (
            Table("settings", table),
            target_table(
                "baselines", baselines, searched.task, "Baselines, on the validation part."
            ),
        ),
        pictures,
        verbatim=_write_train_command(result),
    )


def _describe_first(result: Tuning, unit: str) -> tuple[str, ...]:
    """Say how good the settings as given are, where the first trial has them and was complete."""
    first = result.trials.iloc[0]
    same = all(first[name] == get_value(result.config, name) for name in result.space)
    if not same or first["state"] != "complete":
        return ()
    return (
        f"The settings as given, trial {first['trial']}: {first['score']:.4g} {unit}".rstrip()
        + ".",
    )


def describe_score(problem: Problem) -> tuple[str, str]:
    """Return the words for the score of a search, and its unit."""
    if problem.task.kind == "classification":
        return "validation log-loss", ""
    if len(problem.task.targets) > 1:
        return "validation error / standard deviation", ""
    return "validation mean absolute error", problem.task.targets[0].unit


def _write_train_command(result: Tuning) -> str:
    problem = result.problem
    options = name_task(problem.task) | {"config": result.folder / BEST}
    return write_command(["train", name_source(problem.dataset)], options)
