"""The embedded data set: what it holds, and that it can be trusted to be the same."""

import numpy as np
import pytest

from xtalgraph.data import EMBEDDED, read_dataset, read_sample_dataset
from xtalgraph.errors import BadDataset


def test_it_is_read_by_its_name() -> None:
    dataset = read_dataset("mp-sample")
    assert (dataset.name, EMBEDDED) == ("mp-sample", "mp-sample")
    assert dataset.checksum == read_sample_dataset().checksum
    assert list(dataset.columns) == ["formation_energy_per_atom", "band_gap", "is_metal", "kind"]
    assert {name: target.unit for name, target in dataset.targets.items()} == {
        "formation_energy_per_atom": "eV/atom",
        "band_gap": "eV",
    }


def test_counts_and_ranges_are_those_of_the_data_card() -> None:
    dataset = read_sample_dataset()
    kinds = dataset.labels("kind")
    assert len(dataset) == 1700
    assert dataset.crystals.n_atoms.max() <= 24
    assert len(set(dataset.ids.tolist())) == 1700
    assert (kinds == "perovskite").sum() == 543
    assert (kinds == "other oxide").sum() == 1000
    assert [kind is None for kind in kinds].count(True) == 157
    assert set(kinds[:700]) == {"perovskite", None}
    assert set(kinds[700:]) == {"other oxide"}
    energy, gap = dataset.values(["formation_energy_per_atom", "band_gap"]).T
    assert -5 < energy.min() < energy.max() < 1.5
    assert 0 <= gap.min() < gap.max() < 12
    np.testing.assert_array_equal(dataset.columns["is_metal"], gap == 0)
    assert (gap == 0).sum() == 595


def test_kind_says_nothing_of_the_anion_and_little_of_the_formula() -> None:
    dataset = read_sample_dataset()
    formulas: dict[str, set[str]] = {"perovskite": set(), "other oxide": set()}
    for crystal, kind in zip(dataset.crystals, dataset.labels("kind"), strict=True):
        assert ("O" in crystal.symbols) == (kind is not None) or kind is None
        if kind is not None:
            formulas[kind].add(crystal.reduced_formula)
    assert len(formulas["perovskite"] & formulas["other oxide"]) == 53


def test_the_set_of_version_0_1_is_answered_with_what_replaced_it() -> None:
    with pytest.raises(BadDataset, match=r"'ionic', .* was replaced by 'mp-sample'"):
        read_dataset("ionic")
