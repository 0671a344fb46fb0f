import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sklearn.calibration import calibration_curve as sklearn_calibration_curve

from xtalgraph import metrics
from xtalgraph.errors import BadConfig, BadDataset


def test_coverage_counts_ends_and_leaves_out_missing_labels() -> None:
    true = np.array([0.0, 1.0, 2.0, np.nan])
    covered = metrics.interval_coverage(true, np.array([0.0, 0, 3, 0]), np.array([1.0, 1, 4, 0]))
    assert covered == pytest.approx(2 / 3)
    with pytest.raises(BadDataset, match="`lower` is above `upper`"):
        metrics.interval_coverage(true, np.ones(4), np.zeros(4))


@settings(max_examples=60, deadline=None)
@given(st.integers(20, 200), st.integers(1, 19))
def test_conformal_quantile_is_the_corrected_order_statistic(n_rows: int, twentieths: int) -> None:
    scores = np.random.default_rng(n_rows).permutation(np.arange(1.0, n_rows + 1))
    rank = -(-(n_rows + 1) * twentieths // 20)  # exact, in integers
    assert metrics.conformal_quantile(scores, twentieths / 20) == rank


def test_conformal_coverage_holds_on_new_rows_and_without_the_correction_it_would_not() -> None:
    random = np.random.default_rng(0)
    corrected, plain = [], []
    for _ in range(4000):
        scores = random.exponential(size=9)
        new = random.exponential()
        corrected.append(new <= metrics.conformal_quantile(scores, 0.8))
        plain.append(new <= np.sort(scores)[6])
    assert np.mean(corrected) >= 0.785
    assert np.mean(plain) < 0.73


def test_conformal_quantile_refuses_what_it_cannot_promise() -> None:
    with pytest.raises(BadDataset, match="needs at least 9 calibration rows, and there are 8"):
        metrics.conformal_quantile(np.append(np.ones(8), np.nan), 0.9)
    assert metrics.conformal_quantile(np.arange(9.0), 0.9) == 8.0
    with pytest.raises(BadConfig, match="must be between 0 and 1"):
        metrics.conformal_quantile(np.ones(8), 1.0)


def test_normal_coverage_gives_the_levels_back_only_for_the_true_deviation() -> None:
    random = np.random.default_rng(1)
    levels = np.array([0.1, 0.5, 0.9])
    true = random.normal(scale=2.0, size=20_000)
    stated = np.zeros_like(true), np.full_like(true, 2.0)
    np.testing.assert_allclose(
        metrics.normal_coverage_curve(true, *stated, levels), levels, atol=0.01
    )
    confident = metrics.normal_coverage_curve(true, stated[0], stated[1] / 2, levels)
    assert (confident < levels - 0.04).all()
    with pytest.raises(BadDataset, match="standard deviation is not positive"):
        metrics.normal_coverage_curve(true, stated[0], stated[0], levels)
    with pytest.raises(BadConfig, match="levels of coverage"):
        metrics.normal_coverage_curve(true, *stated, np.array([1.0]))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12))
def test_calibration_curve_equals_scikit_learn(seed: int, n_bins: int) -> None:
    random = np.random.default_rng(seed)
    true = random.integers(0, 2, 50)
    true[:2] = 0, 1
    probability = random.random(50)
    observed, predicted = sklearn_calibration_curve(true, probability, n_bins=n_bins)
    curve = metrics.calibration_curve(true, probability, n_bins)
    np.testing.assert_allclose(curve.observed, observed)
    np.testing.assert_allclose(curve.predicted, predicted)
    assert curve.counts.sum() == 50


def test_expected_calibration_error_is_zero_for_honest_odds_and_large_for_boasts() -> None:
    random = np.random.default_rng(2)
    probability = random.random(50_000)
    true = (random.random(50_000) < probability).astype(np.int64)
    honest = metrics.calibration_curve(true, probability)
    boast = metrics.calibration_curve(true, (probability > 0.5).astype(np.float64))
    assert metrics.expected_calibration_error(honest) < 0.01
    assert metrics.expected_calibration_error(boast) > 0.2
    with pytest.raises(BadDataset, match="no row has a label"):
        metrics.calibration_curve(np.array([-1]), np.array([0.5]))
    with pytest.raises(BadDataset, match="outside 0 to 1"):
        metrics.calibration_curve(np.array([1]), np.array([3.0]))
