"""A network trained for a second, which takes any element, for screens that are compared."""

from pathlib import Path

import pytest

from tests.training.tiny import make_tiny, small_config
from xtalgraph.training import train


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The run folder of a network with the targets `energy` (eV/atom) and `gap` (eV)."""
    out = tmp_path_factory.mktemp("model") / "run"
    train(make_tiny(), ["energy", "gap"], config=small_config("train.epochs=1"), out=out)
    return str(out)


@pytest.fixture(scope="session")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The run folder of a classifier by `kind`."""
    out = tmp_path_factory.mktemp("model") / "kind"
    config = small_config("train.epochs=1")
    train(make_tiny(), ["kind"], config=config, out=out, task="classification")
    return str(out)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a screen writes."""
    return tmp_path / "screen"
