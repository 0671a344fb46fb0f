"""Prototypes: which sites change, how the cell follows, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from xtalgraph.errors import BadConfig, UnknownName
from xtalgraph.screening import PrototypeSpace, Substitution, read_prototype
from xtalgraph.screening.cell_sizes import covalent_radii
from xtalgraph.structures import Crystal, write_crystal
from xtalgraph.structures.elements import atomic_number

SPINEL = """data_MgAl2O4
_symmetry_space_group_name_H-M 'F d -3 m :2'
_space_group_IT_number 227
_cell_length_a 8.08
_cell_length_b 8.08
_cell_length_c 8.08
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_chemical_formula_sum 'Mg Al2 O4'
loop_
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Mg1 0.125 0.125 0.125
Al1 0.5 0.5 0.5
O1 0.2624 0.2624 0.2624
"""
TWO_IRONS = Crystal.from_symbols(
    4.0 * np.eye(3), [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0, 0]], ["Fe", "Fe", "O"], "twin"
)


@pytest.fixture
def spinel(tmp_path: Path) -> Path:
    path = tmp_path / "MgAl2O4.cif"
    path.write_text(SPINEL)
    return path


def test_an_element_stands_for_all_its_sites(spinel: Path) -> None:
    space = read_prototype(spinel, ["Al=Al,Ga,In", "Mg=Zn,Mg"])
    made = space.make(0, len(space)).crystals
    assert len(made) == 6
    assert made.ids.tolist()[:3] == [f"MgAl2O4-{two}" for two in ("Al-Zn", "Al-Mg", "Ga-Zn")]
    assert made[2].reduced_formula == "ZnGa2O4"
    assert len({crystal.reduced_formula for crystal in made}) == 6


def test_a_label_stands_for_its_orbit_whatever_the_symmetry(spinel: Path) -> None:
    by_label = read_prototype(spinel, ["Mg1=Zn", "O1=S"])
    by_element = read_prototype(spinel, ["Mg=Zn", "O=S"])
    first, second = (space.make(0, 1).crystals[0] for space in (by_label, by_element))
    assert first.reduced_formula == "Al2ZnS4"
    np.testing.assert_array_equal(first.atomic_numbers, second.atomic_numbers)
    np.testing.assert_array_equal(first.lattice, second.lattice)


def test_labels_tell_sites_of_one_element_apart(tmp_path: Path) -> None:
    write_crystal(TWO_IRONS, tmp_path / "twin.cif")
    space = read_prototype(tmp_path / "twin.cif", ["Fe1=Co,Ni"])
    assert [crystal.symbols for crystal in space.make(0, 2).crystals] == [
        ["Fe", "Co", "O"],
        ["Fe", "Ni", "O"],
    ]
    assert space.make(0, 2).columns["site_Fe1"].tolist() == ["Co", "Ni"]


def test_the_cell_follows_the_covalent_radii(spinel: Path) -> None:
    space = read_prototype(spinel, ["Mg=Mg,Ba"])
    same, larger = space.make(0, 2).crystals
    np.testing.assert_allclose(same.lattice, space.crystal.lattice)
    radii = covalent_radii()[[atomic_number(s) for s in ("Mg", "Al", "O", "Ba")]]
    magnesium, aluminium, oxygen, barium = radii
    rest = 2 * aluminium + 4 * oxygen
    ratio = (barium + rest) / (magnesium + rest)
    np.testing.assert_allclose(larger.lattice, ratio * space.crystal.lattice)
    np.testing.assert_array_equal(larger.fractional_positions, space.crystal.fractional_positions)


@pytest.mark.parametrize("size", [1, 5, 12])
def test_however_it_is_cut_the_candidates_are_the_same(spinel: Path, size: int) -> None:
    space = read_prototype(spinel, ["Al=Al,Ga,In,Sc", "O=O,S,Se"])
    whole = space.make(0, 12).crystals
    pieces = [space.make(first, first + size).crystals for first in range(0, 12, size)]
    assert [id for piece in pieces for id in piece.ids] == whole.ids.tolist()
    lattices = np.concatenate([piece.lattices for piece in pieces])
    np.testing.assert_array_equal(lattices, whole.lattices)


def test_an_element_without_a_radius_is_listed(spinel: Path) -> None:
    made = read_prototype(spinel, ["Mg=Mg,Lr"]).make(0, 2)
    assert len(made.crystals) == 1
    assert made.rejected[0].id == "MgAl2O4-Lr"
    assert "no covalent radius of Lr" in made.rejected[0].reason


@pytest.mark.parametrize(
    ("words", "error", "what"),
    [
        (["Ti=Zr"], UnknownName, r"site of the prototype 'Ti'.*Al1"),
        (["Mg"], BadConfig, "write SITES=ELEMENTS"),
        (["Mg="], BadConfig, "write SITES=ELEMENTS"),
        (["Mg=Qq"], UnknownName, "'Qq'"),
        (["Mg=Zn", "Mg1=Ca"], BadConfig, "no site twice"),
        ([], BadConfig, "at least one"),
    ],
)
def test_wrong_substitutions_are_refused(
    spinel: Path, words: list[str], error: type, what: str
) -> None:
    with pytest.raises(error, match=what):
        read_prototype(spinel, words)


def test_a_prototype_in_another_format_is_named_by_elements(tmp_path: Path) -> None:
    write_crystal(TWO_IRONS, tmp_path / "POSCAR")
    space = read_prototype(tmp_path / "POSCAR", ["Fe=Mn"])
    assert space.make(0, 1).crystals[0].composition == {"Mn": 2, "O": 1}
    with pytest.raises(UnknownName):
        read_prototype(tmp_path / "POSCAR", ["Fe0=Mn"])


def test_sites_may_be_given_by_number() -> None:
    space = PrototypeSpace(TWO_IRONS, (Substitution("first", (0,), ("Co", "Fe")),))
    assert [crystal.symbols[0] for crystal in space.make(0, 2).crystals] == ["Co", "Fe"]
