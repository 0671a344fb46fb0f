"""Tasks and the normaliser."""

from __future__ import annotations

import numpy as np
import pytest

from xtalgraph.errors import BadConfig, BadDataset, UnknownName
from xtalgraph.nn import Normaliser, Task
from xtalgraph.units import Target

GAP, ENERGY = Target("band_gap", "eV"), Target("energy_per_atom", "eV/atom", "atom")


def test_outputs_are_counted_by_targets_or_classes() -> None:
    assert Task("regression", (GAP, ENERGY)).n_outputs == 2
    assert Task("classification", (GAP,), ("low", "middle", "high")).n_outputs == 3


@pytest.mark.parametrize(
    ("kind", "targets", "classes", "message"),
    [
        ("regresion", (GAP,), (), r"unknown task 'regresion'. Did you mean 'regression'\?"),
        ("regression", (), (), "name at least one, and each once"),
        ("regression", (GAP, GAP), (), "name at least one, and each once"),
        ("regression", (GAP,), ("a", "b"), "has no classes"),
        ("classification", (GAP, ENERGY), ("a", "b"), "needs one target"),
        ("classification", (GAP,), ("a",), "two or more different classes"),
        ("classification", (GAP,), ("a", "b", "a"), "two or more different classes"),
    ],
)
def test_tasks_that_cannot_work_are_refused(
    kind: str, targets: tuple[Target, ...], classes: tuple[str, ...], message: str
) -> None:
    with pytest.raises((BadConfig, UnknownName), match=message):
        Task(kind, targets, classes)


def test_normaliser_leaves_out_missing_labels_and_goes_back() -> None:
    values = np.array([[1.0, np.nan], [2.0, 10.0], [6.0, 30.0], [np.nan, 20.0]])
    normaliser = Normaliser.fit(values, ["a", "b"])
    assert normaliser.mean == pytest.approx((3.0, 20.0))
    assert normaliser.std == pytest.approx((np.std([1, 2, 6]), np.std([10, 30, 20])))
    standardised = normaliser.transform(values)
    assert np.array_equal(np.isnan(standardised), np.isnan(values))
    assert np.abs(np.nanmean(standardised, axis=0)).max() < 1e-12
    np.testing.assert_allclose(normaliser.inverse_transform(standardised), values)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([np.nan, np.nan], "target 'gap' has no label"),
        ([2.5, 2.5], "target 'gap' is 2.5 for all 2 labels"),
        ([1.0, np.nan], "for all 1 labels"),
        ([1.0, np.inf], "infinite label"),
        ([1.0, -1e300], "reaches 1e\\+300, which single precision cannot hold"),
    ],
)
def test_targets_that_teach_nothing_are_refused(column: list[float], message: str) -> None:
    with pytest.raises(BadDataset, match=message):
        Normaliser.fit(np.array([column]).T, ["gap"])
