import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sklearn import metrics as sklearn_metrics

from xtalgraph import metrics
from xtalgraph.errors import BadDataset, UnknownName


@st.composite
def scored_classes(draw: st.DrawFn, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels in which every class occurs, and probabilities with many ties."""
    n_rows = draw(st.integers(2 * n_classes, 30))
    seed = draw(st.integers(0, 2**31))
    random = np.random.default_rng(seed)
    true = np.concatenate([np.arange(n_classes), random.integers(0, n_classes, n_rows - n_classes)])
    weights = random.integers(1, 5, (n_rows, n_classes)).astype(np.float64)
    return random.permutation(true), weights / weights.sum(axis=1, keepdims=True)


@settings(max_examples=60, deadline=None)
@given(scored_classes(3))
def test_scores_of_several_classes_equal_scikit_learn(case) -> None:
    true, probabilities = case
    predicted = probabilities.argmax(axis=1)
    scores = metrics.classification_metrics(true, probabilities)
    assert scores["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(true, predicted))
    expected = sklearn_metrics.f1_score(true, predicted, average="macro")
    assert scores["macro_f1"] == pytest.approx(expected)
    assert scores["log_loss"] == pytest.approx(sklearn_metrics.log_loss(true, probabilities))
    expected = sklearn_metrics.roc_auc_score(true, probabilities, multi_class="ovr")
    assert scores["roc_auc"] == pytest.approx(expected)
    expected = sklearn_metrics.confusion_matrix(true, predicted, labels=range(3))
    np.testing.assert_array_equal(metrics.confusion_matrix(true, predicted, 3), expected)


@settings(max_examples=60, deadline=None)
@given(scored_classes(2))
def test_scores_and_curves_of_two_classes_equal_scikit_learn(case) -> None:
    true, probabilities = case
    score = probabilities[:, 1]
    scores = metrics.classification_metrics(true, probabilities)
    assert scores["roc_auc"] == pytest.approx(sklearn_metrics.roc_auc_score(true, score))
    expected = sklearn_metrics.average_precision_score(true, score)
    assert scores["average_precision"] == pytest.approx(expected)
    x, y, thresholds = sklearn_metrics.roc_curve(true, score, drop_intermediate=False)
    curve = metrics.roc_curve(true, score)
    np.testing.assert_allclose(curve.x, x)
    np.testing.assert_allclose(curve.y, y)
    np.testing.assert_allclose(curve.thresholds, thresholds)
    precision, recall, _ = sklearn_metrics.precision_recall_curve(true, score)
    curve = metrics.precision_recall_curve(true, score)
    np.testing.assert_allclose(curve.x, recall[::-1])
    np.testing.assert_allclose(curve.y, precision[::-1])


@settings(max_examples=40, deadline=None)
@given(scored_classes(2), st.sampled_from(["accuracy", "f1", "youden"]))
def test_the_best_threshold_is_not_beaten_by_any_other(case, criterion: str) -> None:
    true, probabilities = case
    score = probabilities[:, 1]

    def quality(threshold: float) -> float:
        predicted = (score >= threshold).astype(np.int64)
        if criterion == "accuracy":
            return sklearn_metrics.accuracy_score(true, predicted)
        if criterion == "f1":
            return sklearn_metrics.f1_score(true, predicted)
        return sklearn_metrics.recall_score(true, predicted) + sklearn_metrics.recall_score(
            true, predicted, pos_label=0
        )

    best = quality(metrics.best_threshold(true, score, criterion))
    assert best == pytest.approx(max(quality(threshold) for threshold in np.unique(score)))


@pytest.mark.parametrize("n_classes", [2, 4])
def test_missing_labels_change_no_score(n_classes: int) -> None:
    random = np.random.default_rng(3)
    true = random.integers(0, n_classes, 40)
    probabilities = random.dirichlet(np.ones(n_classes), 40)
    gaps = np.where(np.arange(40) % 5 == 0, metrics.MISSING_CLASS, true)
    scores = metrics.classification_metrics(gaps, probabilities)
    alone = metrics.classification_metrics(true[gaps >= 0], probabilities[gaps >= 0])
    assert scores.pop("n_missing") == 8
    assert alone.pop("n_missing") == 0
    assert scores == alone


def test_areas_are_missing_where_only_one_class_occurs() -> None:
    scores = metrics.classification_metrics(np.ones(3, dtype=np.int64), np.full((3, 2), 0.5))
    assert math.isnan(scores["roc_auc"])
    assert math.isnan(scores["average_precision"])
    with pytest.raises(BadDataset, match=r"both classes 0 and 1; found \[1\]"):
        metrics.roc_auc(np.ones(3, dtype=np.int64), np.full((3, 2), 0.5))


def test_a_class_without_rows_has_no_area_and_does_not_spoil_the_mean() -> None:
    true = np.array([0, 1, 0, 1])
    probabilities = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.7, 0.2, 0.1], [0.2, 0.7, 0.1]])
    assert metrics.roc_auc(true, probabilities) == 1.0


def test_bad_input_is_refused_with_a_reason() -> None:
    true = np.array([0, 1])
    with pytest.raises(BadDataset, match="none of 2 rows has a class"):
        metrics.accuracy(np.array([-1, -1]), true)
    with pytest.raises(BadDataset, match="prediction is outside the classes 0 to 1"):
        metrics.confusion_matrix(true, np.array([0, 2]), 2)
    with pytest.raises(BadDataset, match=r"row 1: class probabilities sum to 2.*not logits"):
        metrics.log_loss(true, np.array([[0.5, 0.5], [1.0, 1.0]]))
    with pytest.raises(BadDataset, match="needs a probability for each class"):
        metrics.roc_auc(true, np.ones((2, 1)))
    with pytest.raises(BadDataset, match="no row has a label"):
        metrics.roc_auc(np.array([-1, -1]), np.full((2, 3), 1 / 3))
    with pytest.raises(BadDataset, match="score is not finite"):
        metrics.roc_curve(true, np.array([0.1, np.nan]))
    with pytest.raises(UnknownName, match="Did you mean 'accuracy'"):
        metrics.best_threshold(true, np.array([0.1, 0.2]), "acuracy")
    with pytest.raises(UnknownName, match=r"unknown class 'Oxide'\. Did you mean 'oxide'"):
        metrics.class_indices(["Oxide"], ["oxide", "other"])
