"""Perovskites by their number: the same however they are cut, and built as the prototype is."""

import math
import re

import numpy as np
import pandas as pd
import pytest

from xtalgraph.data import Dataset, read_dataset
from xtalgraph.errors import BadConfig, BadDataset, UnknownName
from xtalgraph.screening import (
    PerovskiteSpace,
    learn_cells,
    list_anions,
    list_elements,
    perovskite_sites,
)
from xtalgraph.screening.cell_sizes import covalent_radii, find_sites
from xtalgraph.screening.perovskite_sites import (
    METALS,
    OXIDATION_STATES,
    can_be_neutral,
    ionic_radius,
    shannon_radii,
)
from xtalgraph.screening.perovskite_space import CASTELLI_ANIONS, CASTELLI_METALS
from xtalgraph.structures import Crystal, CrystalStore

SMALL = PerovskiteSpace(("Ca", "Sr", "La", "K"), ("Ti", "Ni", "Nb"), ("O3", "O2N", "OFN", "F3"))


@pytest.mark.parametrize("size", [1, 7, 16, 100])
def test_however_it_is_cut_the_candidates_are_the_same(size: int) -> None:
    whole = SMALL.make(0, len(SMALL))
    pieces = [SMALL.make(first, first + size) for first in range(0, len(SMALL), size)]
    columns = pd.concat([piece.columns for piece in pieces], ignore_index=True)
    pd.testing.assert_frame_equal(columns, whole.columns)
    ids = [id for piece in pieces for id in piece.crystals.ids]
    assert ids == whole.crystals.ids.tolist()
    lattices = np.concatenate([piece.crystals.lattices for piece in pieces])
    np.testing.assert_array_equal(lattices, whole.crystals.lattices)


def test_every_composition_comes_once() -> None:
    space = PerovskiteSpace()
    made = space.make(0, len(space))
    assert space.n_candidates == 52 * 52 * 7 == made.n_candidates
    ids = [*made.crystals.ids.tolist(), *(row.id for row in made.rejected)]
    expected = {
        a + b + x for a in CASTELLI_METALS for b in CASTELLI_METALS for x in CASTELLI_ANIONS
    }
    assert len(ids) == len(set(ids)) == len(expected)
    assert set(ids) == expected


CUBIC = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0, 0.5]]

# Charges of A and B, and the radii in Å that Shannon's paper has for A (12), B (6) and X (6).
KNOWN = {
    "SrTiO3": ((2, 4), (1.44, 0.605, 1.40)),
    "LaNiO3": ((3, 3), (1.36, 0.56, 1.40)),
    "KNiF3": ((1, 2), (1.64, 0.69, 1.33)),
}


def test_cells_and_factors_are_those_of_hard_spheres() -> None:
    made = SMALL.make(0, len(SMALL))
    for id, (charges, (r_a, r_b, r_x)) in KNOWN.items():
        row = made.crystals.ids.tolist().index(id)
        crystal, column = made.crystals[row], made.columns.iloc[row]
        np.testing.assert_allclose(crystal.lattice, 2 * (r_b + r_x) * np.eye(3))
        symbols = [*re.findall("[A-Z][a-z]?", id)[:2], *3 * [id[-2]]]
        assert sorted(zip(crystal.symbols, crystal.fractional_positions.tolist(), strict=True)) == (
            sorted(zip(symbols, CUBIC, strict=True))
        )
        assert (column.charge_A, column.charge_B) == charges
        assert column.tolerance_factor == pytest.approx((r_a + r_x) / 2**0.5 / (r_b + r_x))
        assert column.octahedral_factor == pytest.approx(r_b / r_x)


def test_radii_are_shannons() -> None:
    assert ionic_radius("O", -2, 6) == 1.40
    assert ionic_radius("Na", 1, 6) == 1.02
    assert ionic_radius("Gd", 3, 12) == 1.107  # that of nine neighbours, the most in the table
    assert ionic_radius("Sn", 2, 6) == ionic_radius("Sn", 4, 6) == 0.69  # no Sn2+ in the table
    assert ionic_radius("Fe", 3, 6) == 0.645  # high spin
    assert (ionic_radius("Co", 3, 6), ionic_radius("Ni", 3, 6)) == (0.545, 0.56)  # low spin
    assert set(shannon_radii("Cu")[2]) == {4, 5, 6}  # the square-planar site is not among them
    assert ionic_radius("Co", 2, 8) == 0.9
    assert set(shannon_radii("Eu")) == {2, 3}


def test_mixed_anions_have_the_mean_radius_and_the_summed_charge() -> None:
    made = PerovskiteSpace(("Ca",), ("Nb", "Ti"), ("O2N",)).make(0, 2)
    niobium, titanium = made.columns.itertuples()
    assert niobium.is_neutral
    assert (niobium.charge_A, niobium.charge_B) == (2, 5)
    assert not titanium.is_neutral
    mean = (2 * ionic_radius("O", -2, 6) + ionic_radius("N", -3, 6)) / 3
    assert niobium.lattice_constant == pytest.approx(2 * (ionic_radius("Nb", 5, 6) + mean))


def test_filters_leave_out_what_they_say() -> None:
    whole = PerovskiteSpace().make(0, 5000).columns
    window, octahedral = (0.85, 1.05), (0.4, 0.9)
    space = PerovskiteSpace(charge_balance=True, tolerance=window, octahedral=octahedral)
    made = space.make(0, 5000)
    kept = whole.is_neutral & whole.tolerance_factor.between(*window)
    kept &= whole.octahedral_factor.between(*octahedral)
    assert 0 < kept.sum() < len(whole)
    pd.testing.assert_frame_equal(made.columns, whole[kept].reset_index(drop=True))
    assert made.n_candidates == 5000
    assert list(made.left_out) == ["charge balance", "tolerance factor", "octahedral factor"]
    assert min(made.left_out.values()) > 0


def test_an_element_without_a_radius_is_listed_and_the_rest_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Shannon's table has every metal that is on offer; here gold is taken out of it."""
    of_others = perovskite_sites.shannon_radii
    monkeypatch.setattr(
        perovskite_sites, "shannon_radii", lambda name: {} if name == "Au" else of_others(name)
    )
    made = PerovskiteSpace(("Sr",), ("Ti", "Au"), ("O3",)).make(0, 2)
    assert made.crystals.ids.tolist() == ["SrTiO3"]
    (rejected,) = made.rejected
    assert rejected.id == "SrAuO3"
    assert "no ionic radius of Au" in rejected.reason


def test_every_metal_can_be_taken() -> None:
    assert set(CASTELLI_METALS) <= set(METALS)
    assert list_elements(["castelli", "Sr", "La"]) == CASTELLI_METALS
    assert all(any(q > 0 for q in OXIDATION_STATES[symbol]) for symbol in METALS)


@pytest.mark.parametrize(
    ("settings", "error", "what"),
    [
        ({"a_elements": ("Sr", "Xx")}, UnknownName, "'Xx'"),
        ({"b_elements": ("O",)}, UnknownName, "B site"),
        ({"a_elements": ("Sr", "Sr")}, BadConfig, "each once"),
        ({"b_elements": ()}, BadConfig, "at least one"),
        ({"anions": ("O2",)}, BadConfig, None),
        ({"tolerance": (1.0, 0.9)}, BadConfig, "is empty"),
    ],
)
def test_wrong_settings_are_refused(settings: dict, error: type, what: str | None) -> None:
    with pytest.raises(error, match=what):
        PerovskiteSpace(**settings).make(0, 1)


@pytest.mark.parametrize(
    ("words", "what"), [(["O4"], "three atoms"), (["OO-N"], "three"), (["O2P"], "'P'")]
)
def test_wrong_anions_are_refused(words: list[str], what: str) -> None:
    with pytest.raises((BadConfig, UnknownName), match=what):
        list_anions(words)


def make_table(edge) -> Dataset:
    """Perovskites whose edge is a function of the covalent radii of A, B and the X, atoms mixed."""
    radii, crystals = covalent_radii(), []
    space = PerovskiteSpace(("Ca", "Sr", "Ba", "K", "La"), ("Ti", "Zr", "Nb", "Mg"), ("O3", "O2F"))
    for crystal in space.make(0, len(space)).crystals:
        a, b, *x = radii[crystal.atomic_numbers]
        order = np.random.default_rng(len(crystals)).permutation(5)
        positions = crystal.fractional_positions[order] + 0.3
        numbers = crystal.atomic_numbers[order]
        crystals.append(Crystal(edge(a, b, sum(x)) * np.eye(3), positions, numbers, crystal.id))
    store = CrystalStore.from_crystals(crystals)
    return Dataset("made", store, pd.DataFrame(index=range(len(store))), {}, "by hand", "")


def test_learned_cells_find_a_linear_law_and_carry_it_to_new_elements() -> None:
    def law(a: float, b: float, x: float) -> float:
        return 1.5 + 0.2 * a + 0.8 * b + 0.4 * x

    cells = learn_cells(make_table(law))
    assert cells.n_fitted == 40
    assert cells.error < 1e-3
    made = PerovskiteSpace(("Rb", "Sr"), ("Hf",), ("O3", "OF2"), cells).make(0, 4)
    for crystal, column in zip(made.crystals, made.columns.itertuples(), strict=True):
        a, b, *x = covalent_radii()[crystal.atomic_numbers]
        assert column.lattice_constant == pytest.approx(law(a, b, sum(x)), abs=2e-3)


def test_the_sites_are_found_wherever_they_stand() -> None:
    table = make_table(lambda a, b, x: 4.0)
    a, b, x, rows = find_sites(table.crystals)
    names = [f"{a_}-{b_}" for a_, b_ in zip(a, b, strict=True)]
    crystal = table.crystals.ids.tolist().index("SrTiO2F")
    assert rows.tolist() == list(range(40))
    assert names[crystal] == "38-22"
    assert x[crystal].tolist() == [8, 8, 9]


def test_too_few_perovskites_are_refused() -> None:
    with pytest.raises(BadDataset, match="10 cells ABX3 of five atoms; 30 are needed"):
        learn_cells(make_table(lambda a, b, x: 4.0).take(range(10)))


def test_castelli_cells_are_learned_to_less_than_a_tenth_of_an_angstrom(shared_data) -> None:
    dataset = read_dataset(shared_data / "castelli_perovskites.parquet")
    cells = learn_cells(dataset.take(range(3000)))
    assert cells.error < 0.08
    ids = [a + b for a, b, *_ in (crystal.symbols for crystal in dataset.crystals)]
    held = [row for row in range(3000, 4000) if len(set(ids[row])) > 1]
    edges = np.linalg.norm(dataset.crystals.lattices[held, 0], axis=1)
    a, b, x, rows = find_sites(dataset.crystals.take(held))
    from xtalgraph.screening.cell_sizes import Sites

    predicted = cells.edges(Sites(a, b, x, np.full(len(rows), math.nan)))
    assert np.abs(predicted - edges[rows]).mean() < 0.08


def test_neutral_compositions_are_told_from_others() -> None:
    def crystal(*symbols: str) -> Crystal:
        positions = np.linspace(0, 0.9, len(symbols))[:, None] * np.ones(3)
        return Crystal.from_symbols(9 * np.eye(3), positions, symbols)

    store = CrystalStore.from_crystals(
        [
            crystal("Na", "Cl"),
            crystal("Na", "O"),
            crystal("Fe", "Fe", "O", "O", "O"),
            crystal("Fe", "Fe", "Fe", "O", "O", "O", "O"),  # two states of one element
            crystal("Sr", "Ti", "O", "O", "O"),
            crystal("He", "O"),
        ]
    )
    assert can_be_neutral(store).tolist() == [True, False, True, False, True, False]
