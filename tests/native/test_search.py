"""Cells and positions that crash, hang or take the memory where nobody looks at them."""

import time

import numpy as np
import pytest

from xtalgraph import _native
from xtalgraph.errors import BadCrystal
from xtalgraph.graphs import GraphConfig, build_graphs
from xtalgraph.structures import Crystal, lattice_from_parameters
from xtalgraph.structures.neighbours import NEAREST, RADIUS, SHELL, find_neighbours, has_pair_within
from xtalgraph.tolerances import SAME_SHELL

ONE = np.zeros((1, 3))
MANY = np.random.default_rng(0).random((60, 3))
CUBE = 4.0 * np.eye(3)


def search(lattice, positions, rule=SHELL, n_neighbours=12, cutoff=8.0):
    lattice, positions = np.array(lattice, float), np.array(positions, float)
    offsets = np.array([0, len(positions)])
    return find_neighbours(lattice[None], positions, offsets, 0, 1, rule, n_neighbours, cutoff)


REFUSED = {
    "a coordinate of 9.2e18": (CUBE, [[9.2e18, 0, 0]], "site 0: a fractional coordinate is 9.2e"),
    "a coordinate of 2.2e9": (CUBE, [[0, 0, 0], [0.5, -2.2e9, 0]], "site 1: a fractional coord"),
    "an infinite coordinate": (CUBE, [[np.inf, 0, 0]], "a fractional coordinate is inf"),
    "a coordinate that is no number": (CUBE, [[0, np.nan, 0]], "a fractional coordinate is nan"),
    "a lattice that is no number": (CUBE * np.nan, ONE, "not a finite number"),
    "an infinite lattice": (np.diag([4, np.inf, 4]), ONE, "not a finite number"),
    "10 m long": (np.diag([2, 2, 1e11]), MANY, "beyond 100000000 Å"),
    "skewed to the last digit": (
        [[3, 0, 0], [9e7, 3, 0], [-9e7, 9e7, 3]], MANY, "too skewed for its atoms"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_placed_is_refused(name):
    lattice, positions, message = REFUSED[name]
    with pytest.raises(BadCrystal, match=message):
        search(lattice, positions)
    with pytest.raises(BadCrystal, match=message):
        has_pair_within(np.array(lattice, float), np.array(positions, float), 0.5, "x")


def test_absurdly_many_neighbours_are_refused_at_once():
    with pytest.raises(BadCrystal, match=r"crystal '#0': absurdly many atoms lie within 1e\+03 Å"):
        search(CUBE, ONE, RADIUS, cutoff=1000.0)


@pytest.mark.parametrize("angle", [119.9, 119.999, 119.9999999])
@pytest.mark.parametrize("positions", [ONE, MANY], ids=["one", "many"])
def test_a_nearly_flat_cell_takes_no_longer_than_others(angle, positions):
    """Time grew as the third power of one over the volume: hours for the last of these."""
    begin = time.process_time()
    edges = search(lattice_from_parameters(5, 5, 5, angle, angle, angle), positions)
    assert time.process_time() - begin < 5
    assert len(edges.distance) >= len(positions)


@pytest.mark.parametrize("lattice", [[2, 2, 1e8], [2, 1e8, 1e8], [1e8, 1e8, 1e8]], ids=str)
def test_bins_are_not_many_more_than_atoms(lattice):
    """They were as many as the cell is long: gigabytes."""
    edges = search(np.diag(lattice), MANY)
    assert edges.counts.sum() == len(edges.distance) < 20 * len(MANY)


def test_what_is_left_of_a_needle_is_its_short_vector():
    for length in (0.0, 1e-150, 1e-5, 0.19):
        edges = search(np.diag([length, 3, 3]), MANY)
        assert edges.distance.tolist() == [length] * len(MANY)
        assert edges.image.tolist() == [[1, 0, 0]] * len(MANY)
        assert has_pair_within(np.diag([length, 3.0, 3.0]), MANY, 0.5)


def test_images_reach_as_far_as_positions_do():
    near, far = ([[0, 0, 0], [0.5 + shift, 0.5, 0.5 - shift]] for shift in (0, 999_999))
    there, here = search(CUBE, far), search(CUBE, near)
    np.testing.assert_allclose(there.distance, here.distance, atol=1e-8)
    moved = here.image - np.where(here.neighbour == 1, 1, -1)[:, None] * [999_999, 0, -999_999]
    between = here.neighbour != np.repeat([0, 1], here.counts)
    np.testing.assert_array_equal(there.image[between][:8], moved[between][:8])


def random_cell(random: np.random.Generator) -> np.ndarray:
    lattice = random.normal(size=(3, 3)) * random.uniform(2, 6)
    if random.random() < 0.5:  # three vectors nearly in a plane, at 120°
        lattice[2] = -(lattice[0] + lattice[1]) + 0.2 * random.normal(size=3)
    return lattice


def test_reduced_vectors_span_the_same_lattice_and_are_never_flat():
    random = np.random.default_rng(5)
    n_flat = 0
    for _ in range(2000):
        lattice = random_cell(random)
        if abs(np.linalg.det(lattice)) < 1:
            continue
        skewed = np.round(random.normal(size=(3, 3)) * 2)
        if abs(np.linalg.det(skewed)) != 1:
            skewed = np.array([[1, 3, -7], [0, 1, 5], [0, 0, 1]])
        lattice = skewed @ lattice
        reduced, forward = np.empty((3, 3)), np.empty((3, 3), np.int64)
        short, _ = _native.reduce_lattice(lattice, reduced, forward)
        assert short == -1
        assert abs(round(np.linalg.det(forward))) == 1
        np.testing.assert_allclose(forward @ lattice, reduced, atol=1e-9)
        lengths = np.linalg.norm(reduced, axis=1)
        assert abs(np.linalg.det(reduced)) > 0.3 * lengths.prod()
        n_flat += abs(np.linalg.det(lattice)) < 0.01 * np.linalg.norm(lattice, axis=1).prod()
    assert n_flat > 100  # negative twin: many of them were


def test_any_cell_of_a_lattice_has_the_same_edges():
    """Also where the reduction goes beyond pairs: distances to 1e-10 Å."""
    random = np.random.default_rng(6)
    for _ in range(100):
        lattice, positions = random_cell(random), random.random((4, 3))
        if abs(np.linalg.det(lattice)) < 4:
            continue
        matrix = np.array([[1, 2, -3], [0, 1, 4], [0, 0, 1]])
        other = positions @ np.linalg.inv(matrix)
        for rule in (SHELL, RADIUS):
            one = search(lattice, positions, rule, 12, 6.0)
            two = search(matrix @ lattice, other, rule, 12, 6.0)
            np.testing.assert_array_equal(one.counts, two.counts)
            np.testing.assert_allclose(one.distance, two.distance, atol=1e-10)


@pytest.mark.parametrize("n_neighbours", [0, 1, 1_000_000])
def test_any_number_of_neighbours_can_be_asked_for(n_neighbours):
    edges = search(CUBE, ONE, NEAREST, n_neighbours)
    assert len(edges.distance) == min(n_neighbours, 32)


def test_mutated_crystals_end_in_edges_or_in_the_packages_own_error():
    """Numbers of a crystal replaced by numbers that files have had in them."""
    random = np.random.default_rng(7)
    odd = [0.0, -0.0, 1e-320, 1e-8, 0.5, 1.0, 1e3, 1e6, 1e9, 1e18, 1e300, np.inf, np.nan]
    config, n_refused = GraphConfig("shell", 8, 6.0, isolated="ignore"), 0
    for _ in range(3000):
        n_atoms = int(random.choice([1, 3, 45]))
        lattice, positions = random_cell(random), random.random((n_atoms, 3))
        for array in (lattice, positions):
            for _ in range(random.integers(0, 3)):
                place = tuple(random.integers(0, array.shape))
                array[place] = random.choice(odd) * random.choice([1, -1, 1 + 1e-12])
        rule = int(random.choice([NEAREST, SHELL, RADIUS]))
        begin = time.process_time()
        try:
            edges = search(lattice, positions, rule, int(random.choice([0, 1, 12])), 6.0)
            assert edges.counts.sum() == len(edges.distance)
            assert np.isfinite(edges.distance).all()
            has_pair_within(lattice, positions, 0.5)
            build_graphs(Crystal(lattice, positions, np.full(n_atoms, 6)), config)
        except BadCrystal:
            n_refused += 1
        assert time.process_time() - begin < 10
    assert 300 < n_refused < 2700


def test_ties_are_those_of_the_table():
    """Two neighbours, a little less and a little more apart than what is a tie."""
    for gap, n_kept in ((0.9 * SAME_SHELL, 2), (1.1 * SAME_SHELL, 1)):
        positions = np.array([[0, 0, 0], [2, 0, 0], [0, 2 + gap, 0]]) / 20
        edges = search(20 * np.eye(3), positions, SHELL, 1, 5.0)
        assert edges.counts[0] == n_kept
