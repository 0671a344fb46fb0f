"""Training from a data set to a run folder, and resuming an interrupted run."""

from __future__ import annotations

import copy
import importlib.metadata
import importlib.util
import math
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

from xtalgraph.data import Dataset
from xtalgraph.data.splits import DEFAULT_SPLIT, PARTS, Split, read_split
from xtalgraph.errors import BadConfig, MissingExtra
from xtalgraph.files import format_csv, format_json, lock_folder, write_json, write_text
from xtalgraph.nn import NETWORKS, Network, SavedModel, save_model
from xtalgraph.training.config import RunConfig, preset
from xtalgraph.training.devices import Place, find_place, joined, tell_all
from xtalgraph.training.loop import Progress, TrainingLoop, fit, read_checkpoint
from xtalgraph.training.problem import Problem, pose_problem, refuse_bad_crystals
from xtalgraph.training.run_folder import (
    CHECKPOINT,
    METRICS,
    PREDICTIONS,
    SPLITS,
    TrainedRun,
    begin_run,
    is_finished,
    make_record,
    read_record,
    read_run,
    read_run_dataset,
    refuse_changes,
    remove_leftovers,
)
from xtalgraph.training.scoring import predict_rows, score_part, tabulate_predictions

_SECONDS_BETWEEN_MODELS = 30.0
GIVEN_SPLIT = "given"  # how a `Split` object is recorded; its rows are in splits.csv


def train(
    dataset: Dataset,
    targets: str | Sequence[str],
    *,
    out: Path | str,
    task: str | None = None,
    config: RunConfig | None = None,
    split: str | Split | None = None,
    resume: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> TrainedRun:
    """Train a network on targets of a data set, and write a run folder with the best epoch's model.

    Unusable data are refused before anything is written. The caller's random number generators are
    left unchanged. The normaliser is always fitted to the targets learned here, also if
    `start_from` lets the run start from the weights of a trained network. With `train.devices`
    above 1, or under torchrun or SLURM's srun, several processes train together: each runs the
    whole program, and only `rank` 0 writes and should report.

    Args:
        dataset: Crystals and columns.
        targets: Names of columns, as a list or comma-separated.
        out: The run folder. It must not contain a run unless `resume` is true.
        task: `regression` or `classification`. If None, a column of numbers is learned by
            regression, any other by classification.
        config: The settings; if None, the preset `default`, or those of the run to be resumed.
        split: A `Split` or a string as for `make_split`; 60/20/20 if None.
        resume: Continue the run in `out` from its last complete epoch, with a result identical to
            the last bit to that of an uninterrupted run. Other settings or data than it was
            started with are refused. A finished run is returned with `was_finished`.
        on_progress: Called by the first process, twice a second and after each epoch; an exception
            that it raises ends the run, which can be resumed from the last complete epoch.

    Returns:
        The finished run: folder, model, history and metrics.

    Raises:
        BadDataset, BadCrystal: The data are unusable.
        BadConfig: Settings are not supported on this machine, the folder contains another run, or
            the loss is not finite.
        FolderInUse: Another process is training in `out`.
        LostWorkers: One of several processes died.
    """
    folder = Path(out)
    begun: dict[str, Any] = {}
    if resume:
        saved_config, begun = read_record(folder)
        config = config or saved_config
        split = split or read_split(folder / SPLITS, dataset)
    config = config or preset("default")
    split = split or DEFAULT_SPLIT
    problem = pose_problem(dataset, targets, task, split, config.train.split_seed)
    record = make_record(problem, split if isinstance(split, str) else GIVEN_SPLIT)
    if resume:
        refuse_changes(folder, config, record)
        if is_finished(folder):
            return read_run(folder)
    if config.train.tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise MissingExtra("train.tensorboard", "tensorboard")
    with _own_randomness(config.train.seed), _own_threads(config.train.threads):
        network = _start_network(problem, config, record, begun)
        return _run(network, problem, config, record, folder, resume, on_progress)


def resume_run(
    folder: Path | str,
    *,
    dataset: Dataset | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> TrainedRun:
    """Resume the run in a folder with the data and the settings that it was started with.

    Args:
        folder: The run folder.
        dataset: The same data, verified by checksum; read again from their source if None.
        on_progress: As for `train`.

    Returns:
        The finished run.

    Raises:
        BadConfig: The folder contains no run.
        BadDataset: The data have changed.
        FolderInUse: Another process is training in the folder.
    """
    _, record = read_record(Path(folder))
    dataset = read_run_dataset(folder) if dataset is None else dataset
    return train(
        dataset,
        record["targets"],
        out=folder,
        task=record["task"],
        resume=True,
        on_progress=on_progress,
    )


def _start_network(
    problem: Problem, config: RunConfig, record: dict[str, Any], begun: dict[str, Any]
) -> Network:
    """Return the network that training starts from, random or trained, after checking the data.

    The source of its weights is added to the record; `begun` is that of a run to be resumed.
    """
    if config.train.start_from:
        from xtalgraph.training.finetune import start_network

        network = start_network(problem, config, record, begun)
    else:
        network = NETWORKS[config.model_kind].build(config.model, problem.task.n_outputs)
        refuse_bad_crystals(problem, network.known_elements, config.graph)
    return network


def _run(
    network: Network,
    problem: Problem,
    config: RunConfig,
    record: dict[str, Any],
    folder: Path,
    resume: bool,
    on_progress: Callable[[Progress], None] | None,
) -> TrainedRun:
    place = find_place(config.train)
    _refuse_few_crystals(problem, place)
    with lock_folder(folder, "training") if place.is_first else nullcontext():
        if place.is_first:
            remove_leftovers(folder)
            if not resume:
                begin_run(folder, problem, config, record)
        with joined(place):
            folder = _agree(place, folder, config, record)
            loop = TrainingLoop(network, problem, config, place)
            state = read_checkpoint(folder) if resume else None
            if state is not None:
                loop.load_state_dict(state)
            fit(loop, folder, on_progress, _Keeper(folder, loop))
            if place.is_first:
                _finish_run(folder, loop)
            tell_all(place, "the run folder is complete")
    return read_run(folder, was_finished=False, rank=place.rank)


def _refuse_few_crystals(problem: Problem, place: Place) -> None:
    for part in PARTS[:2]:
        n_crystals = len(problem.rows(part))
        if n_crystals < place.n_processes:
            raise BadConfig(
                f"the {part} set has {n_crystals} crystals for {place.n_processes} processes. Use "
                "fewer (train.devices, train.num_nodes)."
            )


def _agree(place: Place, folder: Path, config: RunConfig, record: dict[str, Any]) -> Path:
    """Return the folder of the first process; all must be about to run the same training."""
    ours = format_json([str(config), record["checksum"], record["targets"]], indent=None)
    folder_and_work = f"{folder.resolve()}\n{ours}"
    told, _, theirs = tell_all(place, folder_and_work).rpartition("\n")
    if theirs != ours:
        raise BadConfig(
            f"process {place.rank} has other data or settings than the first one. Every process "
            "must run the same program to the same point."
        )
    return Path(told)


def _finish_run(folder: Path, loop: TrainingLoop) -> None:
    """Write the results of the best epoch's network; the metrics are last and mark completion."""
    problem, config, network = loop.problem, loop.config, loop.network
    network.load_state_dict(loop.best.weights)
    metrics = {
        "task": problem.task.kind,
        "best_epoch": loop.best.epoch,
        "epochs": len(loop.history),
        "seconds": round(sum(row["seconds"] for row in loop.history), 2),
        **{f"n_{part}": len(problem.rows(part)) for part in PARTS},
        "n_without_label": sum(
            len(problem.split.part(part)) - len(problem.rows(part)) for part in PARTS
        ),
    }
    for part in PARTS[1:]:
        rows = problem.rows(part)
        if not len(rows):
            continue
        outputs = predict_rows(network, problem, config.graph, rows, config.train.batch_size)
        metrics[part] = score_part(problem, part, outputs)
        if part == "test":
            table = tabulate_predictions(problem, part, outputs)
            write_text(folder / PREDICTIONS, format_csv(table, float_format="%.9g"))
    save_model(_describe_model(network, loop), folder)
    write_json(folder / METRICS, metrics)
    (folder / CHECKPOINT).unlink(missing_ok=True)


class _Keeper:
    """Saves the best model of a run that is not finished, and leaves the run as it is.

    After the first epoch, then twice a minute at most, because each model is synced to disk, and
    where the run ends early.
    """

    def __init__(self, folder: Path, loop: TrainingLoop) -> None:
        self.folder, self.loop = folder, loop
        self.epoch = 0  # of the model that is saved
        self.time = -math.inf

    def __call__(self, is_end: bool) -> None:
        best = self.loop.best
        is_due = is_end or time.monotonic() - self.time > _SECONDS_BETWEEN_MODELS
        if not self.loop.place.is_first or best.epoch == self.epoch or not is_due:
            return
        network = copy.deepcopy(self.loop.network)
        network.load_state_dict(best.weights)
        save_model(_describe_model(network, self.loop), self.folder)
        self.epoch, self.time = best.epoch, time.monotonic()


def _describe_model(network: Network, loop: TrainingLoop) -> SavedModel:
    problem, config = loop.problem, loop.config
    start = {"start_from": config.train.start_from, "freeze": config.train.freeze}
    packages = ("xtalgraph", "torch", "numpy")
    provenance = {
        **(start if config.train.start_from else {}),
        "data": problem.dataset.name,
        "data_checksum": problem.dataset.checksum,
        "n_train": len(problem.rows("train")),
        "seed": config.train.seed,
        "best_epoch": loop.best.epoch,
        "versions": {name: importlib.metadata.version(name) for name in packages}
        | {"python": platform.python_version()},
    }
    return SavedModel(
        network,
        config.model,
        config.graph,
        problem.task,
        problem.normaliser,
        problem.elements,
        provenance,
    )


@contextmanager
def _own_threads(n_threads: int) -> Iterator[None]:
    """Set the number of torch threads, and restore it afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _own_randomness(seed: int) -> Iterator[None]:
    """Seed torch's generators, and restore their state afterwards."""
    with torch.random.fork_rng(devices=list(range(torch.cuda.device_count()))):
        torch.manual_seed(seed)
        yield
