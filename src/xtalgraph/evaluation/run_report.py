"""The page of a run: data, split, scores and baselines, figures, settings, command."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from xtalgraph.data import Dataset
from xtalgraph.data.splits import read_split
from xtalgraph.errors import BadCrystal
from xtalgraph.evaluation.scores import SPLITS, Evaluation, evaluate
from xtalgraph.manifest import write_command
from xtalgraph.metrics import calibration_curve
from xtalgraph.report import figures
from xtalgraph.report.page import (
    CONFIG,
    NARROW,
    WIDE,
    Picture,
    Report,
    Section,
    describe_data,
    describe_repeat,
    describe_targets,
    file_name,
    name_source,
    name_task,
    target_table,
    write_report,
)
from xtalgraph.structures.crystal import Crystal, CrystalStore
from xtalgraph.structures.symmetry import CRYSTAL_SYSTEMS, crystal_system, find_space_group
from xtalgraph.units import Target

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HISTORY = "history.csv"  # in a run folder
NO_SYSTEM = "not found"
MANY = 5000  # crystals above which their symmetry is not searched for a figure (about 1 ms each)
MIN_FOR_ELEMENTS = 50  # scored crystals below which errors by element are not meaningful


def report_run(
    folder: str | Path,
    dataset: Dataset,
    *,
    part: str = "test",
    baselines: tuple[str, ...] | None = None,
    evaluation: Evaluation | None = None,
    out: str | Path | None = None,
) -> Path:
    """Evaluate a run on one set of its split and write its page.

    Args:
        folder: The run folder.
        dataset: The data set of the run.
        part: `train`, `validation`, `test` or `all`.
        baselines: Names in `BASELINES`; the trivial ones if None.
        evaluation: The result of `evaluate`, if available; `part` and `baselines` are then unused.
        out: The folder of the page; the run folder if None.

    Returns:
        `report.html`, next to `report.json`, `tables/` and `figures/`.
    """
    folder = Path(folder)
    evaluation = evaluation or evaluate(folder, dataset, part=part, baselines=baselines)
    history = pd.read_csv(folder / HISTORY) if (folder / HISTORY).is_file() else None
    sections = (
        _describe_result(evaluation),
        Section("Figures", pictures=tuple(draw_evaluation(evaluation, dataset, history))),
        _describe_data(folder, dataset),
        _describe_settings(folder, dataset, evaluation),
    )
    title = f"{describe_targets(evaluation.task)}: {dataset.name}"
    report = Report(title, sections, evaluation.to_json())
    return write_report(folder if out is None else out, report)


CAPTIONS = {
    "learning_curves": "Training and validation loss, and the validation score; dot: best epoch.",
    "parity": "Predicted against true values; the line is perfect agreement.",
    "residuals": "Distribution of the errors.",
    "elements": "Mean absolute error of crystals with each element; below it how many there are.",
    "sizes": "Mean absolute error by number of atoms in the cell.",
    "systems": "Mean absolute error by crystal system.",
    "confusion": "Crystals of each true class by predicted class.",
    "roc": "Receiver operating characteristic.",
    "precision_recall": "Precision against recall.",
    "reliability": "Observed frequency against predicted probability, and crystals per bin.",
}


def draw_evaluation(
    evaluation: Evaluation, dataset: Dataset, history: pd.DataFrame | None = None
) -> list[Picture]:
    """Draw the figures of an evaluation, and the learning curves if there is a history.

    Args:
        evaluation: The result of `evaluate`.
        dataset: The data set that was evaluated.
        history: Losses and scores by epoch, as in `history.csv`.

    Returns:
        For regression parity, residuals and errors by element, cell size and crystal system of each
        target; for classification the confusion matrix, and the curves for two classes.
    """
    pictures = []
    if history is not None and len(history):
        pictures.append(_picture("learning_curves", figures.learning_curves(history), width=WIDE))
    if evaluation.task.kind == "classification":
        return pictures + _draw_classes(evaluation)
    crystals = dataset.crystals.take(evaluation.rows)
    for number, target in enumerate(evaluation.task.targets):
        true, predicted = evaluation.labels[:, number], evaluation.predicted[:, number]
        known = ~np.isnan(true)
        if known.any():
            drawn = figures.parity_plot(true, predicted, quantity=target.name, unit=target.unit)
            pictures.append(_picture("parity", drawn, target))
            drawn = figures.residual_histogram(
                true, predicted, quantity=target.name, unit=target.unit
            )
            pictures.append(_picture("residuals", drawn, target))
        if known.sum() >= MIN_FOR_ELEMENTS:
            pictures += _draw_groups(crystals, predicted - true, target)
    return pictures


def _picture(
    kind: str, figure: Figure, target: Target | None = None, width: int = NARROW
) -> Picture:
    name = file_name(f"{kind}_{target.name}") if target else kind
    return Picture(name, figure, CAPTIONS[kind], width)


def _draw_groups(crystals: CrystalStore, errors: np.ndarray, target: Target) -> list[Picture]:
    """Draw the errors by element, by size and, of not too many crystals, by crystal system."""
    unit = target.unit
    drawn = figures.error_by_element(crystals, errors, unit=unit, min_crystals=3)
    pictures = [_picture("elements", drawn, target, WIDE)]
    if len(set(crystals.n_atoms[~np.isnan(errors)].tolist())) > 1:
        drawn = figures.error_by_size(crystals.n_atoms, errors, unit=unit)
        pictures.append(_picture("sizes", drawn, target))
    if len(crystals) <= MANY:
        systems = [_find_system(crystal) for crystal in crystals]
        order = [*CRYSTAL_SYSTEMS, NO_SYSTEM]
        drawn = figures.error_by_group(systems, errors, unit=unit, order=order)
        pictures.append(_picture("systems", drawn, target))
    return pictures


def _find_system(crystal: Crystal) -> str:
    try:
        return crystal_system(find_space_group(crystal))
    except BadCrystal:  # cells without a result have their own bar
        return NO_SYSTEM


def _draw_classes(evaluation: Evaluation) -> list[Picture]:
    task, true, probabilities = evaluation.task, evaluation.labels, evaluation.predicted
    chosen = probabilities.argmax(axis=1)
    pictures = [_picture("confusion", figures.confusion_figure(true, chosen, task.classes))]
    if len(task.classes) == 2 and len(np.unique(true[true >= 0])) == 2:
        score = probabilities[:, 1]
        scores, name = {"this model": score}, f"{task.targets[0].name} = {task.classes[1]}"
        drawn = {
            "roc": figures.roc_figure(true, scores, positive=name),
            "precision_recall": figures.precision_recall_figure(true, scores, positive=name),
            "reliability": figures.reliability_figure(
                calibration_curve(true, score), positive=name
            ),
        }
        pictures += [_picture(kind, figure) for kind, figure in drawn.items()]
    return pictures


def _describe_result(evaluation: Evaluation) -> Section:
    words = (
        f"{len(evaluation.rows):,} crystals of the {evaluation.part} set. The baselines were "
        "fitted on the training set and scored on the same crystals."
    )
    table = target_table("scores", evaluation.table(), evaluation.task)
    table = replace(table, first_stands_out=len(evaluation.task.targets) == 1)
    return Section("Result", (words,), evaluation.notes, (table,))


def _describe_data(folder: Path, dataset: Dataset) -> Section:
    if not (folder / SPLITS).is_file():
        return describe_data(dataset)
    split = read_split(folder / SPLITS, dataset)
    return describe_data(dataset, f"Split: {split.describe()}; see {SPLITS}.")


def _describe_settings(folder: Path, dataset: Dataset, evaluation: Evaluation) -> Section:
    source, config = name_source(dataset), folder / CONFIG
    options = name_task(evaluation.task) | {"config": config, "split": f"file:{folder / SPLITS}"}
    lines = [
        write_command(["train", source], options | {"out": "AGAIN"}),
        write_command(["evaluate", "AGAIN", source], {"split": evaluation.part}),
    ]
    text = config.read_text(encoding="utf-8") if config.is_file() else ""
    return describe_repeat("\n".join(lines), text)
