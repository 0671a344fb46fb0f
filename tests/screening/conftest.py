"""Networks trained for a second, which take any element, for screens that are compared."""

import re
from pathlib import Path

import pandas as pd
import pytest

from tests.training.tiny import make_tiny, small_config
from xtalgraph.data import read_dataset, write_parquet
from xtalgraph.evaluation.packing import pack_ensemble
from xtalgraph.training import train


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The run folder of a network with the targets `energy` (eV/atom) and `gap` (eV)."""
    out = tmp_path_factory.mktemp("model") / "run"
    train(make_tiny(), ["energy", "gap"], config=small_config("train.epochs=1"), out=out)
    return str(out)


@pytest.fixture(scope="session")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The run folder of a classifier by `kind`."""
    out = tmp_path_factory.mktemp("model") / "kind"
    config = small_config("train.epochs=1")
    train(make_tiny(), ["kind"], config=config, out=out, task="classification")
    return str(out)


@pytest.fixture(scope="session")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two networks for `energy`, calibrated: they state an uncertainty and a domain."""
    folder = tmp_path_factory.mktemp("ensemble")
    data = read_dataset(write_parquet(make_tiny(160), folder / "tiny.parquet"))
    runs = [folder / "a", folder / "b"]
    for seed, run in enumerate(runs):
        train(data, ["energy"], config=small_config(f"train.seed={seed}"), out=run)
    pack_ensemble(runs, folder / "packed")
    return str(folder / "packed")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a screen writes."""
    return tmp_path / "screen"


def read_all(folder: Path) -> dict[str, object]:
    """Give all results of a screen, but for its parts."""
    tables = {path.name: pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}
    files = [*folder.glob("*.csv"), *folder.glob("*.json"), *folder.glob("top*/*.cif")]
    files += [*folder.glob("tables/*.csv"), *folder.glob("figures/*")]
    found = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(files)}
    page = (folder / "report.html").read_text()
    return (
        tables | found | {"page": re.sub(r'class="made">.*?<|[\d,]+ candidates took.*?<', "", page)}
    )


def assert_same(first: Path, second: Path) -> None:
    """Two screens have the same files with the same content."""
    one, other = read_all(first), read_all(second)
    assert sorted(one) == sorted(other)
    for name, content in one.items():
        if isinstance(content, pd.DataFrame):
            pd.testing.assert_frame_equal(content, other[name])
        else:
            assert content == other[name], name
