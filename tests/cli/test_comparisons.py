"""`compare`, `learning-curve` and `tune` from the command line."""

import json
from pathlib import Path

import pytest

from tests.training.tiny import SMALL, make_tiny
from xtalgraph.cli.app import run
from xtalgraph.data import write_parquet

QUICK = [word for setting in (*SMALL, "train.epochs=1") for word in ("--set", setting)]


@pytest.fixture(scope="module")
def energy(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The words that name data and target."""
    path = write_parquet(make_tiny(), tmp_path_factory.mktemp("data") / "tiny.parquet")
    return [str(path), "--target", "energy"]


def test_compare_prints_its_table_and_tells_of_failures(
    energy: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "grid")
    vary = ["--vary", "model.pooling=mean,maxx"]
    assert run(["compare", *energy, *vary, *QUICK, "--out", out, "--json"]) == 1
    told = capsys.readouterr()
    rows = json.loads(told.out)
    assert [row["pooling"] for row in rows] == ["mean", "maxx"]
    assert rows[1]["test_mean_absolute_error"] is None
    assert "pooling=maxx seed=0: failed: unknown pooling 'maxx'" in told.err
    assert run(["compare", *energy, "--vary", "model.pooling=mean", *QUICK, "--out", out]) == 0
    assert "pooling" in capsys.readouterr().out


def test_learning_curve_prints_its_table_and_slopes(
    energy: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--sizes", "8,24", "--seeds", "0", "--convolutions", "shared"]
    assert run(["learning-curve", *energy, *options, *QUICK, "--out", str(tmp_path / "c")]) == 0
    told = capsys.readouterr()
    assert "composition_forest" in told.out
    assert "power" in told.out
    assert "2/2  model=shared size=24 seed=0: validation" in told.err


def test_tune_leaves_settings_that_train_takes(
    energy: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space = tmp_path / "space.toml"
    space.write_text('[model]\npooling = ["mean", "max"]\n')
    options = ["--trials", "2", "--space", str(space), "--out", str(tmp_path / "search")]
    assert run(["tune", *energy, *options, *QUICK]) == 0
    told = capsys.readouterr()
    assert "1/2  model.pooling=mean: complete" in told.err
    best = tmp_path / "search" / "best.toml"
    again = ["train", *energy, "--config", str(best), "--out", str(tmp_path / "run")]
    assert run(again) == 0
    assert (tmp_path / "run" / "test_predictions.csv").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "--vary", "model.pooling=mean", "--seeds", "0;1"], "--seeds 0;1: write whole"),
        (["learning-curve", "--sizes", "10,many"], "--sizes 10,many: write whole numbers"),
        (["tune", "--space", "no.toml"], "no.toml: cannot be read"),
    ],
)
def test_words_that_are_no_numbers_are_refused(
    energy: list[str], arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command, *options = arguments
    assert run([command, *energy, *options]) == 1
    assert message in capsys.readouterr().err
