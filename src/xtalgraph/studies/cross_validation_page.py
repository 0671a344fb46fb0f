"""The page of a cross-validation: scores over folds, matrices and curves, and how to repeat it."""

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from xtalgraph.evaluation.baselines import BASELINES
from xtalgraph.evaluation.distance_table import Labelled
from xtalgraph.evaluation.page_parts import describe_source, name_source
from xtalgraph.metrics import class_indices
from xtalgraph.nn import MODELS
from xtalgraph.report import figures
from xtalgraph.report.page import (
    Picture,
    Report,
    Section,
    Table,
    file_name,
    write_report,
)
from xtalgraph.studies.cross_validation_result import MAIN_METRIC, CrossValidation
from xtalgraph.units import Target

if TYPE_CHECKING:
    from xtalgraph.training import RunConfig

CONFIG = "config.toml"
NARROW, WIDE = 440, 860  # pixels of a matrix on the page


def write_cross_validation_page(
    result: CrossValidation,
    dataset: Labelled,
    models: Sequence[str],
    options: Mapping[str, object],
    config: "RunConfig | None",
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
        pictures=tuple(_draw_scores(result, models)),
    )
    sections = [scored]
    if result.task.kind == "classification":
        words = "Test predictions of all folds together: every crystal is predicted once."
        pictures = tuple(_draw_classes(result, models))
        sections.append(Section("Right and wrong classes", (words,), pictures=pictures))
    sections += [
        Section("Every fold", tables=(Table("folds", result.scores),)),
        _describe_settings(result, dataset, models, options, config),
    ]
    names = ", ".join(target.name.replace("_", " ") for target in result.task.targets)
    numbers = {"folds": json.loads(result.scores.to_json(orient="records"))}
    report = Report(f"Cross-validation: {names}", tuple(sections), numbers)
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
    notes = []
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


def _draw_scores(result: CrossValidation, models: Sequence[str]) -> list[Picture]:
    metric, pictures = MAIN_METRIC[result.task.kind], []
    for target in result.task.targets:
        of_target = result.scores[result.scores["target"] == target.column]
        by_model = {
            model: of_target.loc[of_target["model"] == model, metric].tolist() for model in models
        }
        unit = target.unit if result.task.kind == "regression" else ""
        drawn = figures.scores_over_folds(by_model, metric=metric, unit=unit)
        words = f"{target.name}: each model on the same {len(result.folds)} folds."
        pictures.append(Picture(file_name(f"scores_{target.name}"), drawn, words, 560))
    return pictures


def _draw_classes(result: CrossValidation, models: Sequence[str]) -> list[Picture]:
    """Draw a confusion matrix for each model, and for two classes the curves of all of them.

    Trivial baselines have no curve, if there is another: over several folds
    theirs would be that of the folds' class shares.
    """
    name, classes = result.task.targets[0].name, result.task.classes
    pictures, scores = [], {}
    true = np.empty(0, dtype=np.int64)
    for model in models:
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
        scores = {m: scores[m] for m in models if m not in trivial} or scores
        positive = f"{name.replace('_', ' ')} = {classes[1]}"
        drawn = figures.roc_figure(true, scores, positive=positive)
        pictures.append(Picture("roc", drawn, "Receiver operating characteristic."))
        drawn = figures.precision_recall_figure(true, scores, positive=positive)
        pictures.append(Picture("precision_recall", drawn, "Precision over recall."))
    return pictures


def _describe_settings(
    result: CrossValidation,
    dataset: Labelled,
    models: Sequence[str],
    options: Mapping[str, object],
    config: "RunConfig | None",
) -> Section:
    words = "The command that repeats this."
    text = ""
    if config is not None:
        from xtalgraph.training import format_config

        text = format_config(config)
        (result.folder / CONFIG).write_text(text, encoding="utf-8")
        options = {**options, "config": result.folder / CONFIG}
        words += " Below it the settings of the network, which are also beside this page."
        others = [name for name in models if name in MODELS and name != config.model_kind]
        if others:
            words += f" Of {', '.join(others)}: the defaults, with this graph and training."
    source, task = name_source(dataset), result.task
    command = write_command(source, task.targets, task.kind, models, options)
    verbatim = "\n".join([command, "", text] if text else [command])
    return Section("Settings and how to repeat", (words,), verbatim=verbatim)


def write_command(
    source: str,
    targets: Sequence[Target],
    task: str,
    models: Sequence[str],
    options: Mapping[str, object],
) -> str:
    """Give the command line, quoted for a shell, that does a cross-validation again.

    >>> targets = [Target("band_gap", "eV")]
    >>> print(write_command("my data.csv", targets, "regression", ["mean"], {"folds": 3}))
    xtalgraph cross-validate 'my data.csv' --target band_gap --task regression \\
        --models mean \\
        --folds 3 --out AGAIN
    """
    given = " ".join(f"--{name} {shlex.quote(str(value))}" for name, value in options.items())
    names = shlex.quote(",".join(target.name for target in targets))
    data = shlex.quote(source)
    return (
        f"xtalgraph cross-validate {data} --target {names} --task {task} \\\n"
        f"    --models {','.join(models)} \\\n"
        f"    {given} --out AGAIN"
    )
