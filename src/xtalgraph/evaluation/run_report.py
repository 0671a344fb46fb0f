"""The page of one run: data, split, scores beside baselines, figures, settings, how to repeat."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from xtalgraph.data import Dataset
from xtalgraph.data.splits import read_split
from xtalgraph.errors import BadCrystal
from xtalgraph.evaluation.scores import SPLITS, Evaluation, evaluate
from xtalgraph.manifest import write_command
from xtalgraph.report import figures
from xtalgraph.report.page import (
    CONFIG,
    WIDE,
    Picture,
    Report,
    Section,
    Table,
    describe_data,
    describe_repeat,
    describe_targets,
    file_name,
    name_source,
    name_task,
    write_report,
)
from xtalgraph.structures.crystal import Crystal
from xtalgraph.structures.symmetry import CRYSTAL_SYSTEMS, crystal_system, find_space_group
from xtalgraph.units import Target

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HISTORY = "history.csv"  # as a run folder has it
NO_SYSTEM = "not found"
MANY = 5000  # crystals above which their symmetry is not searched for a figure (about 1 ms each)
MIN_FOR_ELEMENTS = 50  # scored crystals from which on errors by element say something


def report_run(
    folder: str | Path,
    dataset: Dataset,
    *,
    part: str = "test",
    baselines: tuple[str, ...] | None = None,
    evaluation: Evaluation | None = None,
    out: str | Path | None = None,
) -> Path:
    """Evaluate a run on a part of its data set and write its page; give the path of the page.

    An `evaluation` that is there already is taken, whatever its part and baselines. Beside
    `report.html` lie `report.json`, `tables/` and `figures/`, in the run folder or in `out`.
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


def draw_evaluation(
    evaluation: Evaluation, dataset: Dataset, history: pd.DataFrame | None = None
) -> list[Picture]:
    """Draw what an evaluation gives, and the learning curves if there is a history."""
    pictures = []
    if history is not None and len(history):
        words = "Loss of both parts and validation score over epochs; the dot marks the best epoch."
        pictures.append(Picture("learning_curves", figures.learning_curves(history), words, WIDE))
    if evaluation.task.kind == "classification":
        return pictures + _draw_classes(evaluation)
    crystals = dataset.crystals.take(evaluation.rows)
    for number, target in enumerate(evaluation.task.targets):
        pictures += _draw_target(evaluation, number, target)
        errors = evaluation.predicted[:, number] - evaluation.labels[:, number]
        known = ~np.isnan(errors)
        if known.sum() < MIN_FOR_ELEMENTS:
            continue
        drawn = figures.error_by_element(crystals, errors, unit=target.unit, min_crystals=3)
        words = "Mean absolute error of the crystals with each element, and their number."
        pictures.append(Picture(file_name(f"elements_{target.name}"), drawn, words, WIDE))
        if len(set(crystals.n_atoms[known].tolist())) > 1:
            drawn = figures.error_by_size(crystals.n_atoms, errors, unit=target.unit)
            words = "Error by the size of the cell."
            pictures.append(Picture(file_name(f"sizes_{target.name}"), drawn, words))
        if len(crystals) <= MANY:
            systems = [_find_system(crystal) for crystal in crystals]
            drawn = figures.error_by_group(
                systems, errors, unit=target.unit, order=[*CRYSTAL_SYSTEMS, NO_SYSTEM]
            )
            pictures.append(
                Picture(file_name(f"systems_{target.name}"), drawn, "Error by crystal system.")
            )
    return pictures


def _find_system(crystal: Crystal) -> str:
    try:
        return crystal_system(find_space_group(crystal))
    except BadCrystal:  # a cell that the search gives up on has a bar of its own
        return NO_SYSTEM


def _draw_target(evaluation: Evaluation, number: int, target: Target) -> list[Picture]:
    true, predicted = evaluation.labels[:, number], evaluation.predicted[:, number]
    if np.isnan(true).all():
        return []
    drawn: list[tuple[str, Figure, str]] = [
        (
            "parity",
            figures.parity_plot(true, predicted, quantity=target.name, unit=target.unit),
            f"Predicted over true values of the {evaluation.part} part; the line is exact.",
        ),
        (
            "residuals",
            figures.residual_histogram(true, predicted, quantity=target.name, unit=target.unit),
            "How the differences are spread.",
        ),
    ]
    return [
        Picture(file_name(f"{kind}_{target.name}"), figure, words) for kind, figure, words in drawn
    ]


def _draw_classes(evaluation: Evaluation) -> list[Picture]:
    task, true, probabilities = evaluation.task, evaluation.labels, evaluation.predicted
    chosen = probabilities.argmax(axis=1)
    drawn = figures.confusion_figure(true, chosen, task.classes)
    pictures = [Picture("confusion", drawn, "Crystals of each true class by predicted class.")]
    if len(task.classes) == 2 and len(np.unique(true[true >= 0])) == 2:
        from xtalgraph.metrics import calibration_curve

        score = probabilities[:, 1]
        name = f"{task.targets[0].name} = {task.classes[1]}"
        drawn = figures.roc_figure(true, {"this model": score}, positive=name)
        pictures.append(Picture("roc", drawn, "Receiver operating characteristic."))
        drawn = figures.precision_recall_figure(true, {"this model": score}, positive=name)
        pictures.append(Picture("precision_recall", drawn, "Precision over recall."))
        drawn = figures.reliability_figure(calibration_curve(true, score), positive=name)
        pictures.append(Picture("reliability", drawn, "Are the probabilities true?"))
    return pictures


def _describe_result(evaluation: Evaluation) -> Section:
    words = (
        f"{len(evaluation.rows):,} crystals of the {evaluation.part} part. The baselines were "
        "fitted on the training part and scored on the same crystals."
    )
    table = Table("scores", evaluation.table(), first_stands_out=len(evaluation.task.targets) == 1)
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
