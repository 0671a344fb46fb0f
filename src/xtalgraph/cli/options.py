"""Options that several commands share: each is described once, here, and means the same everywhere.

A group that belongs together is a dataclass, which cyclopts spreads into options; what stands alone
is an annotated type. Where a default depends on other things, `default` says how it is chosen.

Parameters
----------
data: str
    A data set: a folder of structure files with id_prop.csv, a table (CSV, parquet, JSON), a packed
    folder, structure files, a glob, or `mp-sample` for the embedded data set.
structures: str
    Structure files, folders, globs or tables; no targets are needed.
model: str
    The name of a shipped model (listed by `xtalgraph models`), which NAME@VERSION pins to a
    release, a run folder, an ensemble, a model file, or hf:OWNER/NAME.
target: str
    The column to learn; several, comma-separated, are learned together.
task: str
    regression or classification.
split: str
    How the data are split into training, validation and test set: 0.6,0.2,0.2 (ratios) |
    500,100,100 (sizes) | column:NAME[:train=A+B,test=C] | file:PATH | group:formula[:ratios] |
    group:crystal_system[:ratios] | element:Sr.
match: str
    How ids of a table find their structure files: exact, or loose, which allows other capitals, a
    suffix in the id, and lost zeros in front of numbers, where one file alone fits.
skip_bad: bool
    Leave out crystals that cannot be used, list them in OUT.rejected.csv, and exit with 0.
json: bool
    Print the result as JSON, for programs.
baselines: str
    Comma-separated baselines to compare with, such as mean,composition_forest. An unknown name is
    answered with the legal ones.
out: Path
    Folder of the results and the page. Work that was interrupted there is resumed.
jobs: int
    Folds at a time, in processes of one thread each.
device: str
    Where the network runs: cpu, cuda (or gpu), mps, or auto for the fastest there is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from cyclopts import Parameter
from cyclopts.validators import Number

from xtalgraph.cli.output import report_rejected, say
from xtalgraph.errors import BadConfig

if TYPE_CHECKING:
    from xtalgraph.errors import Rejected
    from xtalgraph.training import RunConfig

DEFAULT_SPLIT = "0.6,0.2,0.2"
_TEXTS = {
    name: " ".join(text.split())
    for name, text in re.findall(r"^(\w+): \w+\n((?:    .*\n)+)", __doc__, re.MULTILINE)
}


class UsageError(Exception):
    """Arguments that do not go together, or one that is needed here; the exit status is 2."""


def default(text: str) -> Parameter:
    """Show how a default is chosen that is not a plain value."""
    return Parameter(show_default=text)


def result_folder(name: str) -> Parameter:
    """Describe the folder of a study, and show which one is taken where none is given."""
    return Parameter(help=_TEXTS["out"], show_default=name)


Flag = Parameter(negative=())
Positive: TypeAlias = Annotated[int, Parameter(validator=Number(gte=1))]
Data: TypeAlias = Annotated[str, Parameter(help=_TEXTS["data"])]
Structures: TypeAlias = Annotated[str, Parameter(help=_TEXTS["structures"])]
Model: TypeAlias = Annotated[str, Parameter(help=_TEXTS["model"])]
Target: TypeAlias = Annotated[str, Parameter(help=_TEXTS["target"])]
Task: TypeAlias = Annotated[
    str | None, Parameter(help=_TEXTS["task"]), default("classification if a column is not numeric")
]
Split: TypeAlias = Annotated[str | None, Parameter(help=_TEXTS["split"]), default(DEFAULT_SPLIT)]
Match: TypeAlias = Annotated[str, Parameter(help=_TEXTS["match"])]
SkipBad: TypeAlias = Annotated[bool, Parameter(help=_TEXTS["skip_bad"]), Flag]
Json: TypeAlias = Annotated[bool, Parameter(help=_TEXTS["json"]), Flag]
Baselines: TypeAlias = Annotated[
    str | None, Parameter(help=_TEXTS["baselines"]), default("the trivial ones")
]
FoldJobs: TypeAlias = Annotated[Positive, Parameter(help=_TEXTS["jobs"])]
Device: TypeAlias = Annotated[
    str, Parameter(name=("--device", "--accelerator"), help=_TEXTS["device"])
]


@Parameter(name="*", group="Settings")
@dataclass(frozen=True)
class Settings:
    """Settings of graph, network and training.

    Parameters
    ----------
    preset: str
        What to begin with: default, or paper, the settings of the 2018 code.
    config: Path
        TOML file with settings; those that it does not name are the preset's.
    set: list[str]
        One setting, as in --set model.pooling=max; may be given several times. `xtalgraph settings`
        lists them all.
    """

    preset: Annotated[str | None, default("default")] = None
    config: Annotated[Path | None, default("none")] = None
    set: Annotated[list[str] | None, Flag, default("none")] = None

    def choose(self, assignments: Sequence[str] = (), start_from: str | None = None) -> RunConfig:
        """Return the preset, changed by the file, by `--set`, and by further assignments.

        Where a model to start from is named, the settings of network and graph are its own.
        """
        from xtalgraph.training import apply_overrides, preset, read_config

        config = preset(self.preset or "default")
        if start_from is not None:
            from xtalgraph.training import start_from as start

            config = start(start_from, config)
            say(f"starting from {config.train.start_from}")
            assignments = [*assignments, f"train.start_from={json.dumps(config.train.start_from)}"]
        if self.config is not None:
            config = read_config(self.config, config)
        return apply_overrides(config, [*(self.set or []), *assignments])


@Parameter(name="*", group="Data and results")
@dataclass(frozen=True)
class Study:
    """What a study learns from its data, and how it prints its result."""

    target: Target
    task: Task = None
    match: Match = "exact"
    skip_bad: SkipBad = False
    json: Json = False

    @property
    def names(self) -> list[str]:
        """The names of the targets."""
        return split_words(self.target)

    def load_inputs(
        self, data: str, out: Path | None, ending: str, *, labelled: bool = False
    ) -> tuple[Any, Path]:
        """Return the data set and the folder of the results; what is left out is listed.

        `labelled`: tables of distances are read too, and crystals without a label are listed.
        """
        from xtalgraph.data import read_dataset
        from xtalgraph.evaluation.distance_table import read_labelled

        rejected: list[Rejected] | None = [] if self.skip_bad else None
        read = read_labelled if labelled else read_dataset
        dataset = read(data, rejected=rejected, match=self.match)
        say(*dataset.remarks)
        out = out or Path("runs") / f"{dataset.name}-{'+'.join(self.names)}-{ending}"
        unlabelled = (dataset.find_unlabelled(name) for name in self.names if labelled)
        report_rejected([*(rejected or []), *chain(*unlabelled)], out)
        return dataset, out

    def choose_task(self, dataset: Any) -> str:
        """Return the task that is named, or the one that the columns are for."""
        from xtalgraph.evaluation.labels import guess_task

        return self.task or guess_task(dataset, self.names)


@Parameter(name="*")
@dataclass(frozen=True)
class Runs:
    """What the runs of a study share.

    Parameters
    ----------
    jobs: int
        Runs at a time, each with one thread.
    """

    split: Split = None
    baselines: Baselines = None
    jobs: Positive = 1

    @property
    def given_split(self) -> str:
        """The split that all runs have."""
        return self.split or DEFAULT_SPLIT

    @property
    def baseline_names(self) -> list[str] | None:
        """The baselines that are named."""
        return split_words(self.baselines) if self.baselines else None


@Parameter(name="*", group="Device")
@dataclass(frozen=True)
class Compute:
    """Where a network predicts.

    Parameters
    ----------
    threads: int
        CPU threads; the results do not depend on it.
    """

    device: Device = "cpu"
    threads: Annotated[Positive | None, default("one for each core")] = None


def choose_device(name: str) -> str:
    """Return the device as torch names it."""
    if name != "auto":
        return {"gpu": "cuda"}.get(name, name)
    if find_spec("torch") is None:
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def split_words(text: str) -> list[str]:
    """Return comma-separated words."""
    return [word.strip() for word in text.split(",")]


def read_numbers(text: str, option: str) -> list[int]:
    """Read comma-separated whole numbers."""
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        raise BadConfig(f"{option} {text}: write whole numbers, as in 0,1,2.") from None
