"""Test error against the number of training crystals, several seeds, and how steeply it falls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Int64

from xtalgraph.data import Dataset, Split
from xtalgraph.data.splits import DEFAULT_SPLIT
from xtalgraph.errors import BadConfig
from xtalgraph.studies.cross_validation_result import MAIN_METRIC
from xtalgraph.studies.learning_curve_page import write_learning_curve_page
from xtalgraph.studies.learning_curve_result import LearningCurve
from xtalgraph.studies.trial_tables import (
    SEED,
    as_errors,
    score_baselines,
    summarise_seeds,
    tabulate_outcomes,
)
from xtalgraph.studies.trials import OnPoint, Point, name_folder, run_points
from xtalgraph.training import RunConfig, apply_overrides, preset
from xtalgraph.training.problem import Problem, pose_problem
from xtalgraph.training.run import GIVEN_SPLIT

MODEL, SIZE = "model", "size"
CONVOLUTIONS = ("shared", "gated")
BASELINES = {
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
    on_point: OnPoint | None = None,
) -> LearningCurve:
    """Train on `sizes` crystals of the training part, and test all on the same test part.

    Validation and test part are those of one split (`train.split_seed`). For each seed the training
    crystals are put in one random order, whose first ones are taken: a larger part holds the
    smaller, and all models have the same. The seed is that of the weights too. With few crystals an
    epoch is few steps, and a curve over sizes would show haste instead of lack of data: so the
    epochs rise where the size falls, to as many steps as the largest size takes, but at most
    `epoch_factor` times. Runs are continued and failures reported as by `compare`.
    """
    config = config or preset("default")
    if not epoch_factor >= 1:
        raise BadConfig(f"epoch_factor = {epoch_factor}; it must be 1 or more, 1 = same epochs.")
    problem = pose_problem(dataset, targets, task, split, config.train.split_seed)
    if not len(problem.rows("test")):
        raise BadConfig("the test part of the split is empty, and it is what the curve shows.")
    _refuse_sizes(problem, sizes, seeds)
    folder = Path(out)
    parts = {(size, seed): _take(problem, size, seed) for size in sizes for seed in seeds}
    points = []
    for convolution in convolutions or ("",):
        for (size, seed), part in parts.items():
            name = convolution or config.model_kind
            labels: dict[str, str | int] = {MODEL: name, SIZE: size, SEED: seed}
            epochs = _raise_epochs(config, size, max(sizes), epoch_factor)
            settings = [f"train.epochs={epochs}", f"train.seed={seed}"]
            settings += [f"model.convolution={convolution}"] if convolution else []
            chosen = apply_overrides(config, settings)
            points.append(Point(name_folder(labels), labels, part, chosen))
    outcomes = run_points(points, folder, jobs=jobs, on_point=on_point)
    names = BASELINES[task] if baselines is None else baselines
    runs = pd.concat([tabulate_outcomes(outcomes), *_score_baselines(parts, names)])
    summary = summarise_seeds(runs, (MODEL, SIZE))
    metric = f"test_{MAIN_METRIC[task]}"
    slopes = fit_slopes(summary, metric, len(problem.rows("test")))
    result = LearningCurve(problem, folder, tuple(outcomes), runs, summary, slopes)
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
            f"sizes {list(sizes)}: the training part has {n_train} labelled crystals, so sizes "
            f"from {max(2, n_classes)} to {n_train} can be had. Give others, or a split with more "
            "to train."
        )


def order_rows(problem: Problem, seed: int) -> Int64[np.ndarray, "n_rows"]:
    """Give the labelled training rows in the random order of a seed.

    To classify, the first crystal of each class comes before all others, so that the smallest part
    lacks no class.
    """
    rows = np.random.default_rng(seed).permutation(problem.rows("train"))
    if problem.task.kind == "regression":
        return rows
    first = np.sort(np.unique(problem.labels[rows], return_index=True)[1])
    return np.concatenate([rows[first], np.delete(rows, first)])


def _take(problem: Problem, size: int, seed: int) -> Problem:
    """Give the problem with `size` training crystals and the other parts as they are."""
    split = problem.split
    train = np.sort(order_rows(problem, seed)[:size])
    names = [target.name for target in problem.task.targets]
    return pose_problem(
        problem.dataset, names, problem.task.kind, Split(train, split.validation, split.test)
    )


def _raise_epochs(config: RunConfig, size: int, largest: int, factor: float) -> int:
    """Give the epochs after which `size` crystals have had as many steps as the largest size.

    >>> [_raise_epochs(preset("default"), size, 3200, 4.0) for size in (3200, 1600, 100)]
    [100, 200, 400]
    """
    batch = config.train.batch_size
    ratio = np.ceil(largest / batch) / np.ceil(size / batch)
    return round(config.train.epochs * min(float(ratio), factor))


def _score_baselines(
    parts: dict[tuple[int, int], Problem], names: Sequence[str]
) -> list[pd.DataFrame]:
    tables = []
    for (size, seed), part in parts.items():
        if names:
            table = score_baselines(part, names, part="test", seed=seed)
            table = table.rename(columns={"baseline": MODEL})
            tables.append(table.assign(**{SIZE: size, SEED: seed, "n_train": size}))
    return tables


def fit_slopes(summary: pd.DataFrame, metric: str, n_test: int) -> pd.DataFrame:
    """Give for each model and target the power b of error ∝ size^b, a line through the logarithms.

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
