"""Stated uncertainties are true, on numbers made so that the truth is known; and the domain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.training.tiny import make_tiny
from tests.zoo import ZOO
from xtalgraph.errors import BadDataset
from xtalgraph.evaluation.calibrating import (
    choose_scale,
    coverage_curve,
    cut_in_two,
    fit_calibration,
    fit_reference,
)
from xtalgraph.graphs import GraphConfig
from xtalgraph.nn import Task
from xtalgraph.prediction import Predictions, load_model
from xtalgraph.prediction.calibration import (
    ClassCalibration,
    Domain,
    IntervalCalibration,
    Reference,
    Scale,
    count_fewest_neighbours,
)
from xtalgraph.structures import Crystal, CrystalStore
from xtalgraph.units import Target

GAP = Task("regression", (Target("gap", "eV"),))
TRIO = Task("classification", (Target("trio"),), ("a", "b", "c"))
N = 6000


def make_predictions(seed: int, kind: str) -> tuple[Predictions, np.ndarray]:
    """Predictions whose errors go with the spread, with the distance, or with neither."""
    random = np.random.default_rng(seed)
    spread, distance = random.gamma(2.0, 0.1, (N, 1)), random.gamma(4.0, 1.0, N)
    width = {"spread": spread[:, 0], "distance": 0.1 * distance, "neither": np.full(N, 0.3)}[kind]
    values = random.normal(size=(N, 1))
    labels = values + (width * random.laplace(size=N))[:, None]
    ids = tuple(str(number) for number in range(N))
    return Predictions(ids, values, GAP, spread=spread, distance=distance), labels


def widths(calibration: IntervalCalibration, of: Predictions) -> np.ndarray:
    return calibration.half_widths(of.spread, of.distance)[:, 0]


@pytest.mark.parametrize("kind", ["spread", "distance", "neither"])
def test_intervals_hold_what_they_state_and_are_wide_where_errors_are(kind: str) -> None:
    known, known_labels = make_predictions(0, kind)
    unseen, labels = make_predictions(1, kind)
    calibration = fit_calibration(known, known_labels)
    half = widths(calibration, unseen)
    held = np.abs(unseen.values - labels)[:, 0] <= half
    assert 0.88 < held.mean() < 0.92
    (scale,) = calibration.scales
    assert (scale.of_spread > 0) == (kind == "spread")
    assert (scale.of_distance > 0) == (kind == "distance")
    if kind != "neither":  # also among those of the largest errors; with equal widths it fails
        by = unseen.spread[:, 0] if kind == "spread" else unseen.distance
        far = by > np.quantile(by, 0.9)
        assert held[far].mean() > 0.85
        equal = np.quantile(np.abs(known.values - known_labels), 0.9)
        assert (np.abs(unseen.values - labels)[far] <= equal).mean() < 0.85


def test_the_coverage_is_true_at_every_level() -> None:
    levels = np.array([0.2, 0.5, 0.8, 0.95])
    known, unseen = make_predictions(0, "spread"), make_predictions(1, "spread")
    np.testing.assert_allclose(coverage_curve(*known, *unseen, 0, levels), levels, atol=0.02)


def test_missing_labels_are_no_errors() -> None:
    known, labels = make_predictions(0, "spread")
    some = labels.copy()
    some[::2] = np.nan
    whole, half = fit_calibration(known, labels), fit_calibration(known, some)
    assert half.scales[0].quantile == pytest.approx(whole.scales[0].quantile, rel=0.1)


def test_too_few_crystals_are_refused() -> None:
    values = np.zeros((10, 1))
    few = Predictions(tuple("abcdefghij"), values, GAP)
    with pytest.raises(BadDataset, match="needs at least 9 calibration rows"):
        fit_calibration(few, values + 1, coverage=0.9)
    assert len(cut_in_two(11)[1]) == 9
    assert not np.isin(*cut_in_two(50)).any()


def test_a_single_network_without_a_domain_gets_one_width_for_all() -> None:
    assert choose_scale(np.arange(5.0), np.zeros(5), np.zeros(5)) == Scale(1.0)


def test_probabilities_get_their_temperature_and_sets_hold_the_class() -> None:
    random = np.random.default_rng(2)
    logits = random.normal(size=(2 * N, 3)) * 1.5
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([random.choice(3, p=row) for row in true])
    sure = true**2 / (true**2).sum(axis=1, keepdims=True)  # twice too sure: temperature 2
    known = Predictions(tuple(map(str, range(N))), sure[:N], TRIO)
    calibration = fit_calibration(known, labels[:N])
    assert calibration.temperature == pytest.approx(2.0, rel=0.1)
    probabilities = calibration.probabilities(sure[N:])
    np.testing.assert_allclose(probabilities, true[N:], atol=0.05)
    sets = calibration.sets(probabilities)
    assert 0.88 < sets[np.arange(N), labels[N:]].mean() < 0.92
    assert sets.any(axis=1).all()
    assert 1.0 < sets.sum(axis=1).mean() < 3.0


def test_the_likeliest_class_is_in_its_set_however_unlikely() -> None:
    sets = ClassCalibration(0.5, 1.0, 0.1).sets(np.array([[0.5, 0.3, 0.2], [0.95, 0.05, 0.0]]))
    assert sets.tolist() == [[True, False, False], [True, False, False]]


def test_the_distance_is_that_of_a_loop() -> None:
    random = np.random.default_rng(0)
    mixed = random.normal(size=(300, 6)) @ random.normal(size=(6, 6))
    reference = fit_reference(mixed.astype(np.float32), n_centres=1000)
    places = (mixed - reference.origin) @ reference.directions
    np.testing.assert_allclose(np.cov(places.T, ddof=0), np.eye(6), atol=1e-3)
    point = mixed[:1] + 0.3
    place = ((point - reference.origin) @ reference.directions)[0]
    nearest = sorted(float(np.linalg.norm(place - centre)) for centre in reference.centres)[:5]
    assert reference.distance(point)[0] == pytest.approx(np.mean(nearest), rel=1e-4)
    far = reference.distance(np.stack([mixed[0], 2 * mixed[0], 9 * mixed[0]]))
    assert (np.diff(far) > 0).all()


def test_many_crystals_are_kept_as_few_centres() -> None:
    vectors = np.random.default_rng(0).normal(size=(400, 5)).astype(np.float32)
    vectors[:, 4] = 0.0  # a direction in which they do not differ is none
    reference = fit_reference(vectors, n_centres=50)
    assert reference.centres.shape == (50, 4)


ORIGIN = Reference(
    np.zeros(2, np.float32), np.eye(2, dtype=np.float32), np.zeros((1, 2), np.float32)
)


@pytest.mark.parametrize(
    ("distance", "elements", "fewest", "cutoff", "level", "reason"),
    [
        (1.0, "Na Cl", 12, 8.0, "in", ""),
        (2.5, "Na Cl", 12, 8.0, "edge", "distance 2.50 from the training crystals, 95 %"),
        (3.5, "Na Cl", 12, 8.0, "out", "distance 3.50 from the training crystals, 99 %"),
        (1.0, "Na F", 12, 8.0, "out", "Cl never seen in training"),
        (2.5, "Na F", 12, 8.0, "out", "Cl never seen in training; distance 2.50"),
        (1.0, "Na Cl", 4, 3.0, "edge", "an atom has 6 neighbours within 3 Å, the graph asks for"),
        (1.0, "Na Cl", 8, 3.0, "out", "in training none had fewer than 8"),
    ],
)
def test_the_domain_and_its_reason(
    distance: float, elements: str, fewest: int, cutoff: float, level: str, reason: str
) -> None:
    domain = Domain(ORIGIN, fewest, 2.0, 3.0)
    store = CrystalStore.from_crystals([ZOO["NaCl"]])
    levels, reasons = domain.judge(
        store, np.array([distance]), elements.split(), GraphConfig(cutoff=cutoff)
    )
    assert levels == (level,)
    assert reason in reasons[0]
    assert bool(reasons[0]) == (level != "in")


def test_the_fewest_neighbours_are_those_of_the_loneliest_atom() -> None:
    pair = Crystal(np.diag([20.0, 20.0, 3.0]), [[0, 0, 0], [0.1, 0, 0]], [11, 17])
    store = CrystalStore.from_crystals([ZOO["NaCl"], pair])
    assert count_fewest_neighbours(store, GraphConfig(cutoff=3.0)).tolist() == [6, 3]
    assert count_fewest_neighbours(store, GraphConfig()).tolist() == [12, 9]


def test_a_calibrated_model_says_how_sure_it_is(packed: Path) -> None:
    inside = make_tiny(3).crystals
    result = load_model(packed).predict([*inside, ZOO["SrTiO3"]])
    frame = result.to_frame()
    assert list(frame) == [
        "id",
        "energy [eV/atom]",
        "energy uncertainty [eV/atom]",
        "gap [eV]",
        "gap uncertainty [eV]",
        "domain",
        "domain_reason",
    ]
    assert (frame.filter(like="uncertainty") > 0).all().all()
    assert result.coverage == 0.9
    assert frame["domain"].tolist()[-1] == "out"
    assert "O, Ti, Sr never seen in training" in frame["domain_reason"].tolist()[-1]
    assert "never seen" not in "".join(frame["domain_reason"].tolist()[:3])


def test_classes_come_with_a_set(packed_classes: Path) -> None:
    result = load_model(packed_classes).predict(make_tiny(5).crystals)
    frame = result.to_frame()
    assert list(frame)[1:] == [
        "trio",
        *(f"probability {name}" for name in ("9", "10", "11")),
        "trio set",
        "domain",
        "domain_reason",
    ]
    for chosen, names in zip(frame["trio"], frame["trio set"], strict=True):
        assert chosen in names.split(" | ")
    np.testing.assert_allclose(result.values.sum(axis=1), 1)


def test_a_logarithm_is_shown_as_the_quantity_too() -> None:
    task = Task("regression", (Target("log10_K_VRH", "log10 GPa"),))
    values, half = np.array([[2.0], [1.0]]), np.array([[0.1], [0.3]])
    frame = Predictions(("a", "b"), values, task, uncertainty=half).to_frame()
    assert frame["log10_K_VRH uncertainty [log10 GPa]"].tolist() == [0.1, 0.3]
    np.testing.assert_allclose(frame["bulk_modulus [GPa]"], [100.0, 10.0])
    np.testing.assert_allclose(frame["bulk_modulus lower [GPa]"], [79.43, 5.012], rtol=1e-3)
    np.testing.assert_allclose(frame["bulk_modulus upper [GPa]"], [125.9, 19.95], rtol=1e-3)
    bare = Predictions(("a", "b"), values, task).to_frame()
    assert list(bare) == ["id", "log10_K_VRH [log10 GPa]", "bulk_modulus [GPa]"]
