"""Where the tests find real data, and two tiny ensembles, trained and packed once a session."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with real DFT data; without it the test is skipped, and CI must not skip."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("XTALGRAPH_DATA", default))
    if not folder.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"CI must have the real data; {folder} is not there")
        pytest.skip(f"real data not found: set XTALGRAPH_DATA (looked at {folder})")
    return folder


@pytest.fixture(scope="session")
def oracle_2018(shared_data: Path) -> Path:
    """The networks, element vectors and predictions of the 2018 code."""
    return shared_data.parent / "oracles" / "cgcnn_2018"


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The folders of two runs on the tiny data set that differ in their seeds."""
    return _train_two(tmp_path_factory.mktemp("runs"), ["energy", "gap"], "regression")


@pytest.fixture(scope="session")
def packed(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder `tiny-energy`: a calibrated ensemble of two networks, in a folder of its own."""
    return _pack(runs, tmp_path_factory.mktemp("models") / "tiny-energy")


@pytest.fixture(scope="session")
def packed_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder `tiny-trio`: the same for a classification of three classes."""
    runs = _train_two(tmp_path_factory.mktemp("class_runs"), ["trio"], "classification")
    return _pack(runs, tmp_path_factory.mktemp("class_models") / "tiny-trio")


def _train_two(folder: Path, targets: list[str], task: str) -> list[Path]:
    from tests.training.tiny import make_tiny, small_config
    from xtalgraph.training import train

    return [
        train(
            make_tiny(200),
            targets,
            task=task,
            out=folder / f"seed-{seed}",
            config=small_config(f"train.seed={seed}", "train.epochs=4", "train.batch_size=16"),
        ).folder
        for seed in (1, 2)
    ]


def _pack(runs: list[Path], out: Path) -> Path:
    from tests.training.tiny import make_tiny
    from xtalgraph.evaluation.packing import pack_ensemble

    notes = "## Licence\n\nMade up for the tests."
    pack_ensemble(runs, out, dataset=make_tiny(200), notes=notes)
    return out
