"""The zoo itself: its crystals are what they are called, and the changes keep them."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from tests.zoo import ZOO, in_cell, permutation, permuted, supercell, transformed


def nearest_distance(crystal):
    structure = Structure(
        Lattice(crystal.lattice), crystal.atomic_numbers, crystal.fractional_positions
    )
    return min(near.nn_distance for site in structure.get_all_neighbors(4.0) for near in site)


def test_the_zoo_has_the_cells_that_break_neighbour_searches():
    sizes = [crystal.n_atoms for crystal in ZOO.values()]
    assert min(sizes) == 1
    assert max(sizes) == 444
    assert any((c.fractional_positions < 0).any() for c in ZOO.values())
    assert {1, 92} <= set(np.concatenate([c.atomic_numbers for c in ZOO.values()]))


@pytest.mark.parametrize("name", [name for name in ZOO if name != "large"])
def test_transformed_crystals_are_the_same_crystal(name):
    crystal = ZOO[name]
    expected = nearest_distance(crystal)
    assert expected > 1.2
    for label, other in transformed(crystal, seed=3).items():
        assert other.volume == pytest.approx(crystal.volume), label
        assert nearest_distance(other) == pytest.approx(expected, abs=1e-9), label


def test_permuted_follows_its_permutation():
    crystal = ZOO["triclinic"]
    order = permutation(crystal, 7)
    assert permuted(crystal, 7).symbols == [crystal.symbols[i] for i in order]


def test_supercell_has_eight_times_the_atoms():
    assert supercell(ZOO["NaCl"]).n_atoms == 16


def test_a_change_that_is_not_unimodular_would_be_seen():
    crystal = ZOO["NaCl"]
    assert in_cell(crystal, np.diag([2, 1, 1])).volume != pytest.approx(crystal.volume)
