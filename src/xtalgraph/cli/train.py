"""`xtalgraph train`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from xtalgraph.cli.options import (
    Data,
    Device,
    Match,
    Settings,
    SkipBad,
    Split,
    Target,
    Task,
    UsageError,
    default,
)
from xtalgraph.cli.output import print_lines, print_table, report_rejected, say
from xtalgraph.cli.progress import training_bar
from xtalgraph.errors import Rejected

if TYPE_CHECKING:
    from xtalgraph.data import Dataset
    from xtalgraph.training import TrainedRun


@Parameter(name="*", group="Settings")
@dataclass(frozen=True)
class Overrides:
    """Settings of `train` that have an option of their own; None where it is not given.

    Parameters
    ----------
    epochs: int
        Number of passes over the training set.
    seed: int
        Random seed of the initial weights, the batches and dropout (train.split_seed is that of
        the split).
    freeze: str
        With --from: which of the weights stay as they are: none, or convolutions for all but the
        layers after pooling.
    devices: str
        Processes on this machine: a number, auto for all devices, or their numbers, as in 0,2.
    num_nodes: int
        Number of machines.
    strategy: str
        How several processes share the work: auto, ddp, …
    precision: str
        32-true, 64-true, 16-mixed or bf16-mixed.
    """

    epochs: Annotated[int | None, default("100; paper: 30")] = None
    seed: Annotated[int | None, default("0")] = None
    freeze: Annotated[str | None, default("none")] = None
    accelerator: Annotated[Device | None, default("auto")] = None
    devices: Annotated[str | None, default("1")] = None
    num_nodes: Annotated[int | None, default("1")] = None
    strategy: Annotated[str | None, default("auto")] = None
    precision: Annotated[str | None, default("32-true")] = None


def train(
    data: Annotated[Data | None, default("with --resume: the data of the run")] = None,
    /,
    *,
    target: Annotated[Target | None, default("none: needed unless a run is resumed")] = None,
    task: Task = None,
    split: Split = None,
    match: Match = "exact",
    start_from: Annotated[str | None, Parameter(name="--from"), default("random weights")] = None,
    out: Annotated[Path | None, default("runs/DATA-TARGET")] = None,
    resume: Annotated[Path | None, default("a new run")] = None,
    skip_bad: SkipBad = False,
    settings: Settings = Settings(),
    overrides: Overrides = Overrides(),
) -> int:
    """Train a network on a data set and write a run folder: model, figures, report.

    Parameters
    ----------
    start_from: str
        Fine-tuning: a trained model whose weights the run begins with; network and graph are that
        model's. The name of a shipped model, hf:OWNER/NAME, a run folder, a model file, or a
        checkpoint of the 2018 code (.pth.tar); of an ensemble the first member, or NAME/member-2.
    out: Path
        The run folder.
    resume: Path
        The folder of an interrupted run, to be continued with its own data and settings. DATA is
        then only needed if they have been moved.

    Examples
    --------
    xtalgraph train my_data.csv --target band_gap --out runs/gap
    xtalgraph train my_data.csv --target band_gap --set train.epochs=200
    xtalgraph train --resume runs/gap
    """
    chosen = {name: value for name, value in asdict(overrides).items() if value is not None}
    if resume is not None:
        others = {"target": target, "task": task, "split": split, "out": out, "from": start_from}
        return resume_training(resume, data, {**others, **asdict(settings), **chosen})
    if data is None:
        raise UsageError("name the data and a --target, or a run folder to --resume.")
    if target is None:
        raise UsageError(f"name a --target. `xtalgraph check {data}` shows the numeric columns.")
    config = settings.choose(assign(chosen), start_from)
    from xtalgraph.data import read_dataset
    from xtalgraph.training import train as train_network

    rejected: list[Rejected] | None = [] if skip_bad else None
    dataset = read_dataset(data, rejected=rejected, match=match)
    say(*dataset.remarks)
    out = out or Path("runs") / f"{dataset.name}-{target.replace(',', '+')}"
    report_rejected(rejected or [], out)
    with training_bar() as show, told_how_to_resume(out):
        run = train_network(
            dataset, target, task=task, config=config, split=split, out=out, on_progress=show
        )
    return finish(run, dataset)


def resume_training(folder: Path, data: str | None, others: Mapping[str, object]) -> int:
    """Continue a run with its own settings, which is why no others may be given."""
    given = [f"--{name.replace('_', '-')}" for name, value in others.items() if value is not None]
    if given:
        raise UsageError(f"--resume uses the settings of the run; leave out {', '.join(given)}.")
    from xtalgraph.data import read_dataset
    from xtalgraph.training import resume_run

    # crystals left out then are left out now; that the others are the same is checked
    dataset = None if data is None else read_dataset(data, rejected=[])
    with training_bar() as show, told_how_to_resume(folder):
        run = resume_run(folder, dataset=dataset, on_progress=show)
    return finish(run, dataset)


def assign(options: Mapping[str, object]) -> list[str]:
    """Return the assignments to the section `train` that options stand for.

    >>> assign({"epochs": 3, "precision": "16-mixed", "devices": "2", "accelerator": "cuda"})
    ['train.epochs=3', 'train.precision="16-mixed"', 'train.devices=2', 'train.accelerator="gpu"']
    """
    if options.get("accelerator") == "cuda":
        options = {**options, "accelerator": "gpu"}
    return [
        f"train.{name}={value if name == 'devices' else json.dumps(value)}"
        for name, value in options.items()
    ]


@contextmanager
def told_how_to_resume(folder: Path) -> Iterator[None]:
    """Return how a run that is interrupted by Ctrl-C can be resumed, if it can."""
    try:
        yield
    except KeyboardInterrupt:
        if (folder / "last.ckpt").exists():
            say(f"to resume after the last complete epoch: xtalgraph train --resume {folder}")
        raise


def finish(run: TrainedRun, dataset: Dataset | None) -> int:
    """Draw the figures of a finished run and print how good it is next to the baselines."""
    if run.rank:
        return 0
    if run.was_finished and (run.folder / "report.html").exists():
        say(f"{run.folder}: this run is finished already; nothing to do.")
        return 0
    from xtalgraph.evaluation import evaluate, report_run
    from xtalgraph.training import read_run_dataset

    dataset = dataset if dataset is not None else read_run_dataset(run.folder)
    part = "test" if (run.folder / "test_predictions.csv").exists() else "validation"
    print_lines([f"{part} set:"])
    evaluation = evaluate(run.folder, dataset, part=part)
    print_table(evaluation.table())
    page = report_run(run.folder, dataset, evaluation=evaluation)
    say(f"run folder: {run.folder}", f"report: {page}")
    return 0
