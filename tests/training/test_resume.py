"""A run that was killed ends, once resumed, in the same result as one that was not."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest
import torch

from tests.training.tiny import make_tiny, small_config
from xtalgraph.data import read_dataset
from xtalgraph.errors import BadCheckpoint, BadConfig, BadDataset, FolderInUse
from xtalgraph.structures import write_crystal
from xtalgraph.training import TrainedRun, read_run, read_run_dataset, resume_run, train
from xtalgraph.training.loop import TrainingBatch, TrainingLoop

ROOT = Path(__file__).resolve().parents[2]
TINY = make_tiny(43)
# what makes a resumption hard: dropout, running statistics, momentum, averages, a schedule
SETTINGS = ("model.dropout=0.3", "train.epochs=5", "train.weight_averaging=0.9")
TIMES = ["seconds", "crystals_per_second"]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sum in the same order as the processes that are killed."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def run_until_killed(folder: Path, moment: str, *assignments: str) -> None:
    """Train in a process that is killed by SIGKILL at a moment."""
    command = [sys.executable, "-m", "tests.training.run_tiny", str(folder), *assignments]
    environment = os.environ | {"KILL_AT": moment, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def assert_same(run: TrainedRun, other: TrainedRun) -> None:
    """Two runs are the same to the last bit, but for the time that they took."""
    weights, others = run.model.network.state_dict(), other.model.network.state_dict()
    for name, value in weights.items():
        assert torch.equal(value.nan_to_num(), others[name].nan_to_num()), name
    pd.testing.assert_frame_equal(
        run.history.drop(columns=TIMES), other.history.drop(columns=TIMES), check_exact=True
    )
    assert {**run.metrics, "seconds": 0} == {**other.metrics, "seconds": 0}
    for name in ("test_predictions.csv", "splits.csv"):
        assert (run.folder / name).read_bytes() == (other.folder / name).read_bytes()


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("runs") / "unbroken"
    run = train(TINY, ["energy", "gap"], out=out, config=small_config(*SETTINGS))
    torch.set_num_threads(threads)
    return run


@pytest.mark.parametrize(("moment", "n_epochs"), [("13", 3), ("write", 1)])
def test_a_killed_run_ends_in_the_same_result(
    moment: str, n_epochs: int, unbroken: TrainedRun, tmp_path: Path
) -> None:
    """Killed within the fourth epoch, and while the second checkpoint is written."""
    run_until_killed(tmp_path / "a", moment, *SETTINGS)
    assert not (tmp_path / "a" / "metrics.json").exists()
    checkpoint = torch.load(tmp_path / "a" / "last.ckpt", weights_only=True)
    assert checkpoint["epoch"] == len(checkpoint["history"]) == n_epochs
    run = resume_run(tmp_path / "a", dataset=TINY)
    assert_same(run, unbroken)
    assert not run.was_finished
    left = {path.name for path in (tmp_path / "a").iterdir()} - {".lock"}
    assert left == {path.name for path in unbroken.folder.iterdir()} - {".lock"}


def test_a_run_is_trained_by_one_process_at_a_time(tmp_path: Path) -> None:
    """A second one is refused by name; one that was killed leaves the folder free."""
    command = [sys.executable, "-m", "tests.training.run_tiny", str(tmp_path / "a")]
    environment = os.environ | {"STOP_AT": "9", "OMP_NUM_THREADS": "1"}
    first = subprocess.Popen(
        [*command, *SETTINGS], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        for line in first.stdout:
            if "stopped" in line:
                break
        in_use = rf"is in use: training \(process {first.pid}\) is running here"
        with pytest.raises(FolderInUse, match=in_use):
            resume_run(tmp_path / "a", dataset=TINY)
        with pytest.raises(FolderInUse, match=in_use):
            train(TINY, "energy", out=tmp_path / "a", config=small_config())
    finally:
        first.kill()
        first.communicate()
    assert len(resume_run(tmp_path / "a", dataset=TINY).history) == 5


def interrupt(monkeypatch: pytest.MonkeyPatch, at_step: int, error: type[BaseException]) -> None:
    """Let training fail at a step, once."""
    step = TrainingLoop.train_step

    def failing_step(self: TrainingLoop, batch: TrainingBatch) -> None:
        if self.step == at_step:
            monkeypatch.undo()
            raise error
        step(self, batch)

    monkeypatch.setattr(TrainingLoop, "train_step", failing_step)


def begin(folder: Path, monkeypatch, at_step: int, *assignments: str, error=KeyboardInterrupt):
    interrupt(monkeypatch, at_step, error)
    with pytest.raises(error):
        train(TINY, ["energy", "gap"], out=folder, config=small_config(*SETTINGS, *assignments))


@pytest.mark.parametrize("at_step", [1, 4, 12])
def test_ctrl_c_can_be_resumed_from(
    at_step: int, unbroken: TrainedRun, tmp_path: Path, monkeypatch
) -> None:
    """In the first epoch, which begins anew, in the second, and as the fourth begins."""
    handler = signal.getsignal(signal.SIGINT)
    begin(tmp_path / "a", monkeypatch, at_step)
    assert signal.getsignal(signal.SIGINT) is handler
    config = small_config(*SETTINGS)
    run = train(TINY, ["energy", "gap"], out=tmp_path / "a", config=config, resume=True)
    assert_same(run, unbroken)


def test_a_run_can_be_broken_often_and_moved(
    unbroken: TrainedRun, tmp_path: Path, monkeypatch
) -> None:
    begin(tmp_path / "a", monkeypatch, 5)
    (tmp_path / "a").rename(tmp_path / "b")
    for step in (9, 14):
        interrupt(monkeypatch, step, RuntimeError)
        with pytest.raises(RuntimeError):
            resume_run(tmp_path / "b", dataset=TINY)
    assert_same(resume_run(tmp_path / "b", dataset=TINY), unbroken)


def test_the_checkpoint_matters(unbroken: TrainedRun, tmp_path: Path, monkeypatch) -> None:
    """Shown to fail: a state that is not quite the one that was left gives another result."""
    begin(tmp_path / "a", monkeypatch, 9)
    file = tmp_path / "a" / "last.ckpt"
    checkpoint = torch.load(file, weights_only=True)
    checkpoint["average"]["n_averaged"] += 1
    torch.save(checkpoint, file)
    run = resume_run(tmp_path / "a", dataset=TINY)
    with pytest.raises(AssertionError):
        assert_same(run, unbroken)


def test_a_resumed_run_stops_as_early(tmp_path: Path, monkeypatch) -> None:
    settings = ("patience=2", "epochs=30", "learning_rate=3.0", "weight_averaging=0")
    config = small_config(*(f"train.{setting}" for setting in settings))
    whole = train(TINY, "energy", out=tmp_path / "a", config=config)
    n_steps = len(whole.history) * 4
    interrupt(monkeypatch, n_steps - 1, KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        train(TINY, "energy", out=tmp_path / "b", config=config)
    assert_same(resume_run(tmp_path / "b", dataset=TINY), whole)


@pytest.mark.parametrize("patience", [0, 1])
def test_a_run_killed_after_its_last_epoch_is_finished(
    patience: int, tmp_path: Path, monkeypatch
) -> None:
    config = small_config(
        f"train.patience={patience}", "train.learning_rate=3.0", "train.weight_averaging=0"
    )
    whole = train(TINY, "energy", out=tmp_path / "a", config=config)

    def fail(*arguments) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(import_module("xtalgraph.training.run"), "_finish_run", fail)
        with pytest.raises(KeyboardInterrupt):
            train(TINY, "energy", out=tmp_path / "b", config=config)
    assert_same(resume_run(tmp_path / "b", dataset=TINY), whole)


def test_a_finished_run_says_so(unbroken: TrainedRun) -> None:
    before = (unbroken.folder / "model.safetensors").stat().st_mtime_ns
    run = resume_run(unbroken.folder, dataset=TINY)
    assert run.was_finished
    assert (unbroken.folder / "model.safetensors").stat().st_mtime_ns == before
    assert_same(run, unbroken)


def test_a_changed_run_is_not_resumed(tmp_path: Path, monkeypatch) -> None:
    begin(tmp_path / "a", monkeypatch, 9)
    folder = tmp_path / "a"
    config = small_config(*SETTINGS, "train.epochs=9")
    with pytest.raises(BadConfig, match=r"(?s)the same:\n  train.epochs: 5 then, 9 now\nUndo"):
        train(TINY, ["energy", "gap"], out=folder, config=config, resume=True)
    with pytest.raises(BadConfig, match=r"data.targets: \['energy', 'gap'\] then, \['gap'\] now"):
        train(TINY, "gap", out=folder, resume=True)
    with pytest.raises(BadConfig, match=r"data.checksum: '.*… then, 'other' now"):
        resume_run(folder, dataset=replace(TINY, checksum="other"))
    with pytest.raises(BadConfig, match=r"data.split_checksum: "):
        train(TINY, ["energy", "gap"], out=folder, split="0.5,0.3,0.2", resume=True)
    with pytest.raises(BadDataset, match="no such file or folder"):
        resume_run(folder)  # the tiny data set has no source to be read from
    with pytest.raises(BadConfig, match=r"already contains a run \(unfinished\)"):
        train(TINY, "energy", out=folder, config=small_config())


def test_where_nothing_was_begun_nothing_is_resumed(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"no run was started here, config\.toml is missing"):
        resume_run(tmp_path)
    (tmp_path / "config.toml").write_text("[train]\nepochs = 3\n")
    with pytest.raises(BadConfig, match=r"\[data\] is missing or incomplete"):
        resume_run(tmp_path)


def test_a_broken_or_dangerous_checkpoint_is_refused(tmp_path: Path, monkeypatch) -> None:
    begin(tmp_path / "a", monkeypatch, 9)
    file = tmp_path / "a" / "last.ckpt"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadCheckpoint, match=r"last.ckpt cannot be read .*Remove it"):
        resume_run(tmp_path / "a", dataset=TINY)
    torch.save({"epoch": 1, "object": Path("/")}, file)  # any pickled object stands for a bad one
    with pytest.raises(BadCheckpoint, match="UnpicklingError"):
        resume_run(tmp_path / "a", dataset=TINY)
    torch.save({"epoch": 1, "pytorch-lightning_version": "2.6", "state_dict": {}}, file)
    with pytest.raises(BadCheckpoint, match=r"another version of xtalgraph \(0\.1"):
        resume_run(tmp_path / "a", dataset=TINY)
    file.unlink()
    assert len(resume_run(tmp_path / "a", dataset=TINY).history) == 5


def test_a_run_is_resumed_from_its_source(tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    rows = [f"{crystal.id},{-index}" for index, crystal in enumerate(TINY.crystals)]
    (folder / "id_prop.csv").write_text("\n".join(["id,energy [eV/atom]", *rows]) + "\n")
    for crystal in TINY.crystals:
        write_crystal(crystal, folder / f"{crystal.id}.cif")
    interrupt(monkeypatch, 5, KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        train(read_dataset(folder), "energy", out=tmp_path / "a", config=small_config())
    run = resume_run(tmp_path / "a")
    assert run.metrics["test"]["energy"]["unit"] == "eV/atom"
    assert json.loads((tmp_path / "a" / "metrics.json").read_text()) == run.metrics
    assert read_run(tmp_path / "a").was_finished
    (folder / "c0.cif").unlink()
    with pytest.raises(BadDataset, match=r"(?s)42 crystals .* was started with 43 .*Left out.*c0"):
        read_run_dataset(tmp_path / "a")


def test_the_embedded_data_are_made_again(tmp_path: Path) -> None:
    dataset = read_dataset("mp-sample")
    target = next(iter(dataset.targets))
    config = small_config("train.epochs=1")
    train(dataset, target, out=tmp_path / "a", config=config, split="20,10,0")
    assert read_run_dataset(tmp_path / "a").checksum == dataset.checksum


def test_several_sources_are_read_again(tmp_path: Path) -> None:
    """A list of sources is recorded as one text."""
    for name, crystals in (("a", list(TINY.crystals)[:20]), ("b", list(TINY.crystals)[20:])):
        folder = tmp_path / name
        folder.mkdir()
        rows = [f"{crystal.id},{number}" for number, crystal in enumerate(crystals)]
        (folder / "id_prop.csv").write_text("\n".join(["id,energy", *rows]) + "\n")
        for crystal in crystals:
            write_crystal(crystal, folder / f"{crystal.id}.cif")
    dataset = read_dataset([tmp_path / "a", tmp_path / "b"])
    config = small_config("train.epochs=1")
    run = train(dataset, "energy", out=tmp_path / "run", config=config)
    assert not run.metrics["n_without_label"]
    assert read_run_dataset(run.folder).ids.tolist() == TINY.ids.tolist()
