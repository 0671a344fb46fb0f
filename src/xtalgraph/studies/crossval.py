"""Several models on the same folds: baselines and networks, each tested on every row once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from xtalgraph.data.groups import find_groups
from xtalgraph.errors import BadConfig, BadDataset, UnknownName
from xtalgraph.evaluation.baselines import (
    BASELINES,
    make_baseline,
    models_without_structures,
    need_structures,
)
from xtalgraph.evaluation.distance_table import DistanceTable, Labelled
from xtalgraph.evaluation.labels import choose_task, keep_common_classes, read_labels
from xtalgraph.nn import NETWORKS, Task
from xtalgraph.studies.folds import (
    Fold,
    cut_validation,
    make_folds,
    matbench_folds,
    refuse_leaks,
)
from xtalgraph.studies.pages import write_cross_validation_page
from xtalgraph.studies.results import CrossValidation
from xtalgraph.studies.trials import OnTrial, Study, Trial, run_trials
from xtalgraph.training import RunConfig, preset

WORK = "a cross-validation"
MATBENCH = "matbench"  # the name of matbench's published folds


def cross_validate(
    dataset: Labelled,
    targets: str | Sequence[str],
    models: Sequence[str],
    *,
    out: str | Path,
    task: str = "regression",
    n_folds: int | str = 5,
    seed: int = 0,
    group: str | None = None,
    min_class_size: int = 1,
    folds: Sequence[Fold] | None = None,
    config: RunConfig | None = None,
    jobs: int = 1,
    on_trial: OnTrial | None = None,
) -> CrossValidation:
    """Train and test each model on the same folds, and leave scores, predictions and a page.

    Under `out` each model and fold has a folder `MODEL/fold_NUMBER` with `metrics.json` and
    `test_predictions.csv`. If interrupted, call it again to resume; other models may be added in
    the same folder. A fold that tests what it learned is refused. A model that fails on a fold is
    reported, and the others are done.

    Args:
        dataset: Crystals and their labels, or a table of distances.
        targets: Columns to learn together, or their names with commas between them.
        models: Names of baselines and networks.
        out: Folder of the study.
        task: `regression` or `classification`.
        n_folds: How many, stratified by class; or `matbench`, for its five published ones.
        seed: Of the folds, the validation sets and the baselines.
        group: Keep crystals of one `formula`, `crystal_system` or value of a column in one fold.
        min_class_size: Classes with fewer crystals are left out.
        folds: The folds themselves, instead of `n_folds`.
        config: Graph, network and training; a network of another kind has its own defaults, with
            this graph and training. The default preset if left out.
        jobs: Trials at a time, in processes of one thread each.
        on_trial: Called with each finished trial, how many are done, and how many there are.

    Returns:
        The scores of each model on each fold.

    Raises:
        UnknownName: There is no such model or column.
        BadConfig: A model cannot do the task, all trials failed, or the folder holds another study.
        BadDataset: The folds cannot be made.
        FolderInUse: Another process works in the folder.

    >>> result = cross_validate(
    ...     dataset, "band_gap", ["mean", "cgcnn"], out="runs/folds"
    ... )  # doctest: +SKIP
    >>> result.summary()  # doctest: +SKIP
    """
    names = targets.split(",") if isinstance(targets, str) else list(targets)
    rare: dict[str, int] = {}
    if task == "classification" and min_class_size > 1 and len(names) == 1:
        dataset, rare = keep_common_classes(dataset, names[0], min_class_size)
    chosen = choose_task(dataset, names, task)
    _refuse_unknown_models(models, chosen, dataset)
    groups = None if group is None else find_groups(need_structures(dataset), group)
    if folds is None:
        folds = _choose_folds(dataset, chosen, n_folds, seed, group)
    refuse_leaks(list(folds), groups)
    settings = config or preset("default")
    classes = None
    if task == "classification" and groups is None:
        classes = read_labels(dataset, chosen, np.arange(len(dataset)))
    trials = [
        _make_trial(model, number, fold, seed, settings, groups, classes)
        for model in models
        for number, fold in enumerate(folds)
    ]
    nothing = np.empty(0, dtype=np.int64)
    parts = [{"train": each.train, "validation": nothing, "test": each.test} for each in folds]
    study = Study(Path(out), WORK, dataset, chosen, parts, {"seed": seed}, jobs)
    with study.open(trials):
        results = tuple(run_trials(study, trials, on_trial))
        finished = CrossValidation(chosen, tuple(folds), study.folder, results, rare)
        if not finished.models:
            raise BadConfig(f"all trials failed. The first: {finished.failures[0]}")
        options: dict[str, object] = {"folds": n_folds, "seed": seed}
        options |= {"group": group} if group else {}
        options |= {"min-class-size": min_class_size} if min_class_size > 1 else {}
        has_networks = any(trial.config is not None for trial in trials)
        page_settings = settings if has_networks else None
        write_cross_validation_page(finished, dataset, models, options, page_settings)
    return finished


def _choose_folds(
    dataset: Labelled, task: Task, n_folds: int | str, seed: int, group: str | None
) -> list[Fold]:
    if isinstance(n_folds, int):
        return make_folds(dataset, task, n_folds=n_folds, seed=seed, group=group)
    if n_folds != MATBENCH:
        raise UnknownName("kind of folds", n_folds, [MATBENCH, "5"])
    if group:
        raise BadConfig("matbench's folds are published and not grouped. Leave out the group.")
    return matbench_folds(dataset, task)


def _make_trial(
    model: str,
    number: int,
    fold: Fold,
    seed: int,
    settings: RunConfig,
    groups: np.ndarray | None,
    classes: np.ndarray | None,
) -> Trial:
    """Return the trial of a model on a fold.

    A network gets a validation set from the training rows, a baseline trains on all of them.
    """
    place = f"{model}/fold_{number}"
    labels: dict[str, str | int] = {"model": model, "fold": number}
    if model in BASELINES:
        parts = {"train": fold.train, "validation": fold.train[:0], "test": fold.test}
        return Trial(labels, parts, baseline=model, seed=seed, place=place)
    learned, validation = cut_validation(fold, seed=seed, groups=groups, classes=classes)
    parts = {"train": np.sort(learned), "validation": np.sort(validation)}
    if model != settings.model_kind:
        settings = replace(settings, model=NETWORKS[model].config_class())
    return Trial(labels, parts | {"test": np.sort(fold.test)}, settings, place=place)


def _refuse_unknown_models(models: Sequence[str], task: Task, dataset: Labelled) -> None:
    for name in models:
        if name in BASELINES:
            make_baseline(name, kind=task.kind)
        elif name not in NETWORKS:
            raise UnknownName("model", name, [*BASELINES, *NETWORKS])
        needs_structures = name in NETWORKS or BASELINES[name].needs_structures
        if needs_structures and isinstance(dataset, DistanceTable):
            raise BadDataset(
                f"{dataset.source} is a table of distances, and {name!r} needs structures. These "
                f"models need none: {', '.join(models_without_structures())}."
            )
    if not models or len(set(models)) < len(models):
        raise BadConfig(f"models {list(models)}: name at least one, and each once.")
