"""What the pages of comparisons, learning curves and searches have in common."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from xtalgraph.data import Dataset
from xtalgraph.data.files import EMBEDDED
from xtalgraph.evaluation.distance_table import DistanceTable
from xtalgraph.report.page import Section, Table

if TYPE_CHECKING:
    from xtalgraph.training import RunConfig
    from xtalgraph.training.problem import Problem


def name_targets(problem: Problem) -> str:
    """Give the targets in words."""
    return ", ".join(target.name.replace("_", " ") for target in problem.task.targets)


def describe_source(dataset: Dataset | DistanceTable) -> str:
    """Give the words that say where the data come from: a path, or how they were made."""
    made = name_source(dataset) == EMBEDDED
    return dataset.source if made else f"from {dataset.source}"


def name_source(dataset: Dataset | DistanceTable) -> str:
    """Give the argument with which a command reads the data set again."""
    made = dataset.name == EMBEDDED and not Path(dataset.source).exists()
    return EMBEDDED if made else dataset.source


def describe_data(problem: Problem, spec: str, *, words: Sequence[str] = ()) -> Section:
    """Give the section that says which data, which split, and how many labels there are."""
    dataset = problem.dataset
    sizes = ", ".join(
        f"{len(problem.rows(part)):,} {part}" for part in ("train", "validation", "test")
    )
    lines = [
        f"{dataset.name}: {len(dataset):,} crystals, {describe_source(dataset)}.",
        f"Split {spec}; labelled crystals: {sizes}. The runs have it in their splits.csv.",
        *words,
    ]
    if dataset.checksum:
        lines.append(f"SHA-256 of the data: {dataset.checksum}")
    return Section("Data and split", tuple(lines))


def describe_settings(
    folder: Path,
    problem: Problem,
    command: str,
    config: RunConfig,
    options: Mapping[str, object],
) -> Section:
    """Give the section of the settings that all runs share, and of how to repeat it all.

    The settings are written beside the page, for the command that repeats it to read.
    """
    from xtalgraph.training import format_config
    from xtalgraph.training.run_folder import CONFIG, write_text

    text = format_config(config)
    write_text(folder / CONFIG, text)
    words = (
        "The command that does it again. Below it the settings that all runs have in common, which "
        f"are also beside this page ({CONFIG})."
    )
    line = write_command(command, problem, {**options, "config": folder / CONFIG})
    return Section(
        "Settings and how to repeat", (words,), verbatim="\n".join([line, "", text.rstrip()])
    )


def write_command(command: str, problem: Problem, options: Mapping[str, object]) -> str:
    """Give the command line, quoted for a shell; an option with a list is given several times."""
    targets = ",".join(target.name for target in problem.task.targets)
    source = shlex.quote(name_source(problem.dataset))
    parts = [
        f"xtalgraph {command} {source} --target {shlex.quote(targets)} --task {problem.task.kind}"
    ]
    for name, value in options.items():
        for one in value if isinstance(value, list) else [value]:
            parts.append(f"--{name} {shlex.quote(str(one))}")
    return " \\\n    ".join([*parts, "--out AGAIN"])


def list_failures(runs: pd.DataFrame) -> tuple[str, ...]:
    """Give a note for each run that failed, where any did."""
    if "error" not in runs:
        return ()
    failed = runs[runs["error"].notna()].drop_duplicates("folder")
    return tuple(f"{row['folder']} failed: {row['error']}" for _, row in failed.iterrows())


def target_table(name: str, frame: pd.DataFrame, problem: Problem, caption: str = "") -> Table:
    """Give a table for the page: one target is named above it, several have a column."""
    frame = frame.drop(columns=["folder"], errors="ignore")
    if len(problem.task.targets) == 1:
        caption = f"{problem.task.targets[0].column}. {caption}".strip()
        frame = frame.drop(columns=["target"])
    return Table(name, frame, caption)


def as_records(frame: pd.DataFrame) -> object:
    """Give the rows as JSON has them: what is not defined is null."""
    return json.loads(frame.to_json(orient="records", double_precision=15))
