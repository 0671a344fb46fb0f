"""The page of a cross-validation: scores over folds, matrices and curves, and how to repeat it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from xtalgraph.evaluation.baselines import BASELINES
from xtalgraph.evaluation.distance_table import Labelled
from xtalgraph.metrics import class_indices
from xtalgraph.nn import NETWORKS
from xtalgraph.report import figures
from xtalgraph.report.page import (
    MEDIUM,
    NARROW,
    WIDE,
    Picture,
    Report,
    Section,
    Table,
    describe_settings,
    describe_source,
    describe_targets,
    file_name,
    write_report,
)
from xtalgraph.studies.tables import MAIN_METRIC

if TYPE_CHECKING:
    from xtalgraph.studies.results import CrossValidation
    from xtalgraph.training import RunConfig


def write_cross_validation_page(
    result: CrossValidation,
    dataset: Labelled,
    models: Sequence[str],
    options: Mapping[str, object],
    config: RunConfig | None,
) -> None:
    """Write the page, with tables and figures beside it, into the folder of the results.

    `options` are those of the command that repeats it; `config` has the settings of the networks,
    where there are any, and is written beside the page.
    """
    scored = Section(
        "Scores over folds",
        (_describe_data(result, dataset, options),),
        notes=_find_notes(result, dataset),
        tables=(Table("summary", result.summary()),),
        pictures=tuple(_draw_scores(result)),
    )
    sections = [scored]
    if result.task.kind == "classification":
        words = "Test predictions of all folds together; each crystal is predicted once."
        pictures = tuple(_draw_classes(result))
        sections.append(Section("Confusion matrices", (words,), pictures=pictures))
    sections += [
        Section("Every fold", tables=(Table("folds", result.scores),)),
        _describe_settings(result, dataset, models, options, config),
    ]
    numbers = {"folds": result.scores.to_dict("records")}
    title = f"Cross-validation: {describe_targets(result.task)}"
    report = Report(title, tuple(sections), numbers)
    write_report(result.folder, report)


def _describe_data(
    result: CrossValidation, dataset: Labelled, options: Mapping[str, object]
) -> str:
    kept = f"; crystals of one {options['group']} are in one fold" if "group" in options else ""
    published = "matbench's published" if options["folds"] == "matbench" else ""
    n_folds = f"{published} {len(result.folds)} folds".strip()
    n_tested = sum(len(fold.test) for fold in result.folds)
    return (
        f"{dataset.name}: {n_tested:,} labelled crystals, {describe_source(dataset)}, "
        f"{n_folds}{kept}. SHA-256: {dataset.checksum}."
    )


def _find_notes(result: CrossValidation, dataset: Labelled) -> tuple[str, ...]:
    notes = result.failures
    n_rare = sum(result.rare_classes.values())
    if n_rare:
        notes.append(
            f"{len(result.rare_classes)} classes with too few crystals were left out, "
            f"{n_rare:,} crystals in all."
        )
    n_left_out = len(dataset) - sum(len(fold.test) for fold in result.folds) - n_rare
    if n_left_out:
        notes.append(f"{n_left_out:,} crystals without a label were left out.")
    return tuple(notes)


def _draw_scores(result: CrossValidation) -> list[Picture]:
    metric, pictures = MAIN_METRIC[result.task.kind], []
    for target in result.task.targets:
        of_target = result.scores[result.scores["target"] == target.column]
        by_model = {
            model: of_target.loc[of_target["model"] == model, metric].tolist()
            for model in result.models
        }
        unit = target.unit if result.task.kind == "regression" else ""
        drawn = figures.scores_over_folds(by_model, metric=metric, unit=unit)
        words = f"{target.name}: each model on the same {len(result.folds)} folds."
        pictures.append(Picture(file_name(f"scores_{target.name}"), drawn, words, MEDIUM))
    return pictures


def _draw_classes(result: CrossValidation) -> list[Picture]:
    """Draw a confusion matrix for each model, and for two classes the curves of all of them.

    Trivial baselines have no curve, if there is another: over several folds
    theirs would be that of the folds' class shares.
    """
    name, classes = result.task.targets[0].name, result.task.classes
    pictures, scores = [], {}
    true = np.empty(0, dtype=np.int64)
    for model in result.models:
        table = result.predictions(model)
        true = class_indices(table[f"{name} true"].tolist(), classes)
        predicted = class_indices(table[f"{name} predicted"].tolist(), classes)
        drawn = figures.confusion_figure(true, predicted, classes)
        width = WIDE if len(classes) > figures.CROWDED else NARROW
        pictures.append(Picture(f"confusion_{model}", drawn, model.replace("_", " "), width))
        if len(classes) == 2:
            scores[model] = table[f"probability {classes[1]}"].to_numpy(dtype=np.float64)
    if len(classes) == 2:
        trivial = {name for name, entry in BASELINES.items() if entry.is_trivial}
        scores = {m: scores[m] for m in result.models if m not in trivial} or scores
        positive = f"{name.replace('_', ' ')} = {classes[1]}"
        drawn = figures.roc_figure(true, scores, positive=positive)
        pictures.append(Picture("roc", drawn, "Receiver operating characteristic."))
        drawn = figures.precision_recall_figure(true, scores, positive=positive)
        pictures.append(Picture("precision_recall", drawn, "Precision against recall."))
    return pictures


def _describe_settings(
    result: CrossValidation,
    dataset: Labelled,
    models: Sequence[str],
    options: Mapping[str, object],
    config: RunConfig | None,
) -> Section:
    others = [name for name in models if config and name in NETWORKS and name != config.model_kind]
    words = (
        f"{', '.join(others)}: the default network settings, with this graph and training."
        if others
        else ""
    )
    options = {"models": ",".join(models), **options}
    task = result.task
    return describe_settings(result.folder, "cross-validate", dataset, task, options, config, words)
