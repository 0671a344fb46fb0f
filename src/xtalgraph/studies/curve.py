"""Test error against the number of training crystals, several seeds, and how steeply it falls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from xtalgraph.data import Dataset, Split
from xtalgraph.data.splits import DEFAULT_SPLIT
from xtalgraph.errors import BadConfig
from xtalgraph.nn import Rows
from xtalgraph.studies.pages import write_learning_curve_page
from xtalgraph.studies.results import (
    MAIN_METRIC,
    SEED,
    LearningCurve,
    as_errors,
    summarise_seeds,
    tabulate_results,
)
from xtalgraph.studies.trials import (
    OnTrial,
    Study,
    Trial,
    run_trials,
    split_parts,
)
from xtalgraph.training import RunConfig, apply_overrides, preset
from xtalgraph.training.problem import Problem, pose_problem
from xtalgraph.training.run import GIVEN_SPLIT

WORK = "a learning curve"
MODEL, SIZE = "model", "size"
CONVOLUTIONS = ("shared", "gated")
BASELINES_BESIDE = {
    "regression": ("mean", "composition_forest"),
    "classification": ("most_common", "composition_forest"),
}
EPOCH_FACTOR = 4.0


def learning_curve(
    dataset: Dataset,
    targets: str | Sequence[str],
    sizes: Sequence[int],
    *,
    out: str | Path,
    task: str = "regression",
    config: RunConfig | None = None,
    split: str | Split = DEFAULT_SPLIT,
    seeds: Sequence[int] = (0, 1, 2),
    convolutions: Sequence[str] = CONVOLUTIONS,
    baselines: Sequence[str] | None = None,
    epoch_factor: float = EPOCH_FACTOR,
    jobs: int = 1,
    on_trial: OnTrial | None = None,
) -> LearningCurve:
    """Train on `sizes` crystals of the training set, and test all on the same test set.

    Validation and test set are those of one split. For each seed the training crystals are put in
    one random order, whose first ones are taken: a larger part holds the smaller, and all models
    have the same. With few crystals an epoch is few steps, and a curve over sizes would show too
    short training instead of lack of data: so the epochs rise where the size falls, to as many
    steps as the largest size takes, but at most `epoch_factor` times. If interrupted, call it again
    to resume; failures are reported as by `compare`.

    Args:
        dataset: Crystals and their labels.
        targets: Columns to learn together, or their names with commas between them.
        sizes: Numbers of training crystals.
        out: Folder of the study.
        task: `regression` or `classification`.
        config: All other settings; the default preset if left out.
        split: A `Split`, or a text as `make_split` takes it (seed `train.split_seed`).
        seeds: Of the order of training crystals and of the weights.
        convolutions: One curve for each; empty for that of `config`.
        baselines: Names of baselines; if left out a trivial one and composition_forest.
        epoch_factor: 1 or more; 1 gives all sizes the same epochs.
        jobs: Trials at a time, in processes of one thread each.
        on_trial: Called with each finished network, how many are done, and how many there are.

    Returns:
        Tables of all trials, of their means over seeds, and the slopes.

    Raises:
        BadConfig: Sizes, seeds or settings are impossible, or the folder holds another study.
        BadDataset: The data cannot be learned.
        FolderInUse: Another process works in the folder.

    >>> curve = learning_curve(
    ...     dataset, "band_gap", [100, 300, 1000], out="runs/curve"
    ... )  # doctest: +SKIP
    >>> curve.slopes  # doctest: +SKIP
    """
    config = config or preset("default")
    if not epoch_factor >= 1:
        raise BadConfig(f"epoch_factor = {epoch_factor}; it must be 1 or more, 1 = same epochs.")
    problem = pose_problem(dataset, targets, task, split, config.train.split_seed)
    if not len(problem.rows("test")):
        raise BadConfig("the test set of the split is empty, and it is what the curve shows.")
    _refuse_sizes(problem, sizes, seeds)
    names = BASELINES_BESIDE[task] if baselines is None else baselines
    parts = {(size, seed): _take(problem, size, seed) for size in sizes for seed in seeds}
    networks = []
    for model in convolutions or (config.model_kind,):
        for size, seed in parts:
            epochs = _raise_epochs(config, size, max(sizes), epoch_factor)
            settings = [f"train.epochs={epochs}", f"train.seed={seed}"]
            settings += [f"model.convolution={model}"] if convolutions else []
            labels: dict[str, str | int] = {MODEL: model, SIZE: size, SEED: seed}
            networks.append(Trial(labels, parts[size, seed], apply_overrides(config, settings)))
    beside = [
        Trial({MODEL: name, SIZE: size, SEED: seed}, rows, baseline=name, seed=seed)
        for (size, seed), rows in parts.items()
        for name in names
    ]
    study = Study(Path(out), WORK, dataset, problem.task, [split_parts(problem.split)], jobs=jobs)
    with study.open([*networks, *beside]):
        results = [*run_trials(study, networks, on_trial), *run_trials(study, beside)]
        runs = tabulate_results(results, problem.task)
        summary = summarise_seeds(runs, (MODEL, SIZE))
        slopes = fit_slopes(summary, f"test_{MAIN_METRIC[task]}", len(problem.rows("test")))
        result = LearningCurve(problem, study.folder, tuple(results), runs, summary, slopes)
        options: dict[str, object] = {
            "sizes": ",".join(map(str, sizes)),
            "seeds": ",".join(map(str, seeds)),
            "convolutions": ",".join(convolutions),
            "baselines": ",".join(names),
            "epoch-factor": epoch_factor,
            "split": split if isinstance(split, str) else GIVEN_SPLIT,
        }
        write_learning_curve_page(result, config, options)
    return result


def _refuse_sizes(problem: Problem, sizes: Sequence[int], seeds: Sequence[int]) -> None:
    for name, values in (("sizes", sizes), ("seeds", seeds)):
        if not values or len(set(values)) < len(values) or min(values) < 0:
            raise BadConfig(f"{name} {list(values)}: name at least one, each once, none below 0.")
    n_train, n_classes = len(problem.rows("train")), len(problem.task.classes)
    if max(sizes) > n_train or min(sizes) < max(2, n_classes):
        raise BadConfig(
            f"sizes {list(sizes)}: the training set has {n_train} labelled crystals, so sizes "
            f"from {max(2, n_classes)} to {n_train} can be had. Give others, or a split with more "
            "to train."
        )


def order_rows(problem: Problem, seed: int) -> Rows:
    """Return the labelled training rows in the random order of a seed.

    To classify, the first crystal of each class comes before all others, so that the smallest part
    lacks no class.
    """
    rows = np.random.default_rng(seed).permutation(problem.rows("train"))
    if problem.task.kind == "regression":
        return rows
    first = np.sort(np.unique(problem.labels[rows], return_index=True)[1])
    return np.concatenate([rows[first], np.delete(rows, first)])


def _take(problem: Problem, size: int, seed: int) -> dict[str, np.ndarray]:
    """Return the parts with `size` training crystals and the other parts as they are."""
    return split_parts(problem.split) | {"train": np.sort(order_rows(problem, seed)[:size])}


def _raise_epochs(config: RunConfig, size: int, largest: int, factor: float) -> int:
    """Return the epochs after which `size` crystals have had as many steps as the largest size.

    >>> [_raise_epochs(preset("default"), size, 3200, 4.0) for size in (3200, 1600, 100)]
    [100, 200, 400]
    """
    batch = config.train.batch_size
    ratio = np.ceil(largest / batch) / np.ceil(size / batch)
    return round(config.train.epochs * min(float(ratio), factor))


def fit_slopes(summary: pd.DataFrame, metric: str, n_test: int) -> pd.DataFrame:
    """Return for each model and target the exponent b of error ∝ size^b, fitted in logarithms.

    Fitted to the means over seeds, by least squares; a model needs two sizes.
    """
    rows = []
    for (model, target), group in summary.groupby([MODEL, "target"], sort=False):
        known = group.dropna(subset=[metric])
        if len(known) > 1:
            errors = as_errors(known[metric], metric, n_test)
            slope = float(np.polyfit(np.log(known[SIZE]), np.log(errors), 1)[0])
            rows.append({MODEL: model, "target": target, "power": slope})
    return pd.DataFrame(rows, columns=[MODEL, "target", "power"])
