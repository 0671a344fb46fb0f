"""The end of a run: the model, its predictions for the test part, and its metrics."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from pathlib import Path
from typing import Any

import pandas as pd

from xtalgraph.nn import Network, SavedModel, save_model
from xtalgraph.training.config import RunConfig
from xtalgraph.training.problem import PARTS, Problem
from xtalgraph.training.run_folder import CHECKPOINT, METRICS, PREDICTIONS, write_text
from xtalgraph.training.scoring import predict_rows, score_part, tabulate_predictions


def finish_run(
    folder: Path,
    problem: Problem,
    config: RunConfig,
    network: Network,
    best_epoch: int,
    history: pd.DataFrame,
) -> None:
    """Write what the network of the best epoch gives; the metrics come last and mark the end.

    The checkpoint is removed: a finished run is not resumed, and its folder can be handed on
    without a file that is read by unpickling.
    """
    metrics = _describe(problem, best_epoch, history)
    for part in ("validation", "test"):
        rows = problem.rows(part)
        if not len(rows):
            continue
        outputs = predict_rows(network, problem, config.graph, rows, config.train.batch_size)
        metrics[part] = score_part(problem, part, outputs)
        if part == "test":
            table = tabulate_predictions(problem, part, outputs)
            write_text(folder / PREDICTIONS, table.to_csv(index=False, float_format="%.9g"))
    saved = SavedModel(
        network,
        config.model,
        config.graph,
        problem.task,
        problem.normaliser,
        problem.elements,
        _tell_origin(problem, config, best_epoch),
    )
    save_model(saved, folder)
    write_text(folder / METRICS, json.dumps(metrics, indent=2, ensure_ascii=False) + "\n")
    (folder / CHECKPOINT).unlink(missing_ok=True)


def _describe(problem: Problem, best_epoch: int, history: pd.DataFrame) -> dict[str, Any]:
    seconds = float(history["seconds"].sum())
    return {
        "task": problem.task.kind,
        "best_epoch": best_epoch,
        "epochs": len(history),
        "seconds": round(seconds, 2),
        **{f"n_{part}": len(problem.rows(part)) for part in PARTS},
        "n_without_label": sum(
            len(problem.split.part(part)) - len(problem.rows(part)) for part in PARTS
        ),
    }


def _tell_origin(problem: Problem, config: RunConfig, best_epoch: int) -> dict[str, Any]:
    packages = ("xtalgraph", "torch", "lightning", "numpy")
    start = {"start_from": config.train.start_from, "freeze": config.train.freeze}
    return {
        **(start if config.train.start_from else {}),
        "data": problem.dataset.name,
        "data_checksum": problem.dataset.checksum,
        "n_train": len(problem.rows("train")),
        "seed": config.train.seed,
        "best_epoch": best_epoch,
        "versions": {name: importlib.metadata.version(name) for name in packages}
        | {"python": platform.python_version()},
    }
