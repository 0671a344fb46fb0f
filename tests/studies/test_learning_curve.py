"""Test error over the number of training crystals: nested parts, one test set, honest slopes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from tests.training.tiny import make_tiny, small_config
from xtalgraph.errors import BadConfig
from xtalgraph.report.figures import DFT_AGAINST_EXPERIMENT
from xtalgraph.studies import trials
from xtalgraph.studies.curve import (
    LearningCurve,
    fit_slopes,
    learning_curve,
    order_rows,
)
from xtalgraph.studies.pages import choose_band
from xtalgraph.studies.results import as_errors
from xtalgraph.training.problem import pose_problem
from xtalgraph.units import Target

TINY = make_tiny()
METRIC = "test_mean_absolute_error"


@pytest.fixture(scope="module")
def curve(tmp_path_factory: pytest.TempPathFactory) -> LearningCurve:
    config = small_config("train.epochs=2")
    out = tmp_path_factory.mktemp("curve")
    return learning_curve(TINY, "energy", (8, 24), out=out, config=config, seeds=(0, 1))


def read_part(curve: LearningCurve, name: str, part: str) -> set[str]:
    split = pd.read_csv(curve.folder / "runs" / name / "splits.csv")
    return set(split.loc[split["part"] == part, "id"])


def test_training_parts_are_nested_and_the_other_parts_are_the_same(curve: LearningCurve) -> None:
    names = [result.folder.name for result in curve.results if result.run is not None]
    assert len(names) == 8
    for part in ("validation", "test"):
        whole = set(TINY.ids[curve.problem.split.part(part)].tolist())
        assert all(read_part(curve, name, part) == whole for name in names)
    for seed in (0, 1):
        small = read_part(curve, f"model-shared_size-8_seed-{seed}", "train")
        large = read_part(curve, f"model-shared_size-24_seed-{seed}", "train")
        assert len(small) == 8
        assert len(large) == 24
        assert small < large
        assert large == read_part(curve, f"model-gated_size-24_seed-{seed}", "train")
    first, second = (
        read_part(curve, f"model-gated_size-8_seed-{seed}", "train") for seed in (0, 1)
    )
    assert first != second


def test_the_table_has_networks_and_baselines_of_the_same_crystals(curve: LearningCurve) -> None:
    models = ["shared", "gated", "mean", "composition_forest"]
    assert curve.runs["model"].drop_duplicates().tolist() == models
    assert set(curve.runs["n_train"]) == {8, 24}
    assert len(curve.results) == 16
    for result in curve.results:
        assert result.metrics is not None
        row = curve.runs[curve.runs["folder"] == f"runs/{result.folder.name}"]
        assert row[METRIC].item() == result.metrics["test"]["energy"]["mean_absolute_error"]
    parts = curve.results[0].trial.parts  # 8 crystals of seed 0
    mean = curve.runs.query("model == 'mean' and size == 8 and seed == 0")[METRIC].item()
    labels = TINY.values(["energy"])[:, 0]
    error = np.abs(labels[parts["test"]] - labels[parts["train"]].mean()).mean()
    assert mean == pytest.approx(error)
    assert curve.summary["n_seeds"].tolist() == [2] * 8


def test_small_sizes_have_more_epochs(curve: LearningCurve) -> None:
    epochs = curve.runs.dropna(subset=["epochs"]).groupby("size")["epochs"].unique()
    assert epochs[24].tolist() == [2]  # three batches of eight
    assert epochs[8].tolist() == [6]  # as many steps; less than the four times that are allowed


def test_the_page_shows_the_curve_and_how_to_repeat_it(curve: LearningCurve) -> None:
    page = (curve.folder / "report.html").read_text()
    assert "--sizes 8,24" in page
    assert "--convolutions shared,gated" in page
    assert (curve.folder / "figures" / "learning_curve_energy.svg").is_file()
    assert "DFT against experiment" not in page


def test_it_is_not_done_again(curve: LearningCurve, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise AssertionError("a finished run was run again")

    monkeypatch.setattr(trials, "train_network", fail)
    again = learning_curve(
        TINY,
        "energy",
        (24,),
        out=curve.folder,
        config=small_config("train.epochs=2"),
        seeds=(1,),
        convolutions=("gated",),
    )
    name = "runs/model-gated_size-24_seed-1"
    before = curve.runs.loc[curve.runs["folder"] == name, METRIC].item()
    assert again.runs.loc[again.runs["folder"] == name, METRIC].item() == before


def test_classes_are_all_in_the_smallest_part(tmp_path: Path) -> None:
    config = small_config("train.epochs=1")
    result = learning_curve(
        TINY,
        "trio",
        (3, 12),
        out=tmp_path,
        task="classification",
        config=config,
        seeds=range(3),
        convolutions=(),
        epoch_factor=1.0,
    )
    assert result.n_failed == 0
    assert set(result.runs["model"]) == {"cgcnn", "most_common", "composition_forest"}
    assert set(result.runs["epochs"].dropna()) == {1}


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(["energy", "gap", "kind", "trio"]))
def test_orders_are_permutations_of_the_labelled_training_rows(seed: int, target: str) -> None:
    kind = "regression" if target in TINY.targets else "classification"
    problem = pose_problem(TINY, target, kind)
    rows = order_rows(problem, seed)
    np.testing.assert_array_equal(np.sort(rows), problem.rows("train"))
    np.testing.assert_array_equal(rows, order_rows(problem, seed))
    n_classes = len(problem.task.classes)
    assert len(set(problem.labels[rows[:n_classes]].tolist())) == n_classes


def test_the_power_of_a_known_law_is_found() -> None:
    sizes = np.array([10, 100, 1000])
    rows = {"model": "m", "target": "t", "size": sizes, METRIC: 3.0 * sizes**-0.5}
    alone = pd.DataFrame({"model": "one", "target": "t", "size": [10], METRIC: [1.0]})
    slopes = fit_slopes(pd.concat([pd.DataFrame(rows), alone]), METRIC, 100)
    assert slopes["model"].tolist() == ["m"]  # one size has no slope
    assert slopes["power"].item() == pytest.approx(-0.5)
    accuracies = pd.Series([0.5, 0.99, 1.0])
    assert as_errors(accuracies, "test_accuracy", 50).tolist() == pytest.approx([0.5, 0.01, 0.01])


def test_the_band_is_drawn_for_formation_energies_alone() -> None:
    for name in ("formation_energy_per_atom", "formation_energy"):
        assert choose_band(Target(name, "eV/atom", "atom")) == DFT_AGAINST_EXPERIMENT
        assert choose_band(Target(name, "kJ/mol")) is None  # the band is in eV/atom
    assert choose_band(Target("energy_above_hull", "eV/atom", "atom")) is None


@pytest.mark.parametrize(
    ("sizes", "seeds", "message"),
    [
        ((8, 25), (0,), "has 24 labelled crystals, so sizes from 2 to 24 can be had"),
        ((1, 8), (0,), "sizes from 2 to 24"),
        ((8, 8), (0,), r"sizes \[8, 8\]: name at least one, each once"),
        ((), (0,), r"sizes \[\]"),
        ((8,), (-1,), r"seeds \[-1\]: .*none below 0"),
    ],
)
def test_sizes_that_cannot_be_had_are_refused(
    sizes: tuple[int, ...], seeds: tuple[int, ...], message: str, tmp_path: Path
) -> None:
    with pytest.raises(BadConfig, match=message):
        learning_curve(TINY, "energy", sizes, out=tmp_path, config=small_config(), seeds=seeds)
    assert list(tmp_path.iterdir()) == []


def test_a_curve_without_test_part_or_with_fewer_epochs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="test set of the split is empty"):
        learning_curve(TINY, "energy", (8,), out=tmp_path, split="0.8,0.2")
    with pytest.raises(BadConfig, match=r"epoch_factor = 0\.5; it must be 1 or more"):
        learning_curve(TINY, "energy", (8,), out=tmp_path, epoch_factor=0.5)
