"""Twenty-four crystals in a folder, two networks trained on them, and the program called here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from xtalgraph.cli.app import run
from xtalgraph.data import Dataset, make_dataset_folder, make_ionic_dataset

ENERGY = "ionic_energy_per_atom"
SMALL = [
    *("--epochs", "2", "--accelerator", "cpu", "--set", "train.batch_size=8"),
    *("--set", "model.atom_width=8", "--set", "model.n_convolutions=1"),
    *("--set", "train.tensorboard=false"),
]


@dataclass(frozen=True)
class Outcome:
    """What a call of the program gave."""

    status: int
    out: str
    err: str


Call = Callable[..., Outcome]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Run the program in this process."""

    def run_program(*arguments: object) -> Outcome:
        capsys.readouterr()
        status = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(status, captured.out, captured.err)

    return run_program


@pytest.fixture(scope="session")
def ionic() -> Dataset:
    """The embedded data set, made once."""
    return make_ionic_dataset()


@pytest.fixture
def few(ionic: Dataset, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Sixty crystals, in the place of the embedded data set."""
    dataset = draw(ionic, 60)
    for room in ("xtalgraph.data", "xtalgraph.data.ionic.making"):
        monkeypatch.setattr(f"{room}.make_ionic_dataset", lambda: dataset)
    return dataset


def draw(dataset: Dataset, n_crystals: int) -> Dataset:
    """Give crystals of all kinds: a few of each part of the data set."""
    return dataset.take(np.linspace(0, len(dataset) - 1, n_crystals).astype(int))


@pytest.fixture(scope="session")
def tiny(ionic: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in the layout of 2018, with a header and four columns."""
    return make_dataset_folder(draw(ionic, 24), tmp_path_factory.mktemp("data") / "tiny")


@pytest.fixture(scope="session")
def trained(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a regression."""
    out = tmp_path_factory.mktemp("runs") / "energy"
    assert run(["train", str(tiny), "--target", ENERGY, "--out", str(out), *SMALL]) == 0
    return out


@pytest.fixture(scope="session")
def classifier(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a classification."""
    out = tmp_path_factory.mktemp("runs") / "perovskite"
    words = f"train {tiny} --target is_perovskite --task classification --out {out}"
    assert run([*words.split(), *SMALL]) == 0
    return out
