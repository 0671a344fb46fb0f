"""From and to the objects of pymatgen and ASE."""

import sys

import numpy as np
import pytest
from ase.build import bulk, molecule
from pymatgen.core import DummySpecies, Lattice, Molecule, Structure

from tests.zoo import ZOO
from xtalgraph.errors import BadCrystal, MissingExtra
from xtalgraph.structures import Crystal


@pytest.mark.parametrize("name", ZOO)
def test_crystals_go_to_pymatgen_and_ase_and_come_back(name):
    crystal = ZOO[name]
    back = Crystal.from_pymatgen(crystal.to_pymatgen(), id=name)
    other = Crystal.from_ase(crystal.to_ase(), id=name)
    for copy in (back, other):
        assert copy.id == name
        np.testing.assert_array_equal(copy.atomic_numbers, crystal.atomic_numbers)
        np.testing.assert_allclose(copy.lattice, crystal.lattice, atol=1e-12)
        np.testing.assert_allclose(
            copy.fractional_positions, crystal.fractional_positions, atol=1e-9
        )


def test_structures_that_are_no_ordered_crystal_are_refused():
    cubic = Lattice.cubic(4)
    mixed = Structure(cubic, [{"Na": 0.5, "K": 0.5}], [[0, 0, 0]])
    with pytest.raises(BadCrystal, match=r"'m', site 0: the site holds K:0.5.*partial occupancy"):
        Crystal.from_pymatgen(mixed, id="m")
    with pytest.raises(BadCrystal, match=r"site 1: 'X' is not an element"):
        Crystal.from_pymatgen(Structure(cubic, ["Na", DummySpecies("X")], [[0] * 3, [0.5] * 3]))
    with pytest.raises(BadCrystal, match=r"a Molecule that is not periodic"):
        Crystal.from_pymatgen(Molecule(["O"], [[0, 0, 0]]))
    slab = Structure(Lattice.cubic(4, pbc=(True, True, False)), ["Na"], [[0, 0, 0]])
    with pytest.raises(BadCrystal, match=r"a Structure that is not periodic"):
        Crystal.from_pymatgen(slab)


def test_atoms_that_are_not_periodic_are_refused():
    with pytest.raises(BadCrystal, match=r"'w': pbc is \[False, False, False\].*box first"):
        Crystal.from_ase(molecule("H2O"), id="w")
    slab = bulk("Cu")
    slab.pbc = (True, True, False)
    with pytest.raises(BadCrystal, match=r"pbc is \[True, True, False\]"):
        Crystal.from_ase(slab)
    boxless = molecule("H2O")
    boxless.pbc = True
    with pytest.raises(BadCrystal, match="the cell has no volume"):
        Crystal.from_ase(boxless)


def test_ase_is_asked_for_when_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "ase", None)
    with pytest.raises(MissingExtra, match=r"to_ase needs an extra: pip install 'xtalgraph\[ase\]"):
        ZOO["Fe"].to_ase()
