"""The pages of studies: results and figures, every run, the split, and how to repeat the work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from xtalgraph.data.splits import PARTS
from xtalgraph.evaluation.baselines import BASELINES
from xtalgraph.evaluation.distance_table import Labelled
from xtalgraph.files import write_text
from xtalgraph.manifest import write_command
from xtalgraph.metrics import class_indices
from xtalgraph.nn import NETWORKS, Task
from xtalgraph.report import Picture, Report, Section, Table, figures, page, write_report
from xtalgraph.studies.results import BEST, MAIN_METRIC, as_errors
from xtalgraph.studies.search_space import Range, format_space, get_value
from xtalgraph.training import format_config

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from xtalgraph.studies.results import Comparison, CrossValidation, LearningCurve, Tuning
    from xtalgraph.training import RunConfig
    from xtalgraph.training.problem import Problem
    from xtalgraph.units import Target

SPACE = "space.toml"
LOSSES = ["train_loss", "validation_loss"]
FORMATION_ENERGIES = ("formation_energy_per_atom", "formation_energy")


def write_comparison_page(
    result: Comparison, config: RunConfig, options: Mapping[str, object]
) -> None:
    """Write the page, with tables and figures next to it, into the folder of the comparison."""
    problem, task, ranked = result.problem, result.problem.task, result.rank()
    lines = [
        "Select by the validation set, then evaluate the selected setting on the test set. "
        "Standard deviations are over seeds of the initial weights and batches, on one split."
    ]
    if len(ranked):
        lines.append(f"Best on the validation set: {_name_row(ranked.iloc[0], result.settings)}.")
    words = "Mean and standard deviation over seeds; seconds are of one run."
    fitted = "Baselines, fitted on the training set of the same split."
    others = "One setting at a time; the others as in the best combination by validation. "
    sections = (
        Section(
            "Result",
            tuple(lines),
            _list_failures(result.runs),
            (
                page.target_table("summary", result.summary, task, words),
                page.target_table("baselines", result.baselines, task, fitted),
            ),
            _draw_targets("scores", task, lambda target: _draw_seeds(result, target)),
        ),
        Section(
            "Losses side by side",
            (others * (len(result.settings) > 1) + "Lines are means over the seeds.",),
            pictures=tuple(_draw_losses(result, setting) for setting in result.settings)
            if len(ranked)
            else (),
        ),
        Section("Every run", tables=(page.target_table("runs", result.runs, task),)),
        _describe_split(problem, options),
    )
    varied = " and ".join(map(_words, result.settings))
    title = f"{page.describe_targets(task)}: {varied} compared"
    tables = {"summary": result.summary, "runs": result.runs, "baselines": result.baselines}
    _write(
        result.folder, "compare", problem.dataset, task, title, sections, options, config, tables
    )


def write_learning_curve_page(
    result: LearningCurve, config: RunConfig, options: Mapping[str, object]
) -> None:
    """Write the page, with tables and figures next to it, into the folder of the curve."""
    task, factor, epochs = result.problem.task, options["epoch-factor"], config.train.epochs
    lines = (
        "All models are tested on the same crystals. Small points are seeds, each with its own "
        "training crystals and initial weights; lines go through the geometric means. Baselines "
        "are fitted on the same training crystals.",
        f"{epochs} epochs at every size."
        if factor == 1
        else f"{epochs} epochs at the largest size; smaller ones take as many steps, but at most "
        f"{factor:g} times the epochs.",
    )
    fitted = "Error ∝ size^power, fitted to the means over seeds."
    nested = (
        "For each seed, the smaller training sets are subsets of the larger ones; the validation "
        "and test sets are those of the whole split."
    )
    sections = (
        Section(
            "Result",
            lines,
            _list_failures(result.runs),
            (
                page.target_table("summary", result.summary, task),
                page.target_table("slopes", result.slopes, task, fitted),
            ),
            _draw_targets("learning_curve", task, lambda target: _draw_curve(result, target)),
        ),
        Section("Every run", tables=(page.target_table("runs", result.runs, task),)),
        _describe_split(result.problem, options, nested),
    )
    tables = {"summary": result.summary, "slopes": result.slopes, "runs": result.runs}
    title, dataset = f"{page.describe_targets(task)}: learning curve", result.problem.dataset
    _write(result.folder, "learning-curve", dataset, task, title, sections, options, config, tables)


def write_tuning_page(result: Tuning, searched: Problem, options: Mapping[str, object]) -> None:
    """Write the page, with tables and figures next to it, into the folder of the search.

    `searched` is the problem without its test set, as the trials had it.
    """
    folder, trials, first = result.folder, result.trials, result.trials.iloc[0]
    write_text(folder / SPACE, format_space(result.space))
    words, unit = describe_score(searched)
    counts = trials["state"].value_counts()
    given = {name: get_value(result.config, name) for name in result.space}
    best = {name: get_value(result.best, name) for name in result.space}
    lines = [
        f"Best {words}: {result.best_score:.4g} {unit}".rstrip()
        + f"; {counts.get('complete', 0)} trials were completed and {counts.get('pruned', 0)} "
        "stopped early because they were worse than the median."
    ]
    if first["state"] == "complete" and all(first[name] == given[name] for name in given):
        score = f"{first['score']:.4g} {unit}".rstrip()
        lines.append(f"The settings as given, trial {first['trial']}: {score}.")
    lines.append(
        "The best score of many trials is optimistic, because it was selected: evaluate it on the "
        "test set."
    )
    settings = pd.DataFrame(
        {
            "setting": list(given),
            "as_given": map(page.format_cell, given.values()),
            "best": map(page.format_cell, best.values()),
        }
    )
    scales = {name: isinstance(entry, Range) and entry.log for name, entry in result.space.items()}
    in_order = figures.scores_of_trials(trials, score=words, unit=unit)
    over_settings = figures.scores_over_settings(trials, scales, score=words, unit=unit)
    marks = "Scores over each setting; the diamond is the best trial, crosses were stopped early."
    baselines = "Baselines, on the validation set."
    train = page.name_task(searched.task) | {"config": folder / BEST}
    held_out = "The test set was held out before the search, and no trial has used it."
    sections = (
        Section(
            "Result",
            tuple(lines),
            _list_failures(trials),
            (
                Table("settings", settings),
                page.target_table("baselines", result.baselines, searched.task, baselines),
            ),
            (
                Picture("scores_of_trials", in_order, "Trials in order.", 480),
                Picture("scores_over_settings", over_settings, marks, page.WIDE),
            ),
            write_command(["train", page.name_source(searched.dataset)], train),
        ),
        Section("Every trial", tables=(Table("trials", trials.drop(columns="folder")),)),
        _describe_split(result.problem, options, held_out),
    )
    options = {**options, "space": folder / SPACE}
    numbers = {"best_score": result.best_score, "best": best}
    numbers |= {"trials": trials, "baselines": result.baselines}
    dataset, task, config = searched.dataset, searched.task, result.config
    title = f"{page.describe_targets(task)}: search for settings"
    _write(folder, "tune", dataset, task, title, sections, options, config, numbers)


def describe_score(problem: Problem) -> tuple[str, str]:
    """Return the words for the score of a search, and its unit."""
    if problem.task.kind == "classification":
        return "validation log-loss", ""
    if len(problem.task.targets) > 1:
        return "validation error / standard deviation", ""
    return "validation mean absolute error", problem.task.targets[0].unit


def write_cross_validation_page(
    result: CrossValidation,
    dataset: Labelled,
    models: Sequence[str],
    options: Mapping[str, object],
    config: RunConfig | None,
) -> None:
    """Write the page, with tables and figures next to it, into the folder of the results.

    `options` are those of the command that repeats it; `config` has the settings of the networks,
    where there are any, and is written beside the page.
    """
    task = result.task
    kept = f"; crystals of one {options['group']} are in one fold" if "group" in options else ""
    published = "matbench's published " * (options["folds"] == "matbench")
    n_tested, n_rare = (
        sum(counts)
        for counts in ((len(fold.test) for fold in result.folds), result.rare_classes.values())
    )
    data = (
        f"{dataset.name}: {n_tested:,} labelled crystals, {page.describe_source(dataset)}, "
        f"{published}{len(result.folds)} folds{kept}. SHA-256: {dataset.checksum}."
    )
    notes = result.failures
    if n_rare:
        notes.append(
            f"{len(result.rare_classes)} classes with too few crystals were left out, "
            f"{n_rare:,} crystals in all."
        )
    n_left_out = len(dataset) - n_tested - n_rare
    if n_left_out:
        notes.append(f"{n_left_out:,} crystals without a label were left out.")
    summary = (Table("summary", result.summary()),)
    pictures = _draw_targets("scores", task, lambda target: _draw_folds(result, target))
    sections = [Section("Scores over folds", (data,), tuple(notes), summary, pictures)]
    if task.kind == "classification":
        words = "Test predictions of all folds together; each crystal is predicted once."
        drawn = tuple(_draw_classes(result))
        sections.append(Section("Confusion matrices", (words,), pictures=drawn))
    sections.append(Section("Every fold", tables=(Table("folds", result.scores),)))
    others = [name for name in models if config and name in NETWORKS and name != config.model_kind]
    words = ", ".join(others) + ": the default network settings, with this graph and training."
    _write(
        result.folder,
        "cross-validate",
        dataset,
        task,
        f"Cross-validation: {page.describe_targets(task)}",
        sections,
        {"models": ",".join(models), **options},
        config,
        {"folds": result.scores},
        words if others else "",
    )


def _write(
    folder: Path,
    verb: str,
    dataset: Labelled,
    task: Task,
    title: str,
    sections: Iterable[Section],
    options: Mapping[str, object],
    config: RunConfig | None,
    numbers: Mapping[str, Any],
    words: str = "",
) -> None:
    """Write a page that ends in the settings and the command that repeats the work.

    The settings are written beside the page, because that command reads them.
    """
    text = ""
    if config is not None:
        text = format_config(config)
        write_text(folder / page.CONFIG, text)
        options = {**options, "config": folder / page.CONFIG}
    options = page.name_task(task) | {**options, "out": "AGAIN"}
    command = write_command([verb, page.name_source(dataset)], options)
    records = {
        name: value.to_dict("records") if isinstance(value, pd.DataFrame) else value
        for name, value in numbers.items()
    }
    repeat = page.describe_repeat(command, text, words)
    write_report(folder, Report(title, (*sections, repeat), records))


def _describe_split(problem: Problem, options: Mapping[str, object], *words: str) -> Section:
    """Return the section that says which data, which split, and how many labels there are."""
    sizes = ", ".join(f"{len(problem.rows(part)):,} {part}" for part in PARTS)
    split = f"Split {options['split']}; labelled crystals: {sizes}."
    return page.describe_data(
        problem.dataset, f"{split} It is in the splits.csv of each run.", *words
    )


def _list_failures(runs: pd.DataFrame) -> tuple[str, ...]:
    """Return a note for each run that failed."""
    if "error" not in runs:
        return ()
    failed = runs[runs["error"].notna()].drop_duplicates("folder")
    return tuple(f"{row['folder']} failed: {row['error']}" for _, row in failed.iterrows())


def _words(name: str) -> str:
    return name.replace("_", " ")


def _name_row(row: pd.Series, settings: Sequence[str]) -> str:
    return ", ".join(f"{_words(name)} {row[name]}" for name in settings)


def _draw_targets(
    name: str, task: Task, draw: Callable[[Target], tuple[Figure, str] | None]
) -> tuple[Picture, ...]:
    """Return a picture of each target that `draw` gives a figure and a caption of."""
    drawn = {target.name: draw(target) for target in task.targets}
    return tuple(
        Picture(page.file_name(f"{name}_{target}"), one[0], f"{target}: {one[1]}", page.MEDIUM)
        for target, one in drawn.items()
        if one is not None
    )


def _unit(task: Task, target: Target) -> str:
    return target.unit if task.kind == "regression" else ""


def _draw_seeds(result: Comparison, target: Target) -> tuple[Figure, str] | None:
    runs, settings = result.runs, list(result.settings)
    part = "test" if f"test_{result.metric}" in runs else "validation"
    column = f"{part}_{result.metric}"
    if column not in runs:
        return None
    done = runs[runs["target"] == target.column].dropna(subset=[column])
    scores = {
        _name_row(group.iloc[0], settings): group[column].tolist()
        for _, group in done.groupby(settings, sort=False)
    }
    unit, metric = _unit(result.problem.task, target), f"{part} {result.metric}"
    drawn = figures.scores_over_folds(scores, metric=metric, unit=unit, points="seeds")
    return drawn, f"{part} set."


def _draw_folds(result: CrossValidation, target: Target) -> tuple[Figure, str]:
    metric = MAIN_METRIC[result.task.kind]
    rows = result.scores[result.scores["target"] == target.column]
    by_model = {name: rows.loc[rows["model"] == name, metric].tolist() for name in result.models}
    drawn = figures.scores_over_folds(by_model, metric=metric, unit=_unit(result.task, target))
    return drawn, f"each model on the same {len(result.folds)} folds."


def _draw_losses(result: Comparison, setting: str) -> Picture:
    """Draw the mean losses over seeds of each value of a setting, the others as in the best."""
    best = result.rank().iloc[0]
    others = {name: best[name] for name in result.settings if name != setting}
    found: dict[str, list[pd.DataFrame]] = {}
    for each in result.results:
        labels = each.trial.labels
        same = all(str(labels[name]) == str(value) for name, value in others.items())
        if same and each.run is not None:
            found.setdefault(f"{_words(setting)} {labels[setting]}", []).append(each.run.history)
    means = {
        name: pd.concat(histories).groupby("epoch", as_index=False)[LOSSES].mean()
        for name, histories in found.items()
    }
    at = f" at {_name_row(best, list(others))}" if others else ""
    caption = f"Training and validation: {_words(setting)}{at}."
    name = page.file_name(f"losses_{setting}")
    return Picture(name, figures.compare_losses(means), caption, page.WIDE)


def _draw_curve(result: LearningCurve, target: Target) -> tuple[Figure, str]:
    kind = result.problem.task.kind
    metric = f"test_{MAIN_METRIC[kind]}"
    runs = result.runs[result.runs["target"] == target.column].dropna(subset=[metric])
    name = MAIN_METRIC[kind] if kind == "regression" else "error_rate"
    errors = as_errors(runs[metric], metric, len(result.problem.rows("test")))
    unit = target.unit if kind == "regression" else "fraction"
    drawn = figures.error_against_size(
        runs.assign(**{name: errors}), unit=unit, metric=name, band=choose_band(target)
    )
    return drawn, "test set."


def choose_band(target: Target) -> tuple[float, float] | None:
    """Return the band of DFT against experiment, where the target is a formation energy.

    >>> from xtalgraph.units import Target
    >>> choose_band(Target("formation_energy_per_atom", "eV/atom", "atom"))
    (0.081, 0.136)
    >>> choose_band(Target("band_gap", "eV"))
    """
    is_formation = target.name in FORMATION_ENERGIES and target.unit == "eV/atom"
    return figures.DFT_AGAINST_EXPERIMENT if is_formation else None


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
        true, predicted = (
            class_indices(table[f"{name} {word}"].tolist(), classes)
            for word in ("true", "predicted")
        )
        drawn = figures.confusion_figure(true, predicted, classes)
        width = page.WIDE if len(classes) > figures.CROWDED else page.NARROW
        pictures.append(Picture(f"confusion_{model}", drawn, _words(model), width))
        if len(classes) == 2:
            scores[model] = table[f"probability {classes[1]}"].to_numpy(dtype=np.float64)
    if len(classes) == 2:
        trivial = {name for name, entry in BASELINES.items() if entry.is_trivial}
        scores = {m: scores[m] for m in result.models if m not in trivial} or scores
        positive = f"{_words(name)} = {classes[1]}"
        drawn = figures.roc_figure(true, scores, positive=positive)
        pictures.append(Picture("roc", drawn, "Receiver operating characteristic."))
        drawn = figures.precision_recall_figure(true, scores, positive=positive)
        pictures.append(Picture("precision_recall", drawn, "Precision against recall."))
    return pictures
