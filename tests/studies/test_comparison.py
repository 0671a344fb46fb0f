"""Grids of settings: all on one split, none run twice, one failure among the others, one table."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from tests.training.tiny import make_tiny, small_config
from xtalgraph.errors import BadConfig, LostWorkers
from xtalgraph.studies import trials
from xtalgraph.studies.comparison import Comparison, compare, make_grid, read_variations
from xtalgraph.studies.results import list_baselines, tabulate_baselines
from xtalgraph.studies.trials import (
    LONGEST_NAME,
    Study,
    Trial,
    TrialResult,
    name_folder,
    run_trials,
    split_parts,
    train_network,
)
from xtalgraph.training import Progress
from xtalgraph.training.problem import Problem, pose_problem

TINY = make_tiny()
METRIC = "mean_absolute_error"


def pose_study(problem: Problem, folder: Path, jobs: int = 1) -> Study:
    parts = [split_parts(problem.split)]
    return Study(folder, "a comparison", problem.dataset, problem.task, parts, jobs=jobs)


def run_grid(grid: list[Trial], problem: Problem, folder: Path, jobs: int = 1) -> list[TrialResult]:
    study = pose_study(problem, folder, jobs)
    with study.open(grid):
        return run_trials(study, grid)


@pytest.fixture(scope="module")
def problem() -> Problem:
    return pose_problem(TINY, "energy")


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    vary = ["model.convolution=none,gated", "model.pooling=mean,maxx"]
    return compare(
        TINY,
        "energy",
        vary,
        out=tmp_path_factory.mktemp("grid"),
        config=small_config("train.epochs=2"),
        seeds=(0, 1),
    )


def test_the_table_is_what_the_run_folders_say(grid: Comparison) -> None:
    done = grid.runs[grid.runs["error"].isna()]
    assert len(done) == 4
    for _, row in done.iterrows():
        metrics = json.loads((grid.folder / row["folder"] / "metrics.json").read_text())
        for part in ("validation", "test"):
            assert row[f"{part}_{METRIC}"] == metrics[part]["energy"][METRIC]
        assert row["seconds"] == metrics["seconds"]
        assert row["epochs"] == metrics["epochs"] == 2
    row = grid.summary.iloc[0]
    runs = done[(done["convolution"] == "none") & (done["pooling"] == "mean")]
    assert row[f"test_{METRIC}"] == pytest.approx(runs[f"test_{METRIC}"].mean())
    assert row["test_deviation"] == pytest.approx(runs[f"test_{METRIC}"].std(ddof=1))
    weights = [result.n_parameters for result in grid.results if result.run is not None]
    assert done["n_parameters"].tolist() == weights
    assert weights[0] < weights[-1]  # a gate has more than no convolution


def test_all_points_have_one_split_and_their_own_seed(grid: Comparison) -> None:
    folders = [result.folder for result in grid.results if result.run is not None]
    splits = {(folder / "splits.csv").read_bytes() for folder in folders}
    assert len(splits) == 1
    seeds = [result.run.model.provenance["seed"] for result in grid.results if result.run]
    assert seeds == [0, 1, 0, 1]


def test_a_setting_that_cannot_be_is_in_the_table_and_on_the_page(grid: Comparison) -> None:
    failed = grid.runs[grid.runs["error"].notna()]
    assert grid.n_failed == len(failed) == 4
    assert set(failed["pooling"]) == {"maxx"}
    assert failed["error"].str.contains("Did you mean 'max'").all()
    page = (grid.folder / "report.html").read_text()
    assert "pooling-maxx_seed-0 failed: unknown pooling" in page
    assert "--vary model.pooling=mean,maxx" in page
    assert f"--config {grid.folder / 'config.toml'}" in page
    assert (grid.folder / "figures" / "losses_convolution.png").is_file()
    written = pd.read_csv(grid.folder / "tables" / "summary.csv")
    assert written[f"test_{METRIC}"].tolist() == pytest.approx(
        grid.summary[f"test_{METRIC}"].tolist(), nan_ok=True
    )


def test_the_best_is_chosen_on_validation(grid: Comparison) -> None:
    ranked = grid.rank()
    assert ranked[f"validation_{METRIC}"].is_monotonic_increasing
    assert len(ranked) == 2  # failures have no rank


def test_finished_points_are_not_run_again_and_a_larger_grid_keeps_them(
    grid: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []
    run = trials.train_network

    def count(study: Study, trial: Trial, on_progress: object) -> object:
        trained.append(Path(trial.path).name)
        return run(study, trial)

    monkeypatch.setattr(trials, "train_network", count)
    vary = {"model.convolution": ["gated", "shared"], "model.pooling": ["mean"]}
    config = small_config("train.epochs=2")
    told: list[tuple[int, int]] = []

    def tell(result: TrialResult, n_done: int, n_all: int) -> None:
        told.append((n_done, n_all))

    again = compare(TINY, "energy", vary, out=grid.folder, config=config, on_trial=tell)
    assert trained == ["convolution-shared_pooling-mean_seed-0"]
    assert told == [(1, 2), (2, 2)]
    before = grid.runs[grid.runs["folder"].str.contains("gated_pooling-mean_seed-0")]
    assert again.runs[f"test_{METRIC}"].iloc[0] == before[f"test_{METRIC}"].iloc[0]


def test_a_trial_that_was_interrupted_is_resumed(problem: Problem, tmp_path: Path) -> None:
    config = small_config("train.epochs=4")
    (trial,) = make_grid({"model.pooling": ["mean"]}, [0], config, problem)

    def stop(progress: Progress) -> None:
        if progress.is_epoch_end and progress.epoch == 2:
            raise KeyboardInterrupt

    folder = tmp_path / trial.path
    study = pose_study(problem, tmp_path)
    with study.open([trial]), pytest.raises(KeyboardInterrupt):
        train_network(study, trial, stop)
    assert len(pd.read_csv(folder / "history.csv")) == 2
    begun = pd.read_csv(folder / "history.csv")["seconds"].tolist()
    (result,) = run_grid([trial], problem, tmp_path)
    (whole,) = run_grid([trial], problem, tmp_path / "whole")
    assert result.run is not None
    assert whole.run is not None
    assert result.run.history["seconds"].tolist()[:2] == begun  # these epochs were not done again
    assert result.run.metrics["test"] == whole.run.metrics["test"]


def test_two_processes_give_the_same_as_one(problem: Problem, tmp_path: Path) -> None:
    vary = {"model.pooling": ["mean", "max"], "model.gaussian_start": ["0.0", "9.0"]}
    grid = make_grid(vary, [0], small_config("train.epochs=2"), problem)
    one = run_grid(grid, problem, tmp_path / "one")
    two = run_grid(grid, problem, tmp_path / "two", jobs=2)
    assert [result.trial.path for result in two] == [trial.path for trial in grid]
    for first, second in zip(one, two, strict=True):
        assert first.error == second.error
        if first.run is None or second.run is None:
            assert "Gaussians from 9.0 to 8.0" in second.error
            continue
        assert second.run.metrics["test"]["energy"] == pytest.approx(
            first.run.metrics["test"]["energy"]
        )


def begin_killing(study: Study, trials: list[Trial]) -> Callable[[int], str]:
    def kill_itself(number: int) -> str:
        os.kill(os.getpid(), signal.SIGKILL)
        return ""

    return kill_itself


def test_a_killed_process_is_reported(
    problem: Problem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "_begin_trials", begin_killing)
    grid = make_grid({"model.pooling": ["mean", "max"]}, [0], small_config(), problem)
    with pytest.raises(LostWorkers, match=r"died 3 times.*rerun the command with fewer"):
        run_grid(grid, problem, tmp_path, jobs=2)


def test_a_trial_without_enough_memory_does_not_stop_the_others(
    problem: Problem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trials.train_network

    def fill(study: Study, trial: Trial, on_progress: object) -> object:
        if trial.labels["pooling"] == "mean":
            raise MemoryError("4 TiB")
        return run(study, trial)

    monkeypatch.setattr(trials, "train_network", fill)
    config = small_config("train.epochs=1")
    grid = make_grid({"model.pooling": ["mean", "max"]}, [0], config, problem)
    first, second = run_grid(grid, problem, tmp_path)
    assert "out of memory (4 TiB). Lower train.batch_size" in first.error
    assert second.run is not None


def test_other_settings_in_the_same_place_are_refused_before_anything_runs(
    problem: Problem, tmp_path: Path
) -> None:
    vary = {"model.pooling": ["mean"]}
    run_grid(make_grid(vary, [0], small_config("train.epochs=1"), problem), problem, tmp_path)
    vary = {"model.pooling": ["max", "mean"]}
    other = make_grid(vary, [0], small_config("train.epochs=2"), problem)
    with pytest.raises(BadConfig, match=r"train.epochs: 1 then, 2 now"):
        run_grid(other, problem, tmp_path)
    assert [folder.name for folder in (tmp_path / "runs").iterdir()] == ["pooling-mean_seed-0"]


def test_classes_are_compared_by_accuracy(tmp_path: Path) -> None:
    result = compare(
        TINY,
        "kind",
        ["model.pooling=mean,max"],
        out=tmp_path,
        task="classification",
        config=small_config("train.epochs=1"),
        split="0.7,0.3",
    )
    assert result.metric == "accuracy"
    assert result.rank()["validation_accuracy"].is_monotonic_decreasing
    assert not [name for name in result.runs if str(name).startswith("test_")]
    assert set(result.baselines["baseline"]) == {"most_common", "random"}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "no setting is varied"),
        (["model.pooling"], "write section.key=value,value"),
        (["pooling=mean"], "write section.key=value,value"),
        (["model.pooling=mean,,max"], "write section.key=value,value"),
        (["model.pooling=mean,mean"], "each of its values once"),
        (["model.pooling=mean", "model.pooling=max"], "name each setting once"),
        (["train.seed=0,1"], r"train.seed cannot be varied: give the seeds instead"),
        (["train.split_seed=0,1"], "all trials have one split"),
    ],
)
def test_variations_that_say_nothing_are_refused(texts: list[str], message: str) -> None:
    with pytest.raises(BadConfig, match=message):
        read_variations(texts)


def test_grids_that_cannot_be_run_are_refused(problem: Problem, tmp_path: Path) -> None:
    config, vary = small_config(), {"model.pooling": ["mean"]}
    with pytest.raises(BadConfig, match=r"seeds \[0, 0\]: name at least one, and each once"):
        make_grid(vary, [0, 0], config, problem)
    with pytest.raises(BadConfig, match="jobs = 0; it must be 1 or more"):
        run_grid(make_grid(vary, [0], config, problem), problem, tmp_path, jobs=0)
    unknown = make_grid({"model.poling": ["mean", "max"]}, [0], config, problem)
    with pytest.raises(BadConfig, match=r"none of the 2 combinations is possible: .*'pooling'"):
        run_grid(unknown, problem, tmp_path)
    twice = make_grid(vary, [0], config, problem) * 2
    with pytest.raises(BadConfig, match="'pooling-mean_seed-0' is asked for twice"):
        run_grid(twice, problem, tmp_path)
    several = make_grid(vary, [0], small_config("train.devices=2"), problem)
    with pytest.raises(BadConfig, match="each run of a study is one process"):
        run_grid(several, problem, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_key_of_two_sections_keeps_its_section(problem: Problem) -> None:
    grid = make_grid({"graph.rule": ["nearest"]}, [3], small_config(), problem)
    assert dict(grid[0].labels) == {"rule": "nearest", "seed": 3}
    assert grid[0].config is not None
    assert (grid[0].config.graph.rule, grid[0].config.train.seed) == ("nearest", 3)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.text(min_size=1, max_size=9), st.text(max_size=60), min_size=1, max_size=4)
)
def test_names_of_folders_are_safe(labels: dict[str, str]) -> None:
    name = name_folder(labels)
    assert name == Path(name).name
    assert name not in ("", ".", "..")
    assert len(name) <= LONGEST_NAME + 7
    assert all(sign.isascii() and (sign.isalnum() or sign in "._+-") for sign in name)


def test_values_that_look_alike_in_a_name_are_told_apart() -> None:
    names = [name_folder({"element_vectors": value}) for value in ("a/b", "a b", "a-b", "A-b")]
    assert len({name.lower() for name in names}) == 4
    long = [name_folder({"key": "x" * 200 + end}) for end in "ab"]
    assert long[0] != long[1]


def test_scores_of_baselines_are_those_of_the_test_part(problem: Problem, tmp_path: Path) -> None:
    study, stated = pose_study(problem, tmp_path), list_baselines(problem)
    table = tabulate_baselines(run_trials(study, stated), problem.task)
    labels = problem.labels[:, 0]
    mean = labels[problem.rows("train")].mean()
    expected = np.abs(labels[problem.rows("test")] - mean).mean()
    assert table.loc[table["baseline"] == "mean", f"test_{METRIC}"].item() == pytest.approx(
        expected
    )
