"""The folder of a run: its contents, and how it is created and read.

A finished run has `config.toml` (all settings, and under `[data]` what it was trained on),
`manifest.json` (the same, compared when it is resumed), `splits.csv`, `history.csv`,
`metrics.json`, `test_predictions.csv`, `model.safetensors` and `model.json`. An unfinished one has
`last.ckpt`, the state after the last complete epoch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from xtalgraph.data import Dataset, read_dataset
from xtalgraph.data.files import EMBEDDED
from xtalgraph.data.splits import checksum_split, write_split
from xtalgraph.errors import BadConfig, BadDataset, Rejected, summarise
from xtalgraph.files import write_text
from xtalgraph.manifest import (
    MANIFEST,
    begin_or_resume,
    read_manifest,
    refuse_changes as refuse_other_identity,
)
from xtalgraph.nn import SavedModel, read_model
from xtalgraph.training.config import (
    RECORD_SECTION,
    RunConfig,
    config_tables,
    format_config,
    read_config,
    read_toml,
)
from xtalgraph.training.problem import Problem

CONFIG, SPLITS, HISTORY, METRICS = "config.toml", "splits.csv", "history.csv", "metrics.json"
PREDICTIONS, CHECKPOINT, TENSORBOARD = "test_predictions.csv", "last.ckpt", "tensorboard"
WORK = "training"

# paths of data and starting weights and the form of the split may differ; checksums may not, of
# which finetune.py compares that of the weights
_MAY_DIFFER = {
    *("data.name", "data.source", "data.split", "data.start_weights"),
    "train.start_from",
}
_RECORDED = {"name", "source", "checksum", "n_crystals", "targets", "task"}


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """A finished run.

    Attributes:
        folder: The run folder.
        model: The model of the best epoch.
        history: One row per epoch, as in `history.csv`.
        metrics: Metrics of each set, as in `metrics.json`.
        rank: The process that returned it: with several processes, only rank 0 has written the
            folder and should report.
        was_finished: Whether the run had been finished by an earlier call.
    """

    folder: Path
    model: SavedModel
    history: pd.DataFrame
    metrics: dict[str, Any]
    was_finished: bool = False
    rank: int = 0


def is_finished(folder: Path) -> bool:
    """Return whether a folder contains a finished run; `metrics.json` is written last."""
    return (folder / METRICS).is_file()


def read_run(folder: Path | str, *, was_finished: bool = True, rank: int = 0) -> TrainedRun:
    """Return the finished run in a folder.

    Args:
        folder: The run folder.
        was_finished: Whether the run was finished by an earlier call.
        rank: The process that reads it.

    Returns:
        The run.

    Raises:
        BadConfig: The folder has no finished run.
    """
    folder = Path(folder)
    if not is_finished(folder):
        raise BadConfig(
            f"{folder}: no finished run, {METRICS} is missing. Resume it (--resume {folder}), or "
            "choose another folder."
        )
    return TrainedRun(
        folder,
        read_model(folder),
        pd.read_csv(folder / HISTORY),
        json.loads((folder / METRICS).read_text(encoding="utf-8")),
        was_finished,
        rank,
    )


def make_record(problem: Problem, split: str) -> dict[str, Any]:
    """Return the contents of `[data]` in `config.toml`: the data and the task."""
    dataset, task = problem.dataset, problem.task
    return {
        "name": dataset.name,
        "source": list(dataset.paths) or dataset.source,
        "checksum": dataset.checksum,
        "n_crystals": len(dataset),
        "targets": [target.name for target in task.targets],
        "units": [target.unit for target in task.targets],
        "task": task.kind,
        "split": split,
        "split_checksum": checksum_split(dataset, problem.split),
        **({} if dataset.match == "exact" else {"match": dataset.match}),
    }


def read_record(folder: Path) -> tuple[RunConfig, dict[str, Any]]:
    """Return the settings and the `[data]` of a run that was started in a folder."""
    file = folder / CONFIG
    if not file.is_file():
        raise BadConfig(f"{folder}: no run was started here, {CONFIG} is missing. Start a new run.")
    record = read_toml(file).get(RECORD_SECTION)
    if not isinstance(record, dict) or not set(record) >= _RECORDED:
        raise BadConfig(f"{file}: [{RECORD_SECTION}] is missing or incomplete. Start a new run.")
    return read_config(file), record


def read_run_dataset(folder: Path | str) -> Dataset:
    """Read the data set of a run again from its original source.

    Crystals that cannot be read are left out.

    Args:
        folder: The run folder.

    Returns:
        The data set.

    Raises:
        BadDataset: The data have changed, by checksum or number of crystals.
    """
    _, record = read_record(Path(folder))
    source = record["source"]
    rejected: list[Rejected] = []
    dataset = read_dataset(
        _find_source(record), rejected=rejected, match=record.get("match", "exact")
    )
    if dataset.checksum != record["checksum"] or len(dataset) != record["n_crystals"]:
        left_out = f" Left out now:\n{summarise(rejected)}" if rejected else ""
        raise BadDataset(
            f"{source}: {len(dataset)} crystals with the checksum {dataset.checksum[:12]}…, but "
            f"{folder} was started with {record['n_crystals']} and {record['checksum'][:12]}…. "
            f"Restore the original data, or start a new run.{left_out}"
        )
    return dataset


def _find_source(record: Mapping[str, Any]) -> str | list[str]:
    source = record["source"]
    if not isinstance(source, str):  # as it is written since version 0.2
        return source if len(source) > 1 else source[0]
    if Path(source).exists():
        return source
    if record["name"] == EMBEDDED:  # its source is a description, not a path
        return EMBEDDED
    return source.split(", ") if ", " in source else source  # a run of version 0.1


def begin_run(folder: Path, problem: Problem, config: RunConfig, record: dict[str, Any]) -> None:
    """Create the folder and write settings and split; a folder that contains a run is refused.

    A run that ended within its first epoch is replaced.
    """
    if (folder / CHECKPOINT).exists() or is_finished(folder):
        state = "finished" if is_finished(folder) else "unfinished"
        raise BadConfig(
            f"{folder} already contains a run ({state}). Choose another folder (--out), or resume "
            f"that run (--resume {folder})."
        )
    begun = read_manifest(folder)
    if begun is not None and begun["work"] == WORK:
        (folder / MANIFEST).unlink()
    begin_or_resume(folder, WORK, _identity(config, record))
    write_split(folder / SPLITS, problem.dataset, problem.split)
    write_text(folder / CONFIG, format_config(config, record))


def remove_leftovers(folder: Path) -> None:
    """Remove partial files of a killed process; the caller must hold the lock of the folder."""
    for file in folder.glob(".*.part"):  # as files.py names them
        file.unlink()


def refuse_changes(folder: Path, config: RunConfig, record: Mapping[str, Any]) -> None:
    """Raise `BadConfig` if a run would be resumed with other settings or data.

    A folder of version 0.1, which has no manifest, is compared by its `config.toml`.
    """
    begun = read_manifest(folder)
    identity = _identity(*read_record(folder)) if begun is None else begun["identity"]
    refuse_other_identity(folder, identity, _identity(config, record), _MAY_DIFFER)


def _identity(config: RunConfig, record: Mapping[str, Any]) -> dict[str, Any]:
    return config_tables(config) | {RECORD_SECTION: dict(record)}
