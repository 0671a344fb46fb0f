"""The leaderboard's folds and its file, on a made-up task."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics
from sklearn.model_selection import KFold

from tests.evaluation.conftest import make_dataset
from xtalgraph.data import Dataset
from xtalgraph.errors import BadDataset, UnknownName
from xtalgraph.studies.leaderboard import (
    _score_numbers,
    _score_truth,
    hash_record,
    matbench,
    official_name,
)
from xtalgraph.studies.trials import TrialResult
from xtalgraph.units import Target


@pytest.fixture(scope="module")
def whole() -> Dataset:
    """Sixty crystals with a label each, under ids as matbench gives them."""
    dataset = make_dataset(60)
    ids = np.array([f"mb-made-up-{row:02d}" for row in range(1, 61)], np.dtypes.StringDType())
    columns = dataset.columns.assign(is_metal=dataset.columns["contrast"] > 1.5)
    return replace(dataset, crystals=replace(dataset.crystals, ids=ids), columns=columns)


def read(file: Path) -> dict:
    return json.loads(gzip.decompress(file.read_bytes()))


def test_every_row_is_predicted_in_its_published_fold(whole: Dataset, tmp_path: Path) -> None:
    result = matbench("made_up", whole, target="contrast", model="composition_forest", out=tmp_path)
    assert result.file == tmp_path / "results.json.gz"
    record = read(result.file)
    task = record["tasks"]["matbench_made_up"]
    assert task["dataset_name"] == "matbench_made_up"
    assert (task["@module"], task["@class"]) == ("matbench.task", "MatbenchTask")
    assert (record["@module"], record["@class"]) == ("matbench.bench", "MatbenchBenchmark")
    assert list(task["results"]) == [f"fold_{number}" for number in range(5)]
    splitter = KFold(5, shuffle=True, random_state=18012019)
    values = whole.values(["contrast"])[:, 0]
    for number, (_, test) in enumerate(splitter.split(values)):
        fold = task["results"][f"fold_{number}"]
        assert set(fold) == {"data", "uncertainty", "parameters", "scores"}
        assert list(fold["data"]) == whole.ids[test].tolist()
        error = np.abs(np.array(list(fold["data"].values())) - values[test]).mean()
        assert fold["scores"]["mae"] == pytest.approx(error)
        assert set(fold["scores"]) == {"mae", "rmse", "mape", "max_error"}
        assert fold["parameters"]["model"] == "composition_forest"
    assert "no task of matbench" in result.notes[0]
    assert record["user_metadata"]["notes"] == list(result.notes)


def test_the_hash_is_of_all_the_rest_and_sees_a_change(whole: Dataset, tmp_path: Path) -> None:
    result = matbench("made_up", whole, target="contrast", model="mean", out=tmp_path)
    record = read(result.file)
    stated = record.pop("hash")
    assert hash_record(record) == stated
    record["tasks"]["matbench_made_up"]["results"]["fold_0"]["data"]["mb-made-up-01"] = 0.0
    assert hash_record(record) != stated


def test_classes_are_told_as_probabilities_of_true(whole: Dataset, tmp_path: Path) -> None:
    result = matbench("mp_is_metal", whole, target=None, model="composition_forest", out=tmp_path)
    assert "60 of the 106,113 crystals" in result.notes[0]
    fold = read(result.file)["tasks"]["matbench_mp_is_metal"]["results"]["fold_2"]
    assert set(fold["scores"]) == {"accuracy", "balanced_accuracy", "f1", "rocauc"}
    assert all(isinstance(score, float) for score in fold["scores"].values())
    truth = dict(zip(whole.ids.tolist(), whole.columns["is_metal"], strict=True))
    right = [(answer > 0.5) == truth[id] for id, answer in fold["data"].items()]
    assert fold["scores"]["accuracy"] == pytest.approx(np.mean(right))


def test_published_columns_take_our_names_and_units(whole: Dataset, tmp_path: Path) -> None:
    columns = whole.columns[["contrast"]].rename(columns={"contrast": "log10(K_VRH)"})
    published = replace(whole, columns=columns, targets={"log10(K_VRH)": Target("log10(K_VRH)")})
    result = matbench("log_kvrh", published, model="mean", out=tmp_path)
    assert result.validation.task.targets == (Target("log10_K_VRH", "log10 GPa"),)
    assert (tmp_path / "figures" / "scores_log10_K_VRH.png").is_file()


def test_scores_are_those_that_matbench_takes() -> None:
    random = np.random.default_rng(0)
    true, predicted = random.normal(size=50), random.normal(size=50)
    true[0] = 1e-9  # matbench leaves it out of the relative error
    scores = _score_numbers(true, predicted)
    assert scores["rmse"] == pytest.approx(sklearn_metrics.root_mean_squared_error(true, predicted))
    assert scores["mape"] == pytest.approx(
        sklearn_metrics.mean_absolute_percentage_error(true[1:], predicted[1:])
    )
    classes, probability = (random.random(50) < 0.3).astype(np.int64), random.random(50)
    said = (probability > 0.5).astype(np.int64)
    found = _score_truth(classes, probability)
    for name, function in (
        ("accuracy", sklearn_metrics.accuracy_score),
        ("balanced_accuracy", sklearn_metrics.balanced_accuracy_score),
        ("f1", sklearn_metrics.f1_score),
        ("rocauc", sklearn_metrics.roc_auc_score),
    ):
        assert found[name] == pytest.approx(function(classes, said)), name


def test_it_goes_on_where_it_was(whole: Dataset, tmp_path: Path) -> None:
    def stop(result: TrialResult, n_done: int, n_all: int) -> None:
        if result.trial.labels["fold"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        matbench("x", whole, target="contrast", model="mean", out=tmp_path, on_trial=stop)
    assert not (tmp_path / "results.json.gz").exists()
    done = tmp_path / "mean" / "fold_1" / "metrics.json"
    before = done.stat().st_mtime_ns
    matbench("x", whole, target="contrast", model="mean", out=tmp_path)
    assert done.stat().st_mtime_ns == before
    assert (tmp_path / "results.json.gz").is_file()


def test_a_network_takes_its_validation_part_from_the_training_part(
    whole: Dataset, tmp_path: Path
) -> None:
    from xtalgraph.training import apply_overrides, preset

    small = ["train.epochs=1", "model.atom_width=4", "model.hidden_width=4"]
    config = apply_overrides(preset("default"), small)
    result = matbench("x", whole, target="contrast", out=tmp_path, config=config)
    fold = read(result.file)["tasks"]["matbench_x"]["results"]["fold_0"]
    assert fold["parameters"]["train"]["epochs"] == 1
    split = (tmp_path / "cgcnn" / "fold_0" / "splits.csv").read_text().splitlines()
    parts = dict(line.split(",") for line in split[1:])
    assert {id for id, part in parts.items() if part == "test"} == set(fold["data"])
    assert sum(part == "validation" for part in parts.values()) == 5  # a tenth of 48


def test_what_cannot_be_a_task_is_refused(whole: Dataset, tmp_path: Path) -> None:
    assert official_name("log_gvrh") == official_name("matbench_log_gvrh") == "matbench_log_gvrh"
    with pytest.raises(BadDataset, match="matbench_x is no task of matbench; name the column"):
        matbench("x", whole, out=tmp_path)
    with pytest.raises(UnknownName, match=r"unknown column 'contrasts'\. Did you mean 'contrast'"):
        matbench("x", whole, target="contrasts", out=tmp_path)
    with pytest.raises(BadDataset, match="no column of matbench_log_gvrh"):
        matbench("log_gvrh", whole, out=tmp_path)
    with pytest.raises(BadDataset, match="crystals have no 'gap', first 'mb-made-up-01'"):
        matbench("x", whole, target="gap", out=tmp_path)
    filled = replace(whole, columns=whole.columns.fillna({"kind": "chain"}))
    with pytest.raises(BadDataset, match="has the classes bcc, chain; matbench has only true"):
        matbench("x", filled, target="kind", out=tmp_path)
    assert list(tmp_path.iterdir()) == []
