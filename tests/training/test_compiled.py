"""A run with `train.compile` is the run without: losses, weights, names, and its resumption."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.tiny import make_tiny, small_config
from xtalgraph.errors import BadConfig
from xtalgraph.training import fitting, train

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """How runs of two networks with torch.compile and without differ."""
    folder = tmp_path_factory.mktemp("compiled")
    command = [sys.executable, "-m", "tests.training.compiled_tiny", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("network", ["cgcnn", "batch", "filled up"])
def test_the_losses_and_the_names_of_the_weights_are_the_same(network: str, found) -> None:
    assert found[network]["loss"] < 1e-5
    assert found[network]["learned"] > 0.05  # there was something to differ in
    assert found[network]["same_names"]


@pytest.mark.parametrize("network", ["cgcnn", "batch", "filled up"])
def test_a_resumed_run_ends_in_the_same_weights(network: str, found) -> None:
    assert found[network]["resumed"] == 0


def test_the_fused_operator_is_kept_where_it_can_be(found) -> None:
    """Both convolutions' sums are calls of it; a batch normalisation takes the plain form."""
    assert set(found["cgcnn"]["gated_sums"]) == {2}
    assert set(found["batch"]["gated_sums"]) == {0}


@pytest.mark.parametrize("network", ["cgcnn", "batch", "filled up"])
def test_it_is_not_traced_again_for_each_size(network: str, found) -> None:
    """Once to train, which torch begins twice because of floats, and once to validate."""
    assert len(found[network]["gated_sums"]) <= 3
    assert found[network]["n_sizes"] > 1


def test_batches_that_are_filled_up_have_fewer_sizes(found) -> None:
    assert found["filled up"]["n_sizes"] < found["cgcnn"]["n_sizes"] / 2


def test_what_cannot_be_filled_up_is_refused(tmp_path: Path) -> None:
    settings = ("train.compile=true", "train.cuda_graphs=true")
    config = small_config(*settings, "model.normalisation=batch")
    with pytest.raises(BadConfig, match="a normalisation over the batch would count"):
        train(make_tiny(), "energy", out=tmp_path / "a", config=config)
    with pytest.raises(BadConfig, match=r"set train\.compile"):
        small_config("train.cuda_graphs=true")


def test_a_machine_without_a_compiler_is_told(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(fitting.shutil, "which", lambda name: None)
    with pytest.raises(BadConfig, match=r"needs a C\+\+ compiler"):
        train(make_tiny(), "energy", out=tmp_path / "a", config=small_config("train.compile=true"))
    assert not (tmp_path / "a").exists()
