"""`xtalgraph train`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from xtalgraph.cli.output import print_lines, report_rejected, say
from xtalgraph.cli.progress import training_bar
from xtalgraph.cli.usage_error import UsageError
from xtalgraph.errors import Rejected

if TYPE_CHECKING:
    from xtalgraph.data import Dataset
    from xtalgraph.training import RunConfig, TrainedRun

Options = dict[str, object]  # by name, None where not given
Settings = Annotated[list[str] | None, Parameter(name="--set", negative=())]


def train(
    data: str | None = None,
    /,
    *,
    target: str | None = None,
    task: str | None = None,
    preset: str | None = None,
    config: Path | None = None,
    set: Settings = None,
    split: str | None = None,
    start_from: Annotated[str | None, Parameter(name="--from")] = None,
    freeze: str | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    out: Path | None = None,
    resume: Path | None = None,
    skip_bad: Annotated[bool, Parameter(negative=())] = False,
    accelerator: str | None = None,
    devices: str | None = None,
    num_nodes: int | None = None,
    strategy: str | None = None,
    precision: str | None = None,
) -> int:
    """Train a network on a data set and leave a run folder: model, figures, report.

    Parameters
    ----------
    data: str
        A folder, a table, or `mp-sample` for the embedded data set. With --resume it is needed only
        where the data have been moved.
    target: str
        The column to learn; several, separated by commas, are learned together.
    task: str
        regression, where not given, or classification.
    preset: str
        default, or paper: the settings of the code of 2018.
    config: Path
        TOML file with settings; what it leaves out is the preset's.
    set: list[str]
        One setting, as in --set model.pooling=max; may be given again.
    split: str
        0.6,0.2,0.2 (ratios, where not given) | 500,100,100 (sizes) |
        column:NAME[:train=A+B,test=C] | file:PATH | group:formula[:ratios] |
        group:crystal_system[:ratios] | element:Sr.
    start_from: str
        A trained model whose weights the run begins with: fine-tuning. The name of a shipped
        model, hf:OWNER/NAME, a run folder, a model file, or a checkpoint of the 2018 code
        (.pth.tar); of an ensemble the first member, or NAME/member-2. Network and graph are
        that model's.
    freeze: str
        What of those weights stays as it is: none, where not given, or convolutions: all but the
        layers after pooling.
    epochs: int
        Passes over the training part.
    seed: int
        Of the initial weights, the batches and dropout (the split has train.split_seed).
    out: Path
        The run folder; runs/DATA-TARGET where not given.
    resume: Path
        A run folder to continue, with its own data and settings.
    skip_bad: bool
        Leave out crystals that cannot be read, and list them in OUT.rejected.csv.
    accelerator: str
        As Lightning's Trainer takes it: auto, cpu, gpu, mps.
    devices: str
        Processes on this machine.
    num_nodes: int
        Machines.
    strategy: str
        As Lightning's Trainer takes it: auto, ddp, …
    precision: str
        32-true, 64-true, 16-mixed, bf16-mixed.
    """
    machine: Options = {"accelerator": accelerator, "devices": devices, "num_nodes": num_nodes}
    machine |= {"strategy": strategy, "precision": precision, "epochs": epochs, "seed": seed}
    machine |= {"freeze": freeze}
    if resume is not None:
        others: Options = {"target": target, "task": task, "preset": preset, "config": config}
        others |= {"set": set, "split": split, "out": out, "from": start_from, **machine}
        return resume_training(resume, data, others)
    if data is None or target is None:
        raise UsageError("name the data and --target, or a run folder to --resume.")
    assignments = [*(set or []), *assign(machine)]
    settings = choose_config(preset or "default", config, assignments, start_from)
    from xtalgraph.data import read_dataset
    from xtalgraph.training import train as train_network

    rejected: list[Rejected] | None = [] if skip_bad else None
    dataset = read_dataset(data, rejected=rejected)
    out = out or Path("runs") / f"{dataset.name}-{target.replace(',', '+')}"
    report_rejected(rejected or [], out)
    task = task or "regression"
    with training_bar() as show, told_how_to_resume(out):
        run = train_network(
            dataset, target, task=task, config=settings, split=split, out=out, on_progress=show
        )
    return finish(run, dataset)


def resume_training(folder: Path, data: str | None, others: Options) -> int:
    """Continue a run with its own settings, which is why no others may be given."""
    given = [f"--{name.replace('_', '-')}" for name, value in others.items() if value is not None]
    if given:
        raise UsageError(
            f"--resume goes on with the run's own settings; leave out {', '.join(given)}."
        )
    from xtalgraph.data import read_dataset
    from xtalgraph.training import resume_run

    # crystals left out then are left out now; that the others are the same is checked
    dataset = None if data is None else read_dataset(data, rejected=[])
    with training_bar() as show, told_how_to_resume(folder):
        run = resume_run(folder, dataset=dataset, on_progress=show)
    return finish(run, dataset)


def choose_config(
    preset_name: str, file: Path | None, settings: list[str], model: str | None = None
) -> RunConfig:
    """Give the settings of a preset, changed by a file, changed by single assignments.

    Where a model to start from is named, those of network and graph are its own.
    """
    from xtalgraph.training import apply_overrides, preset, read_config, start_from

    config = preset(preset_name)
    if model is not None:
        config = start_from(model, config)
        settings = [*settings, *assign({"start_from": config.train.start_from})]
        say(f"starting from {config.train.start_from}")
    if file is not None:
        config = read_config(file, config)
    return apply_overrides(config, settings)


def assign(options: Options) -> list[str]:
    """Give the assignments to the section `train` that options stand for.

    >>> assign({"epochs": 3, "precision": "16-mixed", "devices": "2", "seed": None})
    ['train.epochs=3', 'train.precision="16-mixed"', 'train.devices=2']
    """
    return [
        f"train.{name}={value if name == 'devices' else json.dumps(value)}"
        for name, value in options.items()
        if value is not None
    ]


@contextmanager
def told_how_to_resume(folder: Path) -> Iterator[None]:
    """Say how a run that is stopped by Ctrl-C can be continued, if it can."""
    try:
        yield
    except KeyboardInterrupt:
        if (folder / "last.ckpt").exists():
            say(f"to go on from the last whole epoch: xtalgraph train --resume {folder}")
        raise


def finish(run: TrainedRun, dataset: Dataset | None) -> int:
    """Draw the figures of a finished run and print how good it is beside the baselines."""
    if run.rank:
        return 0
    if run.was_finished and (run.folder / "report.html").exists():
        say(f"{run.folder}: this run was finished; nothing to do.")
        return 0
    from xtalgraph.evaluation import evaluate, report_run
    from xtalgraph.training import read_run_dataset

    dataset = dataset if dataset is not None else read_run_dataset(run.folder)
    part = "test" if (run.folder / "test_predictions.csv").exists() else "validation"
    print_lines([f"{part} part:"])
    evaluation = evaluate(run.folder, dataset, part=part)
    print_lines(evaluation.table().to_string(index=False).split("\n"))
    page = report_run(run.folder, dataset, evaluation=evaluation)
    say(f"run folder: {run.folder}", f"report: {page}")
    return 0
