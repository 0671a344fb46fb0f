"""The page of a learning curve: the curve, its table, and how to repeat it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from xtalgraph.report import figures
from xtalgraph.report.page import (
    MEDIUM,
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
from xtalgraph.studies.tables import MAIN_METRIC, as_errors

if TYPE_CHECKING:
    from xtalgraph.studies.results import LearningCurve
    from xtalgraph.training import RunConfig
    from xtalgraph.units import Target

FITTED = "Error ∝ size^power, fitted to the means over seeds."
FORMATION_ENERGIES = ("formation_energy_per_atom", "formation_energy")


def write_learning_curve_page(
    result: LearningCurve, config: RunConfig, options: Mapping[str, object]
) -> None:
    """Write the page, with tables and figures beside it, into the folder of the curve."""
    words = (
        "All models are tested on the same crystals. Small points are seeds, each with its own "
        "training crystals and initial weights; lines go through the geometric means. Baselines "
        "are fitted on the same training crystals."
    )
    task = result.problem.task
    factor = options["epoch-factor"]
    epochs = (
        f"{config.train.epochs} epochs at the largest size; smaller ones take as many steps, but "
        f"at most {factor:g} times the epochs."
        if factor != 1
        else f"{config.train.epochs} epochs at every size."
    )
    result_section = Section(
        "Result",
        (words, epochs),
        list_failures(result.runs),
        (
            target_table("summary", result.summary, task),
            target_table("slopes", result.slopes, task, FITTED),
        ),
        tuple(_draw_curve(result, target) for target in task.targets),
    )
    nested = (
        "For each seed, the smaller training parts are subsets of the larger ones; the validation "
        "and test parts are those of the whole split."
    )
    sections = (
        result_section,
        Section("Every run", tables=(target_table("runs", result.runs, task),)),
        describe_split(result.problem, str(options["split"]), nested),
        describe_settings(
            result.folder,
            "learning-curve",
            result.problem.dataset,
            result.problem.task,
            options,
            config,
        ),
    )
    numbers = {
        "summary": result.summary.to_dict("records"),
        "slopes": result.slopes.to_dict("records"),
        "runs": result.runs.to_dict("records"),
    }
    title = f"{describe_targets(task)}: learning curve"
    write_report(result.folder, Report(title, sections, numbers))


def choose_band(target: Target) -> tuple[float, float] | None:
    """Return the band of DFT against experiment, where the target is a formation energy.

    >>> from xtalgraph.units import Target
    >>> choose_band(Target("formation_energy_per_atom", "eV/atom", "atom"))
    (0.081, 0.136)
    >>> choose_band(Target("band_gap", "eV"))
    """
    is_formation = target.name in FORMATION_ENERGIES and target.unit == "eV/atom"
    return figures.DFT_AGAINST_EXPERIMENT if is_formation else None


def _draw_curve(result: LearningCurve, target: Target) -> Picture:
    kind = result.problem.task.kind
    metric = f"test_{MAIN_METRIC[kind]}"
    runs = result.runs[result.runs["target"] == target.column].dropna(subset=[metric])
    name = MAIN_METRIC[kind] if kind == "regression" else "error_rate"
    errors = as_errors(runs[metric], metric, len(result.problem.rows("test")))
    drawn = figures.error_against_size(
        runs.assign(**{name: errors}),
        unit=target.unit if kind == "regression" else "fraction",
        metric=name,
        band=choose_band(target),
    )
    return Picture(
        file_name(f"learning_curve_{target.name}"), drawn, f"{target.name}: test part.", MEDIUM
    )
