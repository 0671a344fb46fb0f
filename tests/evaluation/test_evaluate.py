"""Scores of a saved model, and what stands beside them."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from tests.evaluation.conftest import make_dataset
from xtalgraph import metrics
from xtalgraph.data import Dataset
from xtalgraph.data.splits import Split, make_split, write_split
from xtalgraph.errors import BadConfig, BadCrystal, BadDataset, Rejected, UnknownName
from xtalgraph.evaluation import evaluate
from xtalgraph.evaluation.baselines import BASELINES, BaselineEntry
from xtalgraph.evaluation.labels import choose_task, read_labels
from xtalgraph.graphs import GraphConfig
from xtalgraph.nn import CgcnnConfig, Normaliser, SavedModel, Task, save_model
from xtalgraph.nn.cgcnn import Cgcnn
from xtalgraph.prediction import load_model
from xtalgraph.structures.crystal import Crystal, CrystalStore
from xtalgraph.studies import cross_validate
from xtalgraph.units import Target


def save_untrained(folder: Path, dataset: Dataset, names: list[str], kind: str) -> Split:
    """Make what a run leaves: a model with random weights, and its split."""
    task = choose_task(dataset, names, kind)
    split = make_split(dataset, "0.6,0.2,0.2", seed=1)
    normaliser = None
    if kind == "regression":
        normaliser = Normaliser.fit(dataset.values(names)[split.train], names)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = CgcnnConfig(atom_width=8, hidden_width=8, n_convolutions=1)
        network = Cgcnn(config, task.n_outputs).eval()
    origin = {"data_checksum": dataset.checksum}
    saved = SavedModel(network, config, GraphConfig(), task, normaliser, (), origin)
    save_model(saved, folder)
    write_split(folder / "splits.csv", dataset, split)
    return split


@pytest.fixture(scope="module")
def gap_run(tmp_path_factory, dataset: Dataset) -> tuple[Path, Split]:
    folder = tmp_path_factory.mktemp("gap")
    return folder, save_untrained(folder, dataset, ["gap", "contrast"], "regression")


@pytest.fixture(scope="module")
def kind_run(tmp_path_factory, dataset: Dataset) -> tuple[Path, Split]:
    folder = tmp_path_factory.mktemp("kind")
    return folder, save_untrained(folder, dataset, ["kind"], "classification")


def test_scores_are_those_of_the_predictions_of_the_test_part(dataset: Dataset, gap_run) -> None:
    folder, split = gap_run
    result = evaluate(folder, dataset)
    np.testing.assert_array_equal(result.rows, split.test)
    predicted = load_model(folder).predict(dataset.crystals.take(split.test)).values
    true = dataset.values(["gap", "contrast"])[split.test]
    for number, name in enumerate(("gap", "contrast")):
        expected = metrics.regression_metrics(true[:, number], predicted[:, number])
        assert result.metrics[name] == expected
    assert result.metrics["gap"]["n_missing"] == np.isnan(true[:, 0]).sum() > 0
    header = ["id", "gap true [eV]", "gap predicted [eV]", "contrast true", "contrast predicted"]
    assert list(result.predictions) == header
    np.testing.assert_array_equal(result.predictions["gap predicted [eV]"], predicted[:, 0])
    assert result.predictions["id"].tolist() == dataset.ids[split.test].tolist()


def test_baselines_know_the_training_part_alone(dataset: Dataset, gap_run) -> None:
    folder, split = gap_run
    result = evaluate(folder, dataset)
    true = dataset.values(["gap"])[:, 0]
    for name, take in (("mean", np.nanmean), ("median", np.nanmedian)):
        constant = take(true[split.train])
        expected = np.nanmean(np.abs(true[split.test] - constant))
        assert result.baselines[name]["gap"]["mean_absolute_error"] == pytest.approx(expected)
    columns = dataset.columns.copy()
    columns.loc[split.test, "contrast"] += 7.0  # another truth of the test set
    moved = replace(dataset, columns=columns)
    again = evaluate(folder, moved, baselines=("mean", "composition_forest"))
    assert list(again.baselines) == ["mean", "composition_forest"]
    for name in again.baselines:
        error = again.baselines[name]["contrast"]["mean_absolute_error"]
        assert error > 4, f"{name} has seen the test set"


def test_a_baseline_from_outside_is_evaluated_and_cross_validated(
    dataset: Dataset, gap_run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = BaselineEntry(lambda settings: Zero(), "zero", ("regression",), is_trivial=True)
    monkeypatch.setitem(BASELINES._entries, "zero", entry)  # as BASELINES.add, and away again
    assert "zero" in list(BASELINES)
    folder, split = gap_run
    errors = np.abs(dataset.values(["contrast"])[split.test, 0])
    for names in (None, ("zero",)):
        result = evaluate(folder, dataset, baselines=names).baselines["zero"]["contrast"]
        assert result["mean_absolute_error"] == pytest.approx(errors.mean())
    scores = cross_validate(dataset, ["contrast"], ["mean", "zero"], n_folds=2, out=tmp_path).scores
    assert scores["model"].tolist() == 2 * ["mean"] + 2 * ["zero"]
    with pytest.raises(BadConfig, match="'zero' cannot do classification"):
        cross_validate(dataset, ["kind"], ["zero"], task="classification", out=tmp_path / "kind")


class Zero:
    """A baseline that predicts zero of everything."""

    settings: ClassVar[dict[str, int | float | str]] = {}

    def fit(self, dataset: Dataset, rows: np.ndarray, task: Task) -> None:
        self.n_outputs = task.n_outputs

    def predict(self, dataset: Dataset, rows: np.ndarray) -> np.ndarray:
        return np.zeros((len(rows), self.n_outputs))

    def state(self) -> dict[str, np.ndarray]:
        return {}

    def restore(self, state: dict[str, np.ndarray], task: Task) -> None:
        self.n_outputs = task.n_outputs


def test_the_table_has_a_row_for_each_model_and_target(dataset: Dataset, gap_run) -> None:
    table = evaluate(gap_run[0], dataset).table()
    assert table["model"].tolist() == 2 * ["this model"] + 2 * ["mean"] + 2 * ["median"]
    assert table["target"].tolist()[:2] == ["gap [eV]", "contrast"]


def test_classification_scores_and_their_table(dataset: Dataset, kind_run) -> None:
    folder, split = kind_run
    result = evaluate(folder, dataset)
    task = choose_task(dataset, ["kind"], "classification")
    labels = read_labels(dataset, task, split.test)
    np.testing.assert_array_equal(result.rows, split.test[labels >= 0])
    assert set(result.baselines) == {"most_common", "random"}
    most_common = np.bincount(read_labels(dataset, task, split.train) + 1)[1:].argmax()
    expected = (labels[labels >= 0] == most_common).mean()
    assert result.baselines["most_common"]["kind"]["accuracy"] == pytest.approx(expected)
    table = result.predictions
    assert list(table)[1:3] == ["kind true", "kind predicted"]
    assert table["kind true"].tolist() == dataset.labels("kind")[result.rows].tolist()
    assert any("rows without a label" in note for note in result.notes)
    assert result.to_json()["metrics"]["kind"]["n_missing"] == 0


def test_all_rows_say_how_many_the_model_has_seen(dataset: Dataset, gap_run) -> None:
    folder, split = gap_run
    result = evaluate(folder, dataset, part="all")
    assert len(result.rows) == 120
    assert f"{len(split.train)} of the 120 crystals are in the training set." in result.notes
    assert not evaluate(folder, dataset).notes


def test_other_data_are_scored_against_the_mean_of_the_models_own_labels(gap_run) -> None:
    other = make_dataset(30, seed=9)
    other = replace(other, crystals=replace(other.crystals, ids=other.crystals.ids + "x"))
    result = evaluate(gap_run[0], other, part="all")
    assert list(result.baselines) == ["mean"]
    constant = load_model(gap_run[0]).saved.normaliser.mean[1]
    true = other.values(["contrast"])[:, 0]
    error = result.baselines["mean"]["contrast"]["mean_absolute_error"]
    assert error == pytest.approx(np.abs(true - constant).mean())
    with pytest.raises(BadDataset, match="To score all crystals of other data: --split all"):
        evaluate(gap_run[0], other)


def test_given_rows_and_a_given_split(dataset: Dataset, gap_run) -> None:
    predictor = load_model(gap_run[0])
    rows = np.array([4, 2, 9])
    result = evaluate(predictor, dataset, rows=rows)
    assert result.part == "given"
    np.testing.assert_array_equal(result.rows, rows)
    assert result.notes == ("The model was trained on crystals of this data set.",)
    split = make_split(dataset, "0.5,0.25,0.25", seed=3)
    np.testing.assert_array_equal(evaluate(predictor, dataset, split=split).rows, split.test)
    with pytest.raises(BadDataset, match="the test set is not known for a loaded model"):
        evaluate(predictor, dataset)


def test_a_crystal_that_cannot_be_predicted_is_refused_or_left_out_and_counted(gap_run) -> None:
    small = make_dataset(20)
    far = Crystal(30 * np.eye(3), [[0, 0, 0]], [8], id="far")
    store = CrystalStore.from_crystals([*list(small.crystals)[:19], far])
    dataset = replace(small, crystals=store)
    with pytest.raises(BadCrystal, match="far"):
        evaluate(gap_run[0], dataset, part="all")
    rejected: list[Rejected] = []
    result = evaluate(gap_run[0], dataset, part="all", rejected=rejected)
    assert [row.id for row in rejected] == ["far"] == [row.id for row in result.rejected]
    assert len(result.rows) == len(result.predicted) == 19
    assert "1 crystals could not be predicted and were left out." in result.notes


def test_what_cannot_be_scored_is_refused_with_a_reason(
    dataset: Dataset, gap_run, tmp_path
) -> None:
    folder, _ = gap_run
    with pytest.raises(UnknownName, match=r"unknown part 'tests'\. Did you mean 'test'"):
        evaluate(folder, dataset, part="tests")
    wrong = replace(dataset, targets=dataset.targets | {"gap": Target("gap", "J")})
    with pytest.raises(BadDataset, match="'gap' is in J, but the model predicts eV"):
        evaluate(folder, wrong)
    columns = dataset.columns.copy()
    columns[["gap", "contrast"]] = np.nan
    with pytest.raises(BadDataset, match="none of the 24 rows to score has a label of gap"):
        evaluate(folder, replace(dataset, columns=columns))
    alone = tmp_path / "alone"
    save_model(load_model(folder).saved, alone)
    with pytest.raises(BadDataset, match=r"splits.csv does not exist.*--split all"):
        evaluate(alone, dataset)
    split = Split(np.arange(100), np.arange(100, 120), np.arange(0))
    with pytest.raises(BadDataset, match="test set of the split is empty"):
        evaluate(folder, dataset, split=split)
