"""Overlapping atoms: found in every cell, against a search through all images."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tests.zoo import ZOO, in_cell, other_cell, transformed
from xtalgraph.errors import BadConfig, BadCrystal
from xtalgraph.structures import Crystal, lattice_from_parameters, refuse_overlap
from xtalgraph.structures.checks import find_overlap


def shortest_distance(crystal, reach=4):
    """Give the shortest distance through all images up to `reach` cells away."""
    wrapped = crystal.fractional_positions % 1.0
    images = np.indices((2 * reach + 1,) * 3).reshape(3, -1).T - reach
    apart = wrapped[:, None, None] - wrapped[None, :, None] + images
    distances = np.linalg.norm(apart @ crystal.lattice, axis=-1)
    return distances[distances > 0].min() if (distances == 0).sum() == crystal.n_atoms else 0.0


@pytest.mark.parametrize("name", ZOO)
def test_no_crystal_of_the_zoo_overlaps_in_any_words(name):
    for crystal in [ZOO[name], *transformed(ZOO[name], seed=1).values()]:
        refuse_overlap(crystal)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_atoms=st.sampled_from([1, 2, 5, 30]),
    min_distance=st.sampled_from([0.5, 0.9, 1.4]),
)
def test_overlaps_are_those_of_a_search_through_all_images(seed, n_atoms, min_distance):
    random = np.random.default_rng(seed)
    lengths = random.uniform(2.5, 9, size=3)
    lattice = lattice_from_parameters(*lengths, *random.uniform(65, 115, size=3))
    crystal = Crystal(lattice, random.uniform(-1, 2, size=(n_atoms, 3)), np.full(n_atoms, 6))
    expected = shortest_distance(crystal)
    for other in (crystal, other_cell(crystal, seed)):
        overlap = find_overlap(other, min_distance)
        assert (overlap is not None) == (expected < min_distance)
        if overlap is not None:
            assert expected - 1e-9 <= overlap[2] < min_distance


def test_a_pair_through_the_corner_of_a_very_skewed_cell_is_found():
    crystal = Crystal(4 * np.eye(3), [[0.01] * 3, [0.99] * 3], [6, 8], "corner")
    skewed = in_cell(crystal, np.array([[1, 5, 3], [0, 1, 4], [0, 0, 1]]))
    for other in (crystal, skewed):
        with pytest.raises(BadCrystal, match=r"'corner', site 0: C and site 1 \(O\) are 0.139 Å"):
            refuse_overlap(other)
    refuse_overlap(crystal, min_distance=0.13)


def test_overlaps_in_large_cells_are_found_wherever_they_are():
    large = ZOO["large"]
    for axis in range(3):
        positions = large.fractional_positions.copy()
        positions[7] = positions[400] + np.eye(3)[axis] * (1.0 - 0.4 / 19.5)
        crystal = Crystal(large.lattice, positions, large.atomic_numbers, "large")
        with pytest.raises(BadCrystal, match=r"site 7: .* and site 400 .* 0.400 Å apart"):
            refuse_overlap(crystal)


def test_a_cell_shorter_than_an_atom_is_refused():
    crystal = Crystal(np.diag([0.4, 5, 5]), [[0, 0, 0]], [6], "flat")
    with pytest.raises(BadCrystal, match=r"C and its own periodic image \(C\) are 0.400 Å apart"):
        refuse_overlap(crystal)
    needle = Crystal(np.diag([1e-3, 1e-3, 1e6]), [[0, 0, 0]], [6], "needle")
    with pytest.raises(BadCrystal, match=r"'needle', site 0: C and its own periodic image"):
        refuse_overlap(needle)


def test_overlaps_in_an_absurdly_skewed_cell_are_those_of_the_reduced_one():
    lattice = [[5, 0, 0], [4e6, 3, 0], [0, 0, 5]]  # the same lattice as 5 × 3 × 5 Å
    apart = Crystal(lattice, [[0, 0, 0], [0, 0, 0.5]], [6, 6], "skewed")
    assert find_overlap(apart) is None
    near = Crystal(lattice, [[0, 0, 0], [0.04, 0, 0]], [6, 6], "skewed")
    with pytest.raises(BadCrystal, match=r"'skewed', site 0: C and site 1 \(C\) are 0.200 Å apart"):
        refuse_overlap(near)


def test_a_senseless_distance_is_refused():
    with pytest.raises(BadConfig, match=r"min_distance = -1.* must lie in \(0, 10\)"):
        refuse_overlap(ZOO["Fe"], min_distance=-1.0)
