"""Training from a data set to a run folder, and resuming a run that was killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from xtalgraph.data import Dataset
from xtalgraph.data.splits import DEFAULT_SPLIT, Split, read_split
from xtalgraph.nn import SavedModel, find_model
from xtalgraph.training.averaging import WeightAverage
from xtalgraph.training.checkpoint import BestAndLast
from xtalgraph.training.config import RunConfig, preset
from xtalgraph.training.element_shifts import differ_by_references, fit_references
from xtalgraph.training.finetune import (
    Frozen,
    read_source,
    record_source,
    refuse_unseen_elements,
    start_network,
)
from xtalgraph.training.finishing import finish_run
from xtalgraph.training.fitting import fit, make_trainer, quiet_lightning
from xtalgraph.training.history import History
from xtalgraph.training.lightning import Callback
from xtalgraph.training.module import TrainingModule
from xtalgraph.training.problem import Problem, pose_problem, refuse_bad_crystals
from xtalgraph.training.progress import Progress, ProgressReporter
from xtalgraph.training.run_folder import (
    CHECKPOINT,
    SPLITS,
    TrainedRun,
    begin_run,
    is_finished,
    make_record,
    read_record,
    read_run,
    read_run_dataset,
    refuse_changes,
)

GIVEN_SPLIT = "given"  # how a `Split` object is recorded; its rows are in splits.csv


def train(
    dataset: Dataset,
    targets: str | Sequence[str],
    *,
    out: Path | str,
    task: str = "regression",
    config: RunConfig | None = None,
    split: str | Split | None = None,
    resume: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> TrainedRun:
    """Learn targets of a data set, and leave a run folder with the model of the best epoch.

    `split` is a `Split` or a text as `make_split` takes it, 60/20/20 if left out. The folder `out`
    must not hold a run, unless `resume` is true: then the run that lies there is continued from the
    end of its last whole epoch, to the same result as if it had not been broken off. Settings that
    are left out while resuming are those that the run was begun with; others than those are
    refused. Where nothing is left to do, the finished run is given, with `was_finished`. Settings
    that `start_from` gives let the run begin with the weights of a trained network; the normaliser
    is always that of the targets learned here.

    Data that cannot be learned are refused before anything is written. No generator of random
    numbers of the caller is moved. `on_progress` is called on the first process only; an exception
    that it raises breaks the run off, and at an epoch's end nothing is lost by it.
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
    with (
        quiet_lightning(),
        _own_randomness(config.train.seed),
        _own_threads(config.train.threads),
    ):
        source = read_source(config)
        if source is not None:
            record_source(record, source, config, begun)
            refuse_unseen_elements(source, problem, config.train.freeze)
        return _run(problem, config, record, source, folder, resume, on_progress)


def resume_run(
    folder: Path | str,
    *,
    dataset: Dataset | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> TrainedRun:
    """Continue the run of a folder with the data and the settings that it was begun with.

    The data set is read again from its source unless it is given; its checksum must be the same.
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


def _run(
    problem: Problem,
    config: RunConfig,
    record: dict[str, Any],
    source: SavedModel | None,
    folder: Path,
    resume: bool,
    on_progress: Callable[[Progress], None] | None,
) -> TrainedRun:
    if source is not None:
        network = start_network(source, problem.task, problem.normaliser)
    else:
        network = find_model(config.model_kind).build(config.model, problem.task.n_outputs)
    refuse_bad_crystals(problem, network.known_elements, config.graph)
    if source is not None and differ_by_references(source, problem.task):
        fit_references(network, problem, config.graph)
    history = History(folder, config.train.tensorboard)
    best = BestAndLast(folder, config.train.patience)
    # told last: an epoch after which `on_progress` breaks the run off is in the checkpoint
    callbacks: list[Callback] = [history, best, ProgressReporter(on_progress)]
    if config.train.weight_averaging:
        callbacks.insert(0, WeightAverage(config.train.weight_averaging))
    if config.train.freeze != "none":
        callbacks.insert(0, Frozen(network))
    trainer = make_trainer(config.train, folder, callbacks)
    if trainer.is_global_zero and not resume:
        begin_run(folder, problem, config, record)
    checkpoint = folder / CHECKPOINT
    module = TrainingModule(network, problem, config)
    fit(trainer, module, checkpoint if resume and checkpoint.exists() else None)
    # a process that the first one started may have been given another name for the folder
    folder = Path(trainer.strategy.broadcast(str(folder.resolve())))
    if trainer.is_global_zero:
        network.load_state_dict(best.weights)
        network.to(trainer.strategy.root_device)
        finish_run(folder, problem, config, network, best.epoch, history.to_frame())
    trainer.strategy.barrier("the run folder is complete")
    return read_run(folder, was_finished=False, rank=trainer.global_rank)


@contextmanager
def _own_threads(n_threads: int) -> Iterator[None]:
    """Set the number of torch's threads, and give the caller's back."""
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _own_randomness(seed: int) -> Iterator[None]:
    """Seed torch's generators, and give the caller's back as they were."""
    with torch.random.fork_rng(devices=list(range(torch.cuda.device_count()))):
        torch.manual_seed(seed)
        yield
