"""Folds that do not leak, matbench's own among them, and a cross-validation that goes on."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sklearn.model_selection import KFold, StratifiedKFold

from tests.evaluation.conftest import make_dataset
from xtalgraph.data import Dataset
from xtalgraph.data.groups import find_groups
from xtalgraph.errors import BadConfig, BadDataset, UnknownName
from xtalgraph.evaluation.labels import choose_task, guess_task, keep_common_classes
from xtalgraph.studies import TrialResult, trials
from xtalgraph.studies.crossval import cross_validate
from xtalgraph.studies.folds import (
    Fold,
    cut_validation,
    make_folds,
    matbench_folds,
    refuse_leaks,
)


@pytest.mark.parametrize(("name", "kind"), [("contrast", "regression"), ("kind", "classification")])
def test_folds_of_matbench_are_those_of_scikit_learn(name: str, kind: str) -> None:
    dataset = make_dataset(57)
    if kind == "classification":
        columns = dataset.columns.fillna({"kind": "chain"})
        dataset = replace(dataset, columns=columns)
    task = choose_task(dataset, [name], kind)
    splitter = KFold if kind == "regression" else StratifiedKFold
    labels = dataset.columns[name].to_numpy()
    expected = splitter(5, shuffle=True, random_state=18012019).split(labels, labels)
    for fold, (train, test) in zip(matbench_folds(dataset, task), expected, strict=True):
        np.testing.assert_array_equal(fold.train, train)
        np.testing.assert_array_equal(fold.test, test)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(40, 90),
    st.integers(2, 4),
    st.integers(0, 99),
    st.sampled_from([None, "formula"]),
    st.sampled_from(["contrast", "gap", "kind"]),
)
def test_every_labelled_row_is_tested_once_and_no_group_is_on_both_sides(
    n_crystals: int, n_folds: int, seed: int, group: str | None, name: str
) -> None:
    dataset = make_dataset(n_crystals, seed=3)
    task = choose_task(dataset, [name], "classification" if name == "kind" else "regression")
    folds = make_folds(dataset, task, n_folds=n_folds, seed=seed, group=group)
    labelled = np.flatnonzero(dataset.columns[name].notna())
    tested = np.concatenate([fold.test for fold in folds])
    np.testing.assert_array_equal(np.sort(tested), labelled)
    groups = find_groups(dataset, group) if group else np.arange(n_crystals)
    for fold in folds:
        assert len(fold.test) > 0
        assert not set(groups[fold.train]) & set(groups[fold.test])
        learned, validation = cut_validation(fold, seed=seed, groups=groups if group else None)
        assert len(learned) > 0 < len(validation)
        assert not set(groups[learned]) & set(groups[validation])
        np.testing.assert_array_equal(np.sort(np.append(learned, validation)), np.sort(fold.train))


def test_a_planted_leak_is_caught() -> None:
    clean = [Fold(np.array([2, 3]), np.array([0, 1])), Fold(np.array([0, 1]), np.array([2, 3]))]
    refuse_leaks(clean, np.array([0, 0, 1, 1]))
    row = [Fold(np.array([1, 2, 3]), np.array([0, 1])), clean[1]]
    with pytest.raises(BadDataset, match=r"fold 0: row 1 \(and 0 more\) is on both sides"):
        refuse_leaks(row)
    with pytest.raises(BadDataset, match=r"fold 0: group 7 \(and 0 more\) is on both sides"):
        refuse_leaks(clean, np.array([0, 7, 7, 1]))
    with pytest.raises(BadDataset, match="tested in two folds"):
        refuse_leaks([clean[0], clean[0]])


def test_folds_that_cannot_be_made_are_refused(dataset: Dataset) -> None:
    task = choose_task(dataset, ["contrast"])
    with pytest.raises(BadConfig, match="folds = 1; it must be 2 or more"):
        make_folds(dataset, task, n_folds=1)
    whole = replace(dataset, columns=dataset.columns.fillna({"kind": "chain"}))
    with pytest.raises(BadDataset, match="2 groups cannot fill 3 folds"):
        make_folds(whole, task, n_folds=3, group="kind")
    with pytest.raises(BadDataset, match="120 labelled crystals cannot fill 121 folds"):
        make_folds(dataset, task, n_folds=121)
    columns = dataset.columns.copy()
    columns.loc[:2, "kind"] = "rare"
    rare = replace(dataset, columns=columns)
    kinds = choose_task(rare, ["kind"], "classification")
    with pytest.raises(BadDataset, match="class 'rare' has 3 crystals, too few for 5 folds"):
        make_folds(rare, kinds)
    with pytest.raises(BadDataset, match="training rows of a fold are one group"):
        cut_validation(Fold(np.arange(3), np.arange(3, 5)), groups=np.zeros(5, dtype=np.int64))


def test_models_are_scored_on_the_same_folds_and_a_page_is_left(
    dataset: Dataset, tmp_path: Path
) -> None:
    told: list[tuple[object, ...]] = []

    def tell(result: TrialResult, n_done: int, n_all: int) -> None:
        told.append((*result.trial.labels.values(), n_done, n_all))

    result = cross_validate(
        dataset,
        ["kind"],
        ["most_common", "random", "composition_forest"],
        task="classification",
        n_folds=3,
        group="formula",
        out=tmp_path,
        on_trial=tell,
    )
    assert told[:4] == [
        ("most_common", 0, 1, 9),
        ("most_common", 1, 2, 9),
        ("most_common", 2, 3, 9),
        ("random", 0, 4, 9),
    ]
    summary = result.summary()
    assert summary["model"].tolist() == ["most_common", "random", "composition_forest"]
    of_first = result.scores[result.scores["model"] == "most_common"]["accuracy"]
    assert summary["accuracy"][0] == pytest.approx(of_first.mean())
    assert summary["standard_deviation"][0] == pytest.approx(of_first.std(ddof=1))
    assert (tmp_path / "report.html").is_file()
    assert (tmp_path / "figures" / "scores_kind.svg").is_file()
    written = json.loads((tmp_path / "random" / "fold_2" / "metrics.json").read_text())
    assert written["n_test"] == len(result.folds[2].test)


def test_it_goes_on_where_it_was_and_does_no_fold_twice(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = (dataset, ["contrast"], ["mean", "composition_forest"])
    whole = cross_validate(*arguments, n_folds=3, out=tmp_path / "whole")
    made: list[str] = []
    make = trials.make_baseline

    def count(name: str, *, seed: int = 0, kind: str | None = None) -> object:
        baseline = make(name, seed=seed, kind=kind)
        fit = baseline.fit

        def fit_or_stop(*rest: object) -> None:
            if made == ["mean", "mean", "mean", "composition_forest"]:
                made.append("stopped")
                raise KeyboardInterrupt
            made.append(name)
            fit(*rest)

        baseline.fit = fit_or_stop
        return baseline

    monkeypatch.setattr(trials, "make_baseline", count)
    with pytest.raises(KeyboardInterrupt):
        cross_validate(*arguments, n_folds=3, out=tmp_path / "broken")
    again = cross_validate(*arguments, n_folds=3, out=tmp_path / "broken")
    assert made[4:] == ["stopped", "composition_forest", "composition_forest"]
    same = [name for name in again.scores if name != "seconds"]
    assert again.scores[same].equals(whole.scores[same])


def test_other_data_or_folds_in_the_same_folder_are_refused(
    dataset: Dataset, tmp_path: Path
) -> None:
    cross_validate(dataset, ["contrast"], ["mean"], n_folds=3, out=tmp_path)
    with pytest.raises(BadConfig, match=r"begun with other settings or data(.|\n)*splits: "):
        cross_validate(dataset, ["contrast"], ["mean"], n_folds=3, seed=1, out=tmp_path)
    other = replace(dataset, checksum="1" * 64)
    with pytest.raises(BadConfig, match=r"data.checksum: "):
        cross_validate(other, ["contrast"], ["mean"], n_folds=3, out=tmp_path)


def test_models_that_do_not_exist_or_do_not_fit_are_refused(
    dataset: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(UnknownName, match=r"unknown model 'cgcn'\. Did you mean 'cgcnn'"):
        cross_validate(dataset, ["contrast"], ["mean", "cgcn"], out=tmp_path)
    with pytest.raises(BadConfig, match="'random' cannot do regression"):
        cross_validate(dataset, ["contrast"], ["random"], out=tmp_path)
    with pytest.raises(BadConfig, match="name at least one, and each once"):
        cross_validate(dataset, ["contrast"], ["mean", "mean"], out=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_network_takes_part(dataset: Dataset, tmp_path: Path) -> None:
    from xtalgraph.training import apply_overrides, preset

    small = ["train.epochs=2", "model.atom_width=8", "model.hidden_width=8"]
    config = apply_overrides(preset("default"), small)
    result = cross_validate(
        dataset, ["gap"], ["mean", "cgcnn"], n_folds=2, out=tmp_path, config=config
    )
    assert result.summary()["n_folds"].tolist() == [2, 2]
    page = (tmp_path / "report.html").read_text()
    assert "--models mean,cgcnn" in page
    assert "--folds 2 --seed 0 --config" in page.replace(" \\\n   ", "")
    assert "atom_width = 8" in page
    split = (tmp_path / "cgcnn" / "fold_1" / "splits.csv").read_text()
    tested = {line.split(",")[0] for line in split.splitlines() if line.endswith(",test")}
    assert tested == {str(id) for id in dataset.ids[result.folds[1].test]}


def test_each_network_is_the_one_that_is_named(dataset: Dataset, tmp_path: Path) -> None:
    """Also where the settings are of another: they have its graph and training."""
    from xtalgraph.nn import read_model
    from xtalgraph.training import apply_overrides, preset

    small = ["model.kind=residual", "train.epochs=1", "model.atom_width=8", "graph.n_neighbours=6"]
    config = apply_overrides(preset("default"), small)
    names = ["residual", "cgcnn"]
    cross_validate(dataset, ["gap"], names, n_folds=2, out=tmp_path, config=config)
    models = {name: read_model(tmp_path / name / "fold_0") for name in names}
    assert type(models["residual"].network).__name__ == "ResidualNetwork"
    assert type(models["cgcnn"].network).__name__ == "Cgcnn"
    assert models["residual"].model_config.atom_width == 8
    assert models["cgcnn"].graph_config.n_neighbours == 6
    assert "cgcnn: the default network settings" in (tmp_path / "report.html").read_text()


def test_a_leak_planted_in_given_folds_stops_it_before_any_work(
    dataset: Dataset, tmp_path: Path
) -> None:
    task = choose_task(dataset, ["contrast"])
    folds = make_folds(dataset, task, n_folds=3)
    leaky = [Fold(np.append(folds[0].train, folds[0].test[:1]), folds[0].test), *folds[1:]]
    with pytest.raises(BadDataset, match=r"fold 0: row \d+ \(and 0 more\) is on both sides"):
        cross_validate(dataset, ["contrast"], ["mean"], folds=leaky, out=tmp_path / "rows")
    with pytest.raises(BadDataset, match=r"fold 0: group \d+ .* is on both sides"):
        cross_validate(
            dataset, ["contrast"], ["mean"], folds=folds, group="formula", out=tmp_path / "groups"
        )
    assert list(tmp_path.iterdir()) == []


def test_rare_classes_are_left_out_and_told(dataset: Dataset, tmp_path: Path) -> None:
    columns = dataset.columns.copy()
    columns.loc[[0, 1, 2, 3], "kind"] = "rare"
    rare = replace(dataset, columns=columns)
    kept, left_out = keep_common_classes(rare, "kind", 5)
    assert left_out == {"rare": 4}
    assert set(kept.labels("kind")) == {"bcc", "chain", None}
    result = cross_validate(
        rare,
        ["kind"],
        ["most_common"],
        task="classification",
        n_folds=3,
        min_class_size=5,
        out=tmp_path,
    )
    assert result.task.classes == ("bcc", "chain")
    n_tested = sum(len(fold.test) for fold in result.folds)
    assert n_tested == rare.columns["kind"].notna().sum() - 4
    page = (tmp_path / "report.html").read_text()
    assert "1 classes with too few crystals were left out, 4 crystals in all." in page
    with pytest.raises(BadDataset, match="0 classes of 'kind' have at least 500 crystals"):
        keep_common_classes(rare, "kind", 500)


def test_the_validation_part_takes_a_tenth_of_each_class() -> None:
    classes = np.repeat([0, 1, 2], [60, 40, 3]).astype(np.int64)
    fold = Fold(np.arange(103), np.arange(103, 105))
    learned, validation = cut_validation(fold, classes=np.append(classes, [0, 1]))
    assert np.bincount(classes[validation], minlength=3).tolist() == [6, 4, 0]
    assert set(learned) | set(validation) == set(range(103))
    tiny = Fold(np.array([0, 1, 2]), np.array([3]))
    _, validation = cut_validation(tiny, classes=np.array([0, 0, 1, 1]))
    assert len(validation) == 1
    assert validation[0] in (0, 1)


def test_predictions_of_all_folds_come_back_with_their_classes(tmp_path: Path) -> None:
    """True and false are classes: pandas must not read them as truths."""
    dataset = make_dataset(40)
    dataset = replace(
        dataset, columns=dataset.columns.assign(is_big=dataset.columns["contrast"] > 1.5)
    )
    result = cross_validate(
        dataset, ["is_big"], ["most_common"], task="classification", n_folds=2, out=tmp_path
    )
    table = result.predictions("most_common")
    assert set(table["is_big true"]) == {"true", "false"}
    assert sorted(table["id"]) == sorted(dataset.ids.tolist())
    assert (tmp_path / "figures" / "roc.png").is_file()


def test_the_kind_of_task_follows_from_the_column(dataset: Dataset) -> None:
    assert guess_task(dataset, ["gap"]) == guess_task(dataset, ["gap", "contrast"]) == "regression"
    assert guess_task(dataset, ["kind"]) == "classification"
    assert guess_task(dataset, ["crystal_system"]) == "classification"
