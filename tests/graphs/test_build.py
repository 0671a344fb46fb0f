"""Graphs: order of edges, vectors, batches, threads, and what is refused."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from tests.zoo import ZOO, supercell, transformed
from xtalgraph.errors import BadConfig, BadCrystal, UnknownName
from xtalgraph.graphs import CrystalGraph, GraphConfig, build, build_graphs, nearest_distances
from xtalgraph.graphs.graph import ARRAYS
from xtalgraph.structures import Crystal, CrystalStore

FAR_APART = Crystal(
    20 * np.eye(3), [[0, 0, 0], [0.5, 0.5, 0.5], [0.55, 0.5, 0.5]], [2, 1, 1], "gas"
)


def edge_rows(graph: CrystalGraph) -> list[tuple]:
    images = map(tuple, graph.image.tolist())
    return list(zip(graph.centre.tolist(), graph.neighbour.tolist(), images, strict=True))


def sorted_distances(graph: CrystalGraph) -> np.ndarray:
    """Distances of each atom's edges, atoms ordered by their element and distances."""
    distances, centre = graph.distance.numpy(), graph.centre.numpy()
    rows = [
        (int(graph.atomic_numbers[atom]), *np.round(distances[centre == atom], 6))
        for atom in range(graph.n_atoms)
    ]
    return sorted(rows)


@pytest.mark.parametrize("name", ZOO)
def test_vectors_close_and_edges_are_sorted(name):
    crystal = ZOO[name]
    graph = build_graphs(crystal)
    positions = crystal.cartesian_positions
    shifts = graph.image.numpy() @ crystal.lattice
    vectors = positions[graph.neighbour.numpy()] + shifts - positions[graph.centre.numpy()]
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), graph.distance, atol=1e-9)
    keys = zip(edge_rows(graph), graph.distance.tolist(), strict=True)
    order = [(centre, distance, other, image) for (centre, other, image), distance in keys]
    assert order == sorted(order)
    assert len(set(edge_rows(graph))) == graph.n_edges
    assert graph.distance.dtype == torch.float64
    assert graph.n_crystals == 1


@pytest.mark.parametrize("name", [name for name in ZOO if name != "large"])
def test_shell_graph_does_not_depend_on_the_description(name):
    crystal = ZOO[name]
    expected = sorted_distances(build_graphs(crystal))
    for variant in transformed(crystal, seed=3).values():
        assert sorted_distances(build_graphs(variant)) == expected
    larger = sorted_distances(build_graphs(supercell(crystal)))
    assert larger == sorted(expected * 8)


def test_nearest_rule_depends_on_the_order_of_atoms():
    """The negative twin: the rule of 2018 cuts through a shell, so its graph is ambiguous."""
    crystal = ZOO["SrTiO3"]  # titanium: 6 oxygen, then 8 strontium at one distance
    config = GraphConfig("nearest")
    chosen = set()
    for variant in transformed(crystal, seed=2).values():
        graph = build_graphs(variant, config)
        titanium = int(np.flatnonzero(variant.atomic_numbers == 22)[0])
        vectors = (
            variant.cartesian_positions[graph.neighbour.numpy()]
            + graph.image.numpy() @ variant.lattice
            - variant.cartesian_positions[graph.centre.numpy()]
        )[graph.centre.numpy() == titanium]
        # the sum over the full shells is zero; where two of eight are missing it is not
        chosen.add(round(float(np.linalg.norm(vectors.sum(axis=0))), 3))
    assert chosen != {0.0}
    shell = build_graphs(crystal)
    assert int((shell.centre == 1).sum()) == 14


@pytest.mark.parametrize("rule", ["shell", "nearest", "radius", "smooth"])
def test_batch_and_threads_change_nothing(rule, monkeypatch):
    monkeypatch.setattr(build, "LEAST_ATOMS", 100)  # so that three threads have work
    crystals = list(ZOO.values())
    config = GraphConfig(rule, cutoff=6.0, isolated="ignore")
    whole = build_graphs(crystals, config)
    for deduplicated in (False, True):
        one, three = (
            build_graphs(crystals, config, deduplicated=deduplicated, n_threads=n_threads)
            for n_threads in (1, 3)
        )
        assert one.n_crystals == three.n_crystals == len(ZOO)
        for name in ARRAYS:
            assert torch.equal(getattr(one, name), getattr(three, name))
    first_atom = 0
    for number, crystal in enumerate(crystals):
        alone = build_graphs(crystal, config)
        edges = whole.crystal[whole.centre] == number
        assert torch.equal(whole.centre[edges] - first_atom, alone.centre)
        assert torch.equal(whole.neighbour[edges] - first_atom, alone.neighbour)
        assert torch.equal(whole.image[edges], alone.image)
        assert torch.equal(whole.distance[edges], alone.distance)
        first_atom += crystal.n_atoms
    assert torch.equal(whole.crystal[whole.centre], whole.crystal[whole.neighbour])


def test_distance_equal_to_the_cutoff_is_within_it():
    simple_cubic = Crystal(4.0 * np.eye(3), [[0.1, 0.2, 0.3]], [84])
    assert build_graphs(simple_cubic, GraphConfig("radius", cutoff=4.0)).n_edges == 6
    tight = GraphConfig("radius", cutoff=3.999, isolated="ignore")
    assert build_graphs(simple_cubic, tight).n_edges == 0


def test_fewer_neighbours_than_asked_for_are_not_padded():
    graph = build_graphs(FAR_APART, GraphConfig("shell", 12, 1.5, isolated="ignore"))
    assert edge_rows(graph) == [(1, 2, (0, 0, 0)), (2, 1, (0, 0, 0))]


def test_isolated_site_is_named():
    config = GraphConfig(cutoff=5.0)
    with pytest.raises(BadCrystal, match=r"crystal 'gas', site 0: no neighbour within 5.0 Å.*isol"):
        build_graphs(FAR_APART, config)
    with pytest.warns(UserWarning, match="site 0: no neighbour"):
        build_graphs(FAR_APART, GraphConfig(cutoff=5.0, isolated="warn"))


def test_nearest_distances_stand_in_rows():
    near = nearest_distances(CrystalStore.from_crystals([ZOO["Si"], FAR_APART]), 5, cutoff=5.0)
    bond = 5.431 * np.sqrt(3) / 4
    np.testing.assert_allclose(near[:2, :4], bond)
    np.testing.assert_allclose(near[:2, 4], 5.431 / np.sqrt(2))
    pair = [1.0, *[np.inf] * 4]
    np.testing.assert_allclose(near[2:], [[np.inf] * 5, pair, pair])


@pytest.mark.parametrize("n_threads", [1, 4])
def test_a_crystal_is_named_by_its_place_whichever_thread_finds_it(n_threads, monkeypatch):
    monkeypatch.setattr(build, "LEAST_ATOMS", 2)
    bad = Crystal(4 * np.eye(3), [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0.55]], [1, 8, 8])
    good = Crystal(ZOO["Si"].lattice, ZOO["Si"].fractional_positions, [14, 14])
    with pytest.raises(BadCrystal, match="crystal '#7', site 1: another atom"):
        build_graphs([good] * 7 + [bad] + [good] * 7, n_threads=n_threads)
    far = Crystal(20 * np.eye(3), [[0, 0, 0]], [2])
    with pytest.raises(BadCrystal, match="crystal '#5', site 0: no neighbour"):
        build_graphs([good] * 5 + [far] + [good] * 7, n_threads=n_threads)


def test_overlapping_atoms_are_refused_with_their_site():
    near = Crystal(4 * np.eye(3), [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0.55]], [1, 8, 8], "bad")
    with pytest.raises(BadCrystal, match=r"crystal 'bad', site 1: another atom lies 0.200 Å"):
        build_graphs([ZOO["Si"], near])


def test_a_cell_far_too_short_is_refused_at_once():
    """Its images within 8 Å would fill the memory: 10^11 of them."""
    needle = Crystal(np.diag([1e-5, 3.0, 3.0]), [[0, 0, 0], [0.5, 0.5, 0.5]], [6, 8], "needle")
    for rule in ("shell", "radius"):
        with pytest.raises(BadCrystal, match=r"crystal .needle., site 0: another atom"):
            build_graphs([ZOO["Si"], needle], GraphConfig(rule))


def test_empty_batch():
    graph = build_graphs([])
    assert (graph.n_crystals, graph.n_atoms, graph.n_edges) == (0, 0, 0)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"rule": "shel"}, UnknownName, "Did you mean 'shell'"),
        ({"isolated": "stop"}, UnknownName, "policy for isolated sites 'stop'"),
        ({"n_neighbours": 0}, BadConfig, "n_neighbours = 0; it must be 1 or more"),
        ({"cutoff": -1.0}, BadConfig, "cutoff = -1.0; it must be above 0"),
    ],
)
def test_bad_settings_are_refused(settings, error, message):
    with pytest.raises(error, match=message):
        GraphConfig(**settings)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 20))
def test_random_crystals_equal_brute_force(seed, n_atoms, n_neighbours):
    """All images within three cells, counted one by one: a search no reader can doubt."""
    random = np.random.default_rng(seed)
    lattice = 5 * np.eye(3) + random.uniform(-1.2, 1.2, (3, 3))
    positions = random.uniform(-2, 2, (n_atoms, 3))
    crystal = Crystal(lattice, positions, random.integers(1, 100, n_atoms))
    images = np.array(list(itertools.product(range(-8, 9), repeat=3)))
    cartesian = crystal.cartesian_positions
    vectors = cartesian[None, :, None] + images @ lattice - cartesian[:, None, None]
    distances = np.linalg.norm(vectors, axis=-1)
    if (np.sort(distances.reshape(n_atoms, -1))[:, 1] < 0.5).any():
        return  # overlapping atoms are another test's business
    graph = build_graphs(crystal, GraphConfig("shell", n_neighbours, 6.0, isolated="ignore"))
    for atom in range(n_atoms):
        all_distances = np.sort(distances[atom].ravel())[1:]
        within = all_distances[all_distances <= 6.0]
        if len(within) > n_neighbours:
            within = within[within <= within[n_neighbours - 1] + 1e-3]
        found = graph.distance[graph.centre == atom].numpy()
        np.testing.assert_allclose(found, within, atol=1e-9)
