"""Space groups, Niggli cells and primitive cells over the zoo."""

import moyopy
import numpy as np
import pytest

from tests.zoo import ZOO, in_cell, rotated, supercell, transformed
from xtalgraph.errors import BadConfig, BadCrystal
from xtalgraph.structures import (
    Crystal,
    crystal_system,
    find_space_group,
    lattice_from_parameters,
    niggli_cell,
    primitive_cell,
)

GROUPS = {
    "Fe": 229, "Cu": 225, "Si": 227, "graphite": 194, "NaCl": 225, "CsCl": 221, "ZnO": 186,
    "TiO2": 136, "Al2O3": 167, "SrTiO3": 221, "SrTiO3 very skewed": 221, "triclinic": 1, "UO2": 225,
    "SrTiO3 2x2x2": 221, "SrTiO3 outside the cell": 221,
}  # fmt: skip


@pytest.mark.parametrize("name", GROUPS)
def test_space_groups_are_known_and_do_not_depend_on_the_words(name):
    assert find_space_group(ZOO[name]) == GROUPS[name]
    for crystal in transformed(ZOO[name], seed=2).values():
        assert find_space_group(crystal) == GROUPS[name]


def test_the_tolerance_is_a_distance_in_angstrom():
    positions = ZOO["SrTiO3"].fractional_positions.copy()
    positions[1, 2] += 0.03 / 3.905
    moved = Crystal(ZOO["SrTiO3"].lattice, positions, ZOO["SrTiO3"].atomic_numbers)
    assert find_space_group(moved, tolerance=0.1) == 221
    assert find_space_group(moved, tolerance=0.01) == 99


def test_crystal_systems_have_the_bounds_of_the_tables():
    firsts = [1, 3, 16, 75, 143, 168, 195]
    names = [crystal_system(number) for number in firsts]
    assert names == [
        "triclinic", "monoclinic", "orthorhombic", "tetragonal", "trigonal", "hexagonal", "cubic",
    ]  # fmt: skip
    assert [crystal_system(number - 1) for number in firsts[1:]] == names[:-1]
    for number in (0, 231):
        with pytest.raises(BadConfig, match="must lie in 1 to 230"):
            crystal_system(number)


def test_niggli_cells_are_the_same_crystal_in_one_cell():
    crystal = ZOO["triclinic"]
    reduced = niggli_cell(crystal)
    lengths = np.sort(np.linalg.norm(reduced.lattice, axis=1))
    skew = in_cell(crystal, np.array([[1, 5, 3], [0, 1, 4], [0, 0, 1]]))
    again = niggli_cell(rotated(skew, 4))
    np.testing.assert_allclose(np.sort(np.linalg.norm(again.lattice, axis=1)), lengths)
    assert again.volume == pytest.approx(crystal.volume)
    assert np.linalg.norm(skew.lattice, axis=1).max() > 2 * lengths.max()
    apart = (reduced.cartesian_positions - crystal.cartesian_positions) @ np.linalg.inv(
        crystal.lattice
    )
    np.testing.assert_allclose(apart, np.round(apart), atol=1e-9)


@pytest.mark.parametrize("name", ["SrTiO3", "NaCl", "Al2O3", "triclinic"])
def test_primitive_cells_undo_supercells(name):
    crystal = ZOO[name]
    primitive = primitive_cell(supercell(crystal))
    assert primitive.composition == crystal.composition
    assert primitive.volume == pytest.approx(crystal.volume)
    assert primitive.id == crystal.id


def test_a_degenerate_crystal_is_refused():
    twice = Crystal(3 * np.eye(3), [[0, 0, 0], [0, 0, 1e-4]], [1, 1], "twice")
    with pytest.raises(BadCrystal, match=r"'twice': its symmetry cannot be found at .* 0.01 Å"):
        find_space_group(twice)
    with pytest.raises(BadConfig, match=r"tolerance = 0.0 Å; it must lie in \(0, 1\]"):
        find_space_group(ZOO["Fe"], tolerance=0.0)


def test_an_extreme_cell_is_refused_and_not_reduced_for_ever():
    skewed = Crystal([[2, 0, 0], [0, 2, 0], [3e6, 0, 1]], [[0, 0, 0]], [1], "skewed")
    for function in (niggli_cell, find_space_group, primitive_cell):
        with pytest.raises(BadCrystal, match=r"'skewed': its lattice vectors are nearly in one"):
            function(skewed)


def test_a_failed_reduction_names_the_crystal(monkeypatch):
    def fail(basis):
        raise ValueError("no luck")

    monkeypatch.setattr("moyopy.niggli_reduce", fail)
    with pytest.raises(BadCrystal, match=r"'Fe': its cell cannot be reduced \(no luck\)"):
        niggli_cell(ZOO["Fe"])


def test_remarks_of_the_library_do_not_reach_the_log(caplog):
    """A conventional cell three times the primitive one, of which moyo remarks on left-out ones."""
    lattice = lattice_from_parameters(4.0, 4.0, 4.0, 60.0, 60.0, 60.0)
    rhombic = Crystal(lattice, [[0, 0, 0]], [29], "Cu")
    assert find_space_group(rhombic.repeated(1, 1, 3)) == 225
    assert caplog.records == []
    tripled = rhombic.repeated(1, 1, 3)
    moyopy.MoyoDataset(
        moyopy.Cell(tripled.lattice.tolist(), tripled.fractional_positions.tolist(), [29] * 3)
    )
    assert any(record.name == "moyo" for record in caplog.records)  # it does remark
