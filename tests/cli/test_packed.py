"""A packed folder on the command line: trained on, stopped, resumed, evaluated, and spoilt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from tests.cli.conftest import ENERGY, SMALL, Call, draw
from xtalgraph.cli import train as train_command
from xtalgraph.data import Dataset, pack_dataset, write_parquet

SCORES = ["mean_absolute_error", "n_scored"]


@pytest.fixture
def table(sample: Dataset, tmp_path: Path) -> Path:
    """Twenty-four crystals with their targets."""
    return write_parquet(draw(sample, 24), tmp_path / "table.parquet")


@pytest.fixture
def packed(table: Path, tmp_path: Path) -> Path:
    """The same, packed."""
    return pack_dataset(table, tmp_path / "packed")


def start_and_stop(call: Call, data: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin a run and break it off after its first epoch."""

    @contextmanager
    def stopping_bar() -> Iterator[object]:
        def stop(progress: object) -> None:
            if progress.is_epoch_end:
                raise KeyboardInterrupt

        yield stop

    with monkeypatch.context() as patch:
        patch.setattr(train_command, "training_bar", stopping_bar)
        assert call("train", data, "--target", ENERGY, "--out", out, *SMALL).status == 1
    assert (out / "last.ckpt").is_file()


def test_a_packed_folder_is_used_as_its_table_is(
    call: Call, table: Path, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert call("train", table, "--target", ENERGY, "--out", whole, *SMALL).status == 0
    start_and_stop(call, packed, run, monkeypatch)
    assert call("train", "--resume", run).status == 0
    for name in ("test_predictions.csv", "history.csv"):
        ours, theirs = pd.read_csv(run / name), pd.read_csv(whole / name)
        same = [column for column in theirs if "second" not in column]
        pd.testing.assert_frame_equal(ours[same], theirs[same])
    scores = [call("evaluate", run, data, "--json").out for data in (packed, table)]
    assert scores[0] == scores[1] != ""
    for name, data in (("a", packed), ("b", table)):
        assert call("predict", run, data, "--out", tmp_path / f"{name}.csv").status == 0
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()
    words = ["--target", ENERGY, "--models", "mean", "--folds", "2", "--out", tmp_path / "folds"]
    assert call("cross-validate", packed, *words).status == 0


def test_a_run_is_resumed_on_the_folder_of_then_alone(
    call: Call, sample: Dataset, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    start_and_stop(call, packed, run, monkeypatch)
    moved = packed.rename(tmp_path / "moved")
    assert "there is no such file or folder" in call("train", "--resume", run).err
    pack_dataset(write_parquet(draw(sample, 25), tmp_path / "b.parquet"), packed)
    other = call("train", "--resume", run)
    assert other.status == 1
    assert "Restore the original data, or start a new run" in other.err
    (packed / "lattices.bin").write_bytes(b"")
    broken = call("train", "--resume", run)
    assert broken.status == 1
    assert "lattices.bin: not the file that was packed" in broken.err
    assert call("train", moved, "--resume", run).status == 0


def test_a_folder_without_the_target_is_predicted_but_not_learned(
    call: Call, sample: Dataset, trained: Path, tmp_path: Path
) -> None:
    few = draw(sample, 24)
    frame = pd.read_parquet(write_parquet(few, tmp_path / "all.parquet"))
    kept = [column for column in frame if ENERGY not in column]
    frame[kept].to_parquet(tmp_path / "less.parquet")
    packed = pack_dataset(tmp_path / "less.parquet", tmp_path / "packed")
    for words in (["train", packed, "--target", ENERGY, *SMALL], ["evaluate", trained, packed]):
        outcome = call(*words)
        assert outcome.status == 1
        assert f"unknown column '{ENERGY}'" in outcome.err
    assert call("predict", trained, packed, "--out", tmp_path / "p.csv").status == 0
