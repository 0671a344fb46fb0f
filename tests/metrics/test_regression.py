import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics as sklearn_metrics

from xtalgraph import metrics
from xtalgraph.errors import BadDataset

ORACLES = {
    metrics.mean_absolute_error: sklearn_metrics.mean_absolute_error,
    metrics.root_mean_squared_error: sklearn_metrics.root_mean_squared_error,
    metrics.max_error: sklearn_metrics.max_error,
    metrics.r_squared: sklearn_metrics.r2_score,
}
NUMBERS = st.floats(-1e3, 1e3, allow_subnormal=False).map(lambda number: round(number, 6))
PAIRS = arrays(np.float64, st.tuples(st.just(2), st.integers(2, 30)), elements=NUMBERS)


@settings(max_examples=60, deadline=None)
@given(PAIRS)
def test_every_error_equals_scikit_learn(pair: np.ndarray) -> None:
    for ours, theirs in ORACLES.items():
        assert ours(pair[0], pair[1]) == pytest.approx(theirs(pair[0], pair[1]), rel=1e-9, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(PAIRS, st.data())
def test_missing_labels_are_left_out_and_counted(pair: np.ndarray, data: st.DataObject) -> None:
    true, predicted = pair
    missing = data.draw(arrays(bool, len(true)).filter(lambda mask: not mask.all()))
    with_gaps = np.where(missing, np.nan, true)
    scores = metrics.regression_metrics(with_gaps, predicted)
    alone = metrics.regression_metrics(true[~missing], predicted[~missing])
    assert scores["n_missing"] == missing.sum()
    assert scores["n_scored"] == (~missing).sum() == alone["n_scored"]
    for name in ("mean_absolute_error", "root_mean_squared_error", "max_error"):
        assert scores[name] == alone[name]


def test_a_silent_prediction_where_the_label_is_missing_is_no_fault() -> None:
    true, predicted = np.array([1.0, np.nan]), np.array([2.0, np.nan])
    assert metrics.mean_absolute_error(true, predicted) == 1.0


@pytest.mark.parametrize("metric", ORACLES)
def test_a_silent_prediction_of_a_labelled_row_is_refused(metric) -> None:
    true = np.array([1.0, np.nan, 3.0])
    with pytest.raises(BadDataset, match="1 of 2 predictions are not finite, the first in row 2"):
        metric(true, np.array([1.0, 2.0, np.nan]))


@pytest.mark.parametrize("metric", ORACLES)
@pytest.mark.parametrize("true", [[], [np.nan, np.nan]])
def test_no_labelled_row_is_refused(metric, true: list[float]) -> None:
    with pytest.raises(BadDataset, match=f"none of {len(true)} rows has a label"):
        metric(np.array(true, dtype=np.float64), np.zeros(len(true)))


def test_an_infinite_label_is_refused() -> None:
    with pytest.raises(BadDataset, match="label of row 1 is infinite"):
        metrics.mean_absolute_error(np.array([1.0, np.inf]), np.zeros(2))


def test_r_squared_at_its_edges() -> None:
    same = np.full(4, 2.5)
    assert metrics.r_squared(same, same) == 1.0
    assert metrics.r_squared(same, same + 0.1) == 0.0
    assert math.isnan(metrics.r_squared(same[:1], same[:1]))
    true = np.array([1.0, 2.0, 3.0])
    assert metrics.r_squared(true, np.full(3, 2.0)) == 0.0
    assert metrics.r_squared(true, true[::-1].copy()) < 0


def test_float32_is_scored_in_float64() -> None:
    true = np.full(100_000, 0.1, dtype=np.float32)
    assert metrics.mean_absolute_error(true, np.zeros_like(true)) == pytest.approx(float(true[0]))
