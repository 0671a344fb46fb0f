"""Each baseline learns what it can see, cannot see what it should not, and survives saving."""

import json

import numpy as np
import pytest

from xtalgraph import metrics
from xtalgraph.data import Dataset
from xtalgraph.errors import BadCheckpoint, BadConfig, BadDataset, UnknownName
from xtalgraph.evaluation.baselines import (
    BASELINES,
    Baseline,
    DistanceMlp,
    composition_features,
    make_baseline,
    read_baseline,
    save_baseline,
    trivial_baselines,
)
from xtalgraph.evaluation.distance_table import pad_distances, shortest_distances
from xtalgraph.evaluation.labels import choose_task, read_labels
from xtalgraph.structures.crystal import Crystal, CrystalStore

TRAIN, TEST = np.arange(0, 80), np.arange(80, 120)
NUMBERS = ["mean", "median", "composition_forest", "composition_boosting", "distance_mlp"]
CLASSES = ["most_common", "random", "composition_forest", "composition_boosting", "distance_mlp"]


def quick(name: str, seed: int = 0) -> Baseline:
    """The baseline, with fewer epochs where it has epochs."""
    return DistanceMlp(seed=seed, epochs=40) if name == "distance_mlp" else make_baseline(name)


@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, "regression") for name in NUMBERS] + [(name, "classification") for name in CLASSES],
)
def test_every_baseline_fits_predicts_and_is_the_same_after_saving(
    dataset: Dataset, tmp_path, name: str, kind: str
) -> None:
    task = choose_task(dataset, ["gap", "contrast"] if kind == "regression" else ["kind"], kind)
    baseline = quick(name)
    assert isinstance(baseline, Baseline)
    baseline.fit(dataset, TRAIN, task)
    predicted = baseline.predict(dataset, TEST)
    assert predicted.shape == (len(TEST), task.n_outputs)
    assert np.isfinite(predicted).all()
    if kind == "classification":
        np.testing.assert_allclose(predicted.sum(axis=1), 1)
    again, task_again = read_baseline(save_baseline(name, baseline, task, tmp_path))
    assert task_again == task
    np.testing.assert_array_equal(again.predict(dataset, TEST), predicted)
    order = np.arange(len(TEST))[::-1]
    np.testing.assert_allclose(baseline.predict(dataset, TEST[order]), predicted[order], rtol=1e-5)


@pytest.mark.parametrize("name", ["composition_forest", "composition_boosting", "distance_mlp"])
def test_labels_of_other_rows_change_nothing(dataset: Dataset, name: str) -> None:
    """The negative twin is in the second half: a label of a training row does."""
    task = choose_task(dataset, ["gap"])
    answers = []
    for row in (None, TEST[3], TRAIN[3]):
        columns = dataset.columns.copy()
        if row is not None:
            columns.loc[row, "gap"] = 500.0
        changed = Dataset("x", dataset.crystals, columns, dataset.targets, "x", "")
        baseline = quick(name)
        baseline.fit(changed, TRAIN, task)
        answers.append(baseline.predict(changed, TEST))
    np.testing.assert_array_equal(answers[0], answers[1])
    assert not np.allclose(answers[0], answers[2])


def test_constants_are_those_of_labelled_training_rows(dataset: Dataset) -> None:
    task = choose_task(dataset, ["gap"])
    known = dataset.columns["gap"].to_numpy()[TRAIN]
    for name, expected in (("mean", np.nanmean(known)), ("median", np.nanmedian(known))):
        baseline = make_baseline(name)
        baseline.fit(dataset, TRAIN, task)
        np.testing.assert_allclose(baseline.predict(dataset, TEST), expected)


def test_class_shares_and_draws(dataset: Dataset) -> None:
    task = choose_task(dataset, ["kind"], "classification")
    labels = read_labels(dataset, task, np.arange(120))
    shares = np.bincount(labels[TRAIN][labels[TRAIN] >= 0]) / (labels[TRAIN] >= 0).sum()
    answers = {}
    for name, baseline in trivial_baselines(task, seed=4).items():
        baseline.fit(dataset, TRAIN, task)
        answers[name] = baseline.predict(dataset, np.arange(120))
    np.testing.assert_allclose(answers["most_common"], np.tile(shares, (120, 1)))
    drawn = answers["random"].mean(axis=0)
    np.testing.assert_allclose(drawn, shares, atol=0.12)
    assert set(np.unique(answers["random"])) == {0.0, 1.0}
    other = make_baseline("random", seed=5)
    other.fit(dataset, TRAIN, task)
    assert not np.array_equal(other.predict(dataset, np.arange(120)), answers["random"])


def test_composition_sees_elements_and_distances_see_geometry(dataset: Dataset) -> None:
    """What one of the two cannot see it predicts no better than the median does."""

    def error(name: str, target: str) -> float:
        task = choose_task(dataset, [target])
        baseline = quick(name)
        baseline.fit(dataset, TRAIN, task)
        true = read_labels(dataset, task, TEST)[:, 0]
        return metrics.mean_absolute_error(true, baseline.predict(dataset, TEST)[:, 0])

    assert error("composition_forest", "contrast") < 0.2 * error("median", "contrast")
    assert error("composition_boosting", "contrast") < 0.5 * error("median", "contrast")
    assert error("composition_forest", "gap") > 0.8 * error("median", "gap")
    assert error("distance_mlp", "gap") < 0.5 * error("median", "gap")
    assert error("distance_mlp", "contrast") > 0.8 * error("median", "contrast")


def test_distances_tell_the_structures_apart(dataset: Dataset) -> None:
    task = choose_task(dataset, ["kind"], "classification")
    true = read_labels(dataset, task, TEST)
    scores = {}
    for name in ("most_common", "distance_mlp"):
        baseline = quick(name)
        baseline.fit(dataset, TRAIN, task)
        scores[name] = metrics.accuracy(true, baseline.predict(dataset, TEST).argmax(axis=1))
    assert scores["distance_mlp"] > 0.9 > scores["most_common"]


def test_composition_features_of_a_known_compound() -> None:
    titanate = Crystal(3.9 * np.eye(3), np.random.default_rng(0).random((5, 3)), [38, 22, 8, 8, 8])
    # 100 is the last element of the table and 101 has no property but its number
    heavy = Crystal(3.9 * np.eye(3), [[0, 0, 0]], [101])
    store = CrystalStore.from_crystals([titanate, heavy, titanate.repeated(2, 1, 1)])
    features, names = composition_features(store)
    of = dict(zip(names, features[0], strict=True))
    numbers = np.array([38, 22, 8, 8, 8])
    assert of["atomic_number mean"] == pytest.approx(numbers.mean())
    assert of["atomic_number deviation"] == pytest.approx(numbers.std())
    assert (of["atomic_number least"], of["atomic_number range"]) == (8, 30)
    assert (of["share of p block"], of["share of d block"], of["n_elements"]) == (0.6, 0.2, 3)
    assert of["norm 2"] == pytest.approx(np.sqrt(0.6**2 + 2 * 0.2**2))
    np.testing.assert_allclose(features[2], features[0], atol=1e-12)
    heavy_of = dict(zip(names, features[1], strict=True))
    assert heavy_of["atomic_number mean"] == 101
    assert np.isnan(heavy_of["electronegativity mean"])


def test_shortest_distances_equal_a_brute_force_list() -> None:
    random = np.random.default_rng(1)
    crystal = Crystal(
        3.2 * np.eye(3) + random.normal(0, 0.2, (3, 3)), random.random((3, 3)), [8] * 3
    )
    shifts = np.array(list(np.ndindex(7, 7, 7))) - 3
    images = shifts @ crystal.lattice
    positions = crystal.cartesian_positions
    vectors = positions[None, :, None] + images - positions[:, None, None]
    lengths = np.sort(np.linalg.norm(vectors, axis=-1).ravel())[3:43]  # 3 atoms see themselves
    found = shortest_distances(CrystalStore.from_crystals([crystal]), 40)[0]
    np.testing.assert_allclose(found, lengths, atol=1e-9)


def test_few_distances_are_filled_with_the_cutoff() -> None:
    lonely = Crystal(7.9 * np.eye(3), [[0, 0, 0]], [2])
    alone = Crystal(20 * np.eye(3), [[0, 0, 0]], [2])
    found = shortest_distances(CrystalStore.from_crystals([lonely, alone, lonely]), 8)
    assert found.round(9).tolist() == [6 * [7.9] + 2 * [8.0], 8 * [8.0], 6 * [7.9] + 2 * [8.0]]
    padded = pad_distances([np.array([3.0, 1.0, 2.0]), np.array([])], 2, 9.0)
    assert padded.tolist() == [[1.0, 2.0], [9.0, 9.0]]


def test_the_seed_decides_and_the_users_random_state_stays(dataset: Dataset) -> None:
    import torch

    task = choose_task(dataset, ["gap"])

    def predict(seed: int) -> np.ndarray:
        baseline = DistanceMlp(seed=seed, epochs=2)
        baseline.fit(dataset, TRAIN, task)
        return baseline.predict(dataset, TEST)

    before = torch.random.get_rng_state()
    first = predict(1)
    assert torch.equal(torch.random.get_rng_state(), before)
    np.testing.assert_array_equal(first, predict(1))
    assert not np.array_equal(first, predict(2))


def test_a_class_without_training_rows_gets_no_probability(dataset: Dataset) -> None:
    columns = dataset.columns.copy()
    columns.loc[TEST[0], "kind"] = "aaa"
    rare = Dataset("x", dataset.crystals, columns, dataset.targets, "x", "")
    task = choose_task(rare, ["kind"], "classification")
    assert task.classes == ("aaa", "bcc", "chain")
    baseline = make_baseline("composition_forest")
    baseline.fit(rare, TRAIN, task)
    assert (baseline.predict(rare, TEST)[:, 0] == 0).all()


def test_classes_that_are_numbers_come_by_size(dataset: Dataset) -> None:
    columns = dataset.columns.copy()
    columns["group"] = ["10", "9", "x", "cubic"] * 30
    changed = Dataset("x", dataset.crystals, columns, dataset.targets, "x", "")
    assert choose_task(changed, ["group"], "classification").classes == ("9", "10", "cubic", "x")


@pytest.mark.parametrize("name", NUMBERS)
def test_a_target_without_training_labels_is_refused(dataset: Dataset, name: str) -> None:
    columns = dataset.columns.copy()
    columns.loc[TRAIN, "gap"] = np.nan
    empty = Dataset("x", dataset.crystals, columns, dataset.targets, "x", "")
    with pytest.raises(BadDataset, match="'gap' has no label among the training rows"):
        quick(name).fit(empty, TRAIN, choose_task(empty, ["contrast", "gap"]))


def test_what_is_wrong_is_said(dataset: Dataset, tmp_path) -> None:
    with pytest.raises(UnknownName, match=r"unknown baseline 'meen'\. Did you mean 'mean'"):
        make_baseline("meen")
    with pytest.raises(BadConfig, match=r"'mean' cannot do classification\. Use .*: most_common"):
        make_baseline("mean", kind="classification")
    with pytest.raises(BadConfig, match="classification needs one target"):
        choose_task(dataset, ["kind", "gap"], "classification")
    with pytest.raises(BadDataset, match="column 'kind' holds no numbers"):
        choose_task(dataset, ["kind"])
    columns = dataset.columns.copy()
    columns["kind"] = None
    unlabelled = Dataset("x", dataset.crystals, columns, dataset.targets, "x", "")
    task = choose_task(dataset, ["kind"], "classification")
    with pytest.raises(BadDataset, match="'kind' has no label among the training rows"):
        make_baseline("most_common").fit(unlabelled, TRAIN, task)
    with pytest.raises(BadCheckpoint, match="does not exist"):
        read_baseline(tmp_path)
    mlp = DistanceMlp(epochs=1)
    mlp.fit(dataset, TRAIN, task)
    with pytest.raises(BadDataset, match="lists of 5 distances, and the network was trained with"):
        mlp.predict_distances(np.ones((2, 5)))


def test_a_changed_or_broken_saved_baseline_is_refused(dataset: Dataset, tmp_path) -> None:
    task = choose_task(dataset, ["gap"])
    baseline = make_baseline("composition_forest")
    baseline.fit(dataset, TRAIN, task)
    folder = save_baseline("composition_forest", baseline, task, tmp_path)
    file = folder / "baseline.json"
    description = json.loads(file.read_text())
    file.write_text(json.dumps(description | {"settings": {"seed": 1}}))
    with pytest.raises(BadCheckpoint, match="its predictions differ from the saved ones"):
        read_baseline(folder)
    file.write_text(json.dumps(description | {"baseline": "oracle"}))
    with pytest.raises(BadCheckpoint, match="baseline 'oracle'; expected format 1"):
        read_baseline(folder)
    file.write_text("{")
    with pytest.raises(BadCheckpoint, match="broken"):
        read_baseline(folder)


def test_every_name_makes_an_unfitted_baseline_of_some_kind() -> None:
    for name in BASELINES:
        assert set(BASELINES[name].kinds) <= {"regression", "classification"}
        assert make_baseline(name, seed=3).settings["seed"] == 3
