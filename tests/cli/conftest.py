"""Twenty-four crystals in a folder, two networks trained on them, and the program called here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from xtalgraph.cli.app import run
from xtalgraph.data import Dataset, make_dataset_folder, read_sample_dataset
from xtalgraph.data.sample import ARCHIVE

ENERGY = "formation_energy_per_atom"
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
def sample() -> Dataset:
    """The embedded data set, read once."""
    return read_sample_dataset()


@pytest.fixture
def few(
    sample: Dataset, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Dataset:
    """Sixty crystals, in the place of the embedded data set."""
    rows = choose_rows(sample, 60)
    with np.load(BytesIO(ARCHIVE.read_bytes())) as archive:
        arrays = dict(archive)
    of_atoms = np.isin(np.repeat(np.arange(len(sample)), arrays["n_atoms"]), rows)
    for name, array in arrays.items():
        arrays[name] = array[of_atoms if len(array) == len(of_atoms) else rows]
    archive_of_few = tmp_path_factory.mktemp("few") / "few.npz"
    np.savez(archive_of_few, **arrays)
    monkeypatch.setattr("xtalgraph.data.sample.ARCHIVE", archive_of_few)
    return sample.take(rows)


def choose_rows(dataset: Dataset, n_crystals: int) -> np.ndarray:
    """Give rows of all kinds: a few of each part of the data set."""
    return np.linspace(0, len(dataset) - 1, n_crystals).astype(int)


def draw(dataset: Dataset, n_crystals: int) -> Dataset:
    """Give crystals of all kinds."""
    return dataset.take(choose_rows(dataset, n_crystals))


@pytest.fixture(scope="session")
def tiny(sample: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in the layout of 2018, with a header and four columns."""
    return make_dataset_folder(draw(sample, 24), tmp_path_factory.mktemp("data") / "tiny")


@pytest.fixture(scope="session")
def trained(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a regression."""
    out = tmp_path_factory.mktemp("runs") / "energy"
    assert run(["train", str(tiny), "--target", ENERGY, "--out", str(out), *SMALL]) == 0
    return out


@pytest.fixture(scope="session")
def classifier(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a classification."""
    out = tmp_path_factory.mktemp("runs") / "kind"
    words = f"train {tiny} --target kind --task classification --out {out}"
    assert run([*words.split(), *SMALL]) == 0
    return out
