"""Two processes train one network: disjoint shares, one writer, scores of the whole."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tests.training.tiny import make_tiny, small_config
from xtalgraph.data.splits import make_split
from xtalgraph.errors import BadConfig
from xtalgraph.graphs import build_graphs
from xtalgraph.training import TrainConfig, TrainedRun, devices, read_run, train
from xtalgraph.training.problem import pose_problem

ROOT = Path(__file__).resolve().parents[2]
TINY = make_tiny(43)
SETTINGS = ("train.devices=2", "train.strategy=ddp", "train.weight_averaging=0.9")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with the run of two processes and the rows that each saw; and what was printed."""
    folder = tmp_path_factory.mktemp("two")
    (folder / "rows").mkdir()
    command = [sys.executable, "-m", "tests.training.run_tiny", str(folder / "run"), *SETTINGS]
    environment = os.environ | {"ROWS": str(folder / "rows"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def seen(folder: Path, key: str) -> list[list[int]]:
    """Give the rows that each process saw."""
    return [json.loads((folder / "rows" / f"rank{rank}.json").read_text())[key] for rank in (0, 1)]


@pytest.mark.parametrize("part", ["train", "validation"])
@pytest.mark.parametrize("epoch", [0, 2])
def test_the_shares_are_disjoint_and_complete(part: str, epoch: int, two) -> None:
    first, second = seen(two[0], f"{part} {epoch}")
    assert not set(first) & set(second)
    assert sorted(first + second) == make_split(TINY).part(part).tolist()
    assert len(first) != len(second) or part == "train"


def test_only_the_first_process_reports_and_writes(two) -> None:
    folder, printed = two
    reporting = {line.split()[0] for line in printed.splitlines() if "epoch" in line}
    assert len(reporting) == 1
    ends = sorted(line for line in printed.splitlines() if line.startswith("rank"))
    assert [line.split(":")[0] for line in ends] == ["rank 0", "rank 1"]
    assert len({line.split(":")[1] for line in ends}) == 1
    assert {path.name for path in (folder / "run").iterdir()} - {".lock"} == {
        "config.toml",
        "manifest.json",
        "splits.csv",
        "history.csv",
        "metrics.json",
        "test_predictions.csv",
        "model.json",
        "model.safetensors",
    }


def test_the_logged_scores_are_of_the_whole_validation_part(two) -> None:
    """The saved model, asked by one process, has the error that two have logged."""
    run = read_run(two[0] / "run")
    rows = make_split(TINY).validation
    assert len(rows) % 2, "the parts are to be uneven"
    graph = build_graphs(TINY.crystals.take(rows), run.model.graph_config)
    with torch.no_grad():
        predicted = run.model.normaliser.inverse_transform(
            run.model.network(graph).double().numpy()
        )
    errors = np.nanmean(np.abs(predicted - TINY.values(["energy", "gap"])[rows]), axis=0)
    logged = run.history.iloc[run.metrics["best_epoch"] - 1]
    assert logged["validation_mae energy [eV/atom]"] == pytest.approx(errors[0], rel=1e-5)
    assert logged["validation_mae gap [eV]"] == pytest.approx(errors[1], rel=1e-5)
    best = run.history["validation_mae energy [eV/atom]"] / run.model.normaliser.std[0]
    best += run.history["validation_mae gap [eV]"] / run.model.normaliser.std[1]
    assert run.metrics["best_epoch"] == best.argmin() + 1


def test_the_losses_are_those_of_one_process_with_the_doubled_batch(two, tmp_path) -> None:
    """The 26 crystals make uneven shares, and a third of the labels of one target is missing."""
    settings = (*SETTINGS, "train.devices=1", "train.strategy=auto", "train.batch_size=16")
    run = train(TINY, ["energy", "gap"], out=tmp_path / "one", config=small_config(*settings))
    ours, theirs = read_run(two[0] / "run").history, run.history
    for column in ("train_loss", "validation_loss"):
        np.testing.assert_allclose(ours[column], theirs[column], rtol=2e-5, err_msg=column)
    assert theirs["train_loss"].nunique() == len(theirs)


def test_the_table_of_predictions_is_whole(two) -> None:
    table = pd.read_csv(two[0] / "run" / "test_predictions.csv")
    assert table["id"].tolist() == TINY.ids[make_split(TINY).test].tolist()


def test_the_problem_is_the_same_as_for_one_process(two) -> None:
    run = read_run(two[0] / "run")
    assert run.model.normaliser == pose_problem(TINY, ["energy", "gap"]).normaliser
    assert run.metrics["n_train"] == 26


def launch(*command: str, **variables: str) -> subprocess.Popen:
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | variables
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def assert_same_as(run: TrainedRun, two: tuple[Path, str]) -> None:
    """Whoever starts the processes, they learn the same."""
    expected = read_run(two[0] / "run")
    for name, value in expected.model.network.state_dict().items():
        found = run.model.network.state_dict()[name]
        assert torch.equal(found.nan_to_num(), value.nan_to_num()), name


def test_torchrun_starts_the_processes(two, tmp_path: Path) -> None:
    process = launch(
        *("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"),
        *("-m", "tests.training.run_tiny", str(tmp_path / "run"), *SETTINGS),
    )
    printed, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    assert {line[:6] for line in printed.splitlines() if "rank" in line} == {"rank 0", "rank 1"}
    assert_same_as(read_run(tmp_path / "run"), two)


def test_slurm_starts_the_processes(two, tmp_path: Path) -> None:
    job = {"SLURM_NTASKS": "2", "SLURM_NODELIST": "localhost", "SLURM_JOB_ID": str(os.getpid())}
    command = "-m", "tests.training.run_tiny", str(tmp_path / "run"), *SETTINGS
    tasks = [launch(*command, SLURM_PROCID=n, SLURM_LOCALID=n, **job) for n in ("0", "1")]
    for number, task in enumerate(tasks):
        printed, errors = task.communicate(timeout=240)
        assert task.returncode == 0, errors
        assert f"rank {number}: " in printed
    assert_same_as(read_run(tmp_path / "run"), two)


@pytest.mark.parametrize(
    ("nodes", "first"),
    [("gpu[07-09,12],login1", "gpu07"), ("a1,a2", "a1"), ("one", "one"), ("n[3]-ib", "n3-ib")],
)
def test_the_first_machine_of_slurm_is_found(nodes: str, first: str) -> None:
    assert devices._first_node(nodes) == first


def test_a_process_that_dies_ends_the_others_and_is_named(tmp_path: Path) -> None:
    process = launch(
        *("-m", "tests.training.run_tiny", str(tmp_path / "run"), *SETTINGS),
        KILL_AT="5",
        KILL_RANK="1",
    )
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    found = r"LostWorkers: process 1 \(of 0 to 1, process id \d+\) of this training has exited: "
    assert re.search(found + "killed by signal 9", errors)
    assert "Resume the run" in errors
    resumed = launch("-m", "tests.training.run_tiny", str(tmp_path / "run"), *SETTINGS, RESUME="1")
    _, errors = resumed.communicate(timeout=120)
    assert resumed.returncode == 0, errors


def test_the_others_end_with_the_first_process(tmp_path: Path) -> None:
    """Killed so that it cannot tell them."""
    process = launch(
        *("-m", "tests.training.run_tiny", str(tmp_path / "run"), *SETTINGS),
        KILL_AT="5",
        KILL_RANK="0",
    )
    process.communicate(timeout=120)  # the pipes close when the last process has ended
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("variables", "settings", "message"),
    [
        ({"RANK": "0", "WORLD_SIZE": "2"}, (), "torchrun started 2 processes, but .* = 1"),
        (
            {"SLURM_PROCID": "0", "SLURM_NTASKS": "3"},
            ("train.devices=2",),
            "srun started 3 processes, but .* = 2",
        ),
        ({}, ("train.num_nodes=2",), "several machines need torchrun or SLURM"),
        ({}, ("train.devices=0",), "write a number of processes"),
        ({}, ("train.devices=100000",), "100000 processes, but this machine has"),
        ({}, ("train.precision=16-mixed",), "needs a GPU; on a CPU use bf16-mixed"),
        ({}, ("train.accelerator=mps",), "torch finds none on this machine"),
    ],
)
def test_processes_that_cannot_be_had_are_refused(
    variables: dict[str, str], settings: tuple[str, ...], message: str, tmp_path, monkeypatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadConfig, match=message):
        train(TINY, "energy", out=tmp_path / "a", config=small_config(*settings))
    assert not (tmp_path / "a").exists()


def test_a_job_of_several_tasks_may_train_a_network_in_each(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SLURM_PROCID", "1")
    monkeypatch.setenv("SLURM_NTASKS", "2")
    place = devices.find_place(small_config().train)
    assert (place.rank, place.n_processes) == (0, 1)


def test_gpus_are_chosen_by_number(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)

    def numbers(wanted: int | str) -> list[int]:
        config = TrainConfig(accelerator="gpu", devices=wanted)
        return [device.index for device in devices._list_devices(config)]

    assert numbers(1) == [0]
    assert numbers("auto") == [0, 1, 2]
    assert numbers("0,2") == [0, 2]
    assert numbers("1,") == [1]
    for wrong in (4, "0,3", "1,1"):
        with pytest.raises(BadConfig, match="this machine has 3 GPUs"):
            numbers(wrong)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert numbers(2) == [0, 0]  # each process is shown its own


def test_settings_for_more_processes_than_crystals_are_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(devices.os, "cpu_count", lambda: 10)
    with pytest.raises(BadConfig, match="the validation set has 9 crystals for 10 processes"):
        train(TINY, "energy", out=tmp_path / "a", config=small_config("train.devices=10"))
    assert not (tmp_path / "a").exists()
