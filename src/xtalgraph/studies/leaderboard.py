"""The leaderboard's protocol: five published folds, and a file of predictions in its form.

The form is that of the package matbench 0.6: `results.json.gz` holds one benchmark with its tasks,
of each task the five folds, of each fold the prediction for every id, the scores and parameters.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64

from xtalgraph.data import PUBLIC_SETS, Dataset
from xtalgraph.errors import BadDataset, UnknownName
from xtalgraph.evaluation.labels import guess_task
from xtalgraph.files import write_bytes
from xtalgraph.metrics import accuracy, balanced_accuracy, f1, regression_metrics
from xtalgraph.studies.crossval import MATBENCH, cross_validate
from xtalgraph.studies.results import CrossValidation
from xtalgraph.studies.trials import OnTrial
from xtalgraph.training import RunConfig, preset

BENCHMARK, FORMAT_VERSION = "matbench_v0.1", "0.6"
RESULTS = "results.json.gz"
TRUTH = ("false", "true")
PROBABILITY_OF_TRUE = 0.5  # above it matbench takes a probability for `true`
LEAST_MAGNITUDE = 1e-5  # of a true value that counts in matbench's relative error


@dataclass(frozen=True, eq=False)
class MatbenchResult:
    """A task of the leaderboard that was done.

    Attributes:
        task: Its official name.
        validation: The scores on the folds.
        file: `results.json.gz`.
        notes: What keeps the file from being a submission.
    """

    task: str
    validation: CrossValidation
    file: Path
    notes: tuple[str, ...] = ()


def matbench(
    name: str,
    dataset: Dataset,
    *,
    out: str | Path,
    model: str | None = None,
    target: str | None = None,
    config: RunConfig | None = None,
    seed: int = 0,
    jobs: int = 1,
    on_trial: OnTrial | None = None,
) -> MatbenchResult:
    """Train and test a model on the five folds of a task, and write `results.json.gz` into `out`.

    A network chooses its best epoch on a tenth of each fold's training set; the test set is seen
    once, by the finished model. If interrupted, call it again to resume.

    Args:
        name: The task, with or without `matbench_` before it.
        dataset: Its crystals in the published order, each with its label: otherwise the folds are
            others.
        out: Folder of the study.
        model: A network or a baseline by name; the network of `config` if left out.
        target: The column to learn, where the task is not one of matbench's own. The file then has
            the leaderboard's form and is no submission, which a note says.
        config: Graph, network and training; the default preset if left out.
        seed: Of the validation sets and of baselines.
        jobs: Folds at a time, in processes of one thread each.
        on_trial: Called with each finished fold, how many are done, and how many there are.

    Returns:
        The scores, and where the file is.

    Raises:
        BadDataset: The data are not those of the task, a crystal has no label, or a fold failed.
        BadConfig: The folder holds another study.
        FolderInUse: Another process works in the folder.

    >>> matbench("log_gvrh", dataset, out="runs/log_gvrh").file  # doctest: +SKIP
    """
    task, settings = official_name(name), config or preset("default")
    model = model or settings.model_kind
    dataset = take_our_names(task, dataset)
    column = find_target(task, dataset, target)
    kind = guess_task(dataset, [column])
    _refuse_gaps(dataset, column, kind)
    result = cross_validate(
        dataset,
        [column],
        [model],
        out=out,
        task=kind,
        n_folds=MATBENCH,
        seed=seed,
        config=settings,
        jobs=jobs,
        on_trial=on_trial,
    )
    if result.failures:
        raise BadDataset(f"{task} needs all folds. {' '.join(result.failures)}")
    notes = _find_notes(task, dataset)
    record = make_record(task, result, model, _describe_settings(model, settings, seed), notes)
    file = Path(out) / RESULTS
    write_bytes(file, gzip.compress(json.dumps(record).encode(), mtime=0))
    return MatbenchResult(task, result, file, notes)


def official_name(name: str) -> str:
    """Return the name with matbench's prefix: `log_gvrh` is `matbench_log_gvrh`."""
    return name if name.startswith("matbench_") else f"matbench_{name}"


def take_our_names(task: str, dataset: Dataset) -> Dataset:
    """Return the columns of an official task file our names and units: `gap pbe` is `band_gap`, eV.

    A file that has our names already stays as it is.
    """
    known = PUBLIC_SETS[task].columns if task in PUBLIC_SETS else {}
    ours = {name: one for name, one in known.items() if name in dataset.columns.columns}
    names = {name: target.name for name, target in ours.items()}
    targets = {names.get(name, name): target for name, target in dataset.targets.items()}
    targets |= {one.name: one for name, one in ours.items() if name in dataset.targets}
    return replace(dataset, columns=dataset.columns.rename(columns=names), targets=targets)


def find_target(task: str, dataset: Dataset, target: str | None) -> str:
    """Return the column of a task: the one named, or that of the official task of this name."""
    columns = [str(column) for column in dataset.columns.columns]
    if target is not None:
        if target not in columns:
            raise UnknownName("column", target, columns)
        return target
    if task not in PUBLIC_SETS:
        raise BadDataset(f"{task} is no task of matbench; name the column to learn (--target).")
    for known in PUBLIC_SETS[task].columns.values():
        if known.name in columns:
            return known.name
    raise BadDataset(
        f"{dataset.source}: no column of {task} ({', '.join(PUBLIC_SETS[task].columns)}) among "
        f"{', '.join(columns)}. Name the column (--target)."
    )


def _refuse_gaps(dataset: Dataset, column: str, kind: str) -> None:
    if kind == "classification":
        labels = dataset.labels(column)
        missing = np.flatnonzero([label is None for label in labels])
        classes = sorted({label for label in labels if label is not None})
        if classes != list(TRUTH):
            raise BadDataset(
                f"{dataset.source}: {column!r} has the classes {', '.join(classes)}; matbench "
                "has only true and false."
            )
    else:
        missing = np.flatnonzero(np.isnan(dataset.values([column])[:, 0]))
    if len(missing):
        raise BadDataset(
            f"{dataset.source}: {len(missing)} crystals have no {column!r}, first "
            f"{str(dataset.ids[missing[0]])!r}. The folds count all rows; give a file without gaps."
        )


def _find_notes(task: str, dataset: Dataset) -> tuple[str, ...]:
    if task not in PUBLIC_SETS:
        return (f"{task} is no task of matbench: the file has its form, and is no submission.",)
    n_rows = PUBLIC_SETS[task].n_rows
    if len(dataset) != n_rows:
        return (
            f"{len(dataset):,} of the {n_rows:,} crystals of {task}: the folds are made in the "
            "same way and are not the published ones. This is no submission.",
        )
    return ()


def _describe_settings(model: str, config: RunConfig, seed: int) -> dict[str, Any]:
    settings: dict[str, Any] = {"model": model, "seed": seed, "xtalgraph": version("xtalgraph")}
    if model == config.model_kind:
        settings |= {part: asdict(getattr(config, part)) for part in ("graph", "model", "train")}
        settings["kind"] = model
    return settings


def make_record(
    task: str,
    result: CrossValidation,
    model: str,
    settings: dict[str, Any],
    notes: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Return the benchmark as matbench 0.6 writes it: every prediction by id, with the scores."""
    table = result.predictions(model)
    folds = {}
    for number in range(len(result.folds)):
        rows = table[table["fold"] == number]
        true, predicted, answers = _read_answers(rows, result)
        folds[f"fold_{number}"] = {
            "data": dict(zip(rows["id"].tolist(), answers, strict=True)),
            "uncertainty": None,
            "parameters": settings,
            "scores": _score_numbers(true, predicted)
            if result.task.kind == "regression"
            else _score_truth(true, predicted),
        }
    record: dict[str, Any] = {
        "@module": "matbench.bench",
        "@class": "MatbenchBenchmark",
        "version": FORMAT_VERSION,
        "benchmark_name": BENCHMARK,
        "datestamp": datetime.now(UTC).strftime("%Y.%m.%d %H:%M.%S"),
        "user_metadata": {"program": f"xtalgraph {version('xtalgraph')}", "notes": list(notes)},
        "tasks": {
            task: {
                "@module": "matbench.task",
                "@class": "MatbenchTask",
                "benchmark_name": BENCHMARK,
                "dataset_name": task,
                "results": folds,
            }
        },
    }
    return record | {"hash": hash_record(record)}


def hash_record(record: dict[str, Any]) -> str:
    """Return the SHA-256 by which matbench knows a record that was not changed since."""
    text = json.dumps(record, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _read_answers(
    rows: pd.DataFrame, result: CrossValidation
) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Return the labels, the predictions, and these as the leaderboard wants them."""
    target = result.task.targets[0]
    if result.task.kind == "classification":
        true = (rows[f"{target.name} true"] == "true").to_numpy()
        predicted = rows["probability true"].to_numpy(dtype=np.float64)
        return true.astype(np.int64), predicted, predicted.tolist()
    columns = [name for name in rows.columns if name.startswith(f"{target.name} ")]
    true, predicted = (rows[name].to_numpy(dtype=np.float64) for name in columns)
    return true, predicted, predicted.tolist()


def _score_numbers(
    true: Float64[np.ndarray, "n_rows"], predicted: Float64[np.ndarray, "n_rows"]
) -> dict[str, float]:
    scores = regression_metrics(true, predicted)
    counted = np.abs(true) > LEAST_MAGNITUDE
    relative = np.abs((true[counted] - predicted[counted]) / true[counted])
    return {
        "mae": float(scores["mean_absolute_error"]),
        "rmse": float(scores["root_mean_squared_error"]),
        "mape": float(relative.mean()) if len(relative) else float("nan"),
        "max_error": float(scores["max_error"]),
    }


def _score_truth(true: np.ndarray, probability: np.ndarray) -> dict[str, float]:
    """Score as matbench does: all four from the class, also the area under the ROC curve.

    Its code has turned probabilities into classes by the time it takes the area; of classes that
    area is the balanced accuracy. The area of the probabilities is on the page of the results.
    """
    predicted = (probability > PROBABILITY_OF_TRUE).astype(np.int64)
    balanced = balanced_accuracy(true, predicted)
    return {
        "accuracy": accuracy(true, predicted),
        "balanced_accuracy": balanced,
        "f1": f1(true, predicted),
        "rocauc": balanced,
    }
