"""Merged graphs give what whole graphs give, and smooth ones do not jump."""

import numpy as np
import pytest
import torch

from tests.zoo import ZOO, supercell, transformed
from xtalgraph.graphs import CrystalGraph, GraphConfig, build_graphs
from xtalgraph.nn import CgcnnConfig
from xtalgraph.nn.cgcnn import Cgcnn
from xtalgraph.structures import Crystal

RULES = {
    "shell": GraphConfig("shell", isolated="ignore"),
    "smooth": GraphConfig("smooth", isolated="ignore"),
    "nearest": GraphConfig("nearest", isolated="ignore"),
    "radius": GraphConfig("radius", cutoff=4.0, isolated="ignore"),
}


@pytest.fixture(scope="module")
def networks() -> list[Cgcnn]:
    torch.manual_seed(3)
    configs = (
        CgcnnConfig(pooling="mean"),
        CgcnnConfig(pooling="sum", distance_degeneracy=True),
        CgcnnConfig(pooling="max", convolution="shared"),
    )
    return [Cgcnn(config, 2).double().eval() for config in configs]


def contents(graph: CrystalGraph) -> list[tuple]:
    """Give each node with its edges, in an order that does not depend on the numbering."""
    rows = []
    for node in range(graph.n_atoms):
        mine = graph.centre == node
        others = graph.atomic_numbers[graph.neighbour[mine]].tolist()
        lengths = graph.distance[mine].round(decimals=6).tolist()
        weights = graph.edge_weight[mine].round(decimals=5).tolist()
        edges = sorted(zip(lengths, others, weights, strict=True))
        rows.append((int(graph.atomic_numbers[node]), edges))
    return sorted(rows)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", ZOO)
def test_merging_does_not_change_a_prediction(name, rule, networks):
    whole = build_graphs(ZOO[name], RULES[rule])
    merged = build_graphs(ZOO[name], RULES[rule], deduplicated=True)
    assert int(merged.multiplicity.sum()) == whole.n_atoms
    assert whole.multiplicity.unique().tolist() == [1]
    # in a glass two images of an atom can happen to be within 1e-3 Å of one distance
    allowed = 1e-5 if name == "glass" else 1e-9
    with torch.inference_mode():
        for network in networks:
            torch.testing.assert_close(network(merged), network(whole), rtol=allowed, atol=1e-9)


def test_the_compiled_operator_takes_the_weights_too():
    torch.manual_seed(1)
    network = Cgcnn(CgcnnConfig(), 1)
    graph = build_graphs(list(ZOO.values()), RULES["smooth"], deduplicated=True)
    found, plain = [], []
    for gradients, compiled in ((found, True), (plain, False)):
        network.backend.name = "auto" if compiled else "torch"
        network.zero_grad()
        outputs = network(graph)
        outputs.square().mean().backward()
        gradients += [outputs, *(parameter.grad.clone() for parameter in network.parameters())]
    for one, other in zip(found, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rule", ["shell", "smooth"])
@pytest.mark.parametrize("name", [name for name in ZOO if name != "large"])
def test_a_merged_graph_does_not_depend_on_the_description(name, rule):
    crystal = ZOO[name]
    expected = contents(build_graphs(crystal, RULES[rule], deduplicated=True))
    variants = transformed(crystal, seed=5) | {"supercell": supercell(crystal)}
    for variant in variants.values():
        assert contents(build_graphs(variant, RULES[rule], deduplicated=True)) == expected


def test_what_is_alike_and_what_is_not():
    perovskite = build_graphs(ZOO["SrTiO3"], deduplicated=True)
    assert sorted(perovskite.multiplicity.tolist()) == [1, 1, 3]
    lattice = np.diag([4.0, 4.0, 4.2])  # two hydrogen-like atoms, one of them off the middle
    uneven = Crystal(lattice, [[0, 0, 0], [0.5, 0.5, 0.49], [0, 0.5, 0.2]], [3, 3, 8])
    assert build_graphs(uneven, deduplicated=True).multiplicity.tolist() == [1, 1, 1]


def test_equal_edges_are_counted():
    salt = build_graphs(ZOO["NaCl"], deduplicated=True)
    assert salt.n_atoms == 2
    first = salt.centre == 0
    assert salt.edge_weight[first].tolist() == [6, 12]  # other ions, then ions of its kind


def test_lengths_within_a_step_are_averaged_whatever_the_order():
    lattice = np.diag([4.0, 4.0003, 4.0006])
    positions = np.array([[0, 0, 0], [0.5, 0.5, 0.5]])
    crystal = Crystal(lattice, positions, [55, 17])
    graph = build_graphs(crystal, GraphConfig(n_neighbours=14), deduplicated=True)
    other = build_graphs(
        Crystal(lattice[::-1], positions[::-1, ::-1], [17, 55]),
        GraphConfig(n_neighbours=14),
        deduplicated=True,
    )
    torch.testing.assert_close(
        graph.distance, other.distance.flip(0).reshape(2, -1).flip(1).flatten()
    )
    whole = build_graphs(crystal, GraphConfig(n_neighbours=14))
    assert float(graph.edge_weight.sum()) == whole.n_edges


def test_smooth_weights_are_those_of_the_formula():
    crystal = ZOO["SrTiO3"]
    k = 7
    graph = build_graphs(crystal, GraphConfig("smooth", k))
    nearest = build_graphs(crystal, GraphConfig("nearest", k + 1))
    for atom in range(graph.n_atoms):
        reach = float(nearest.distance[nearest.centre == atom][k])
        distance = graph.distance[graph.centre == atom]
        assert (distance < reach).all()
        expected = (1 - (distance / reach) ** 6) ** 2
        torch.testing.assert_close(graph.edge_weight[graph.centre == atom], expected)
    assert 0 < graph.n_edges <= k * graph.n_atoms


def test_where_few_are_near_the_cutoff_is_the_reach():
    pair = Crystal(np.eye(3) * 20, [[0, 0, 0], [0.1, 0, 0]], [1, 1])
    graph = build_graphs(pair, GraphConfig("smooth", 12, cutoff=4.0))
    assert graph.edge_weight.tolist() == pytest.approx([(1 - 0.5**6) ** 2] * 2)


def test_a_small_strain_moves_a_smooth_prediction_little():
    """Oxygen has 8 of its kind at one distance; a strain splits them, and `shell` takes only 4."""
    torch.manual_seed(0)
    network = Cgcnn(CgcnnConfig(normalisation="none", n_hidden=0), 1).double().eval()
    crystal, strain = ZOO["SrTiO3"], 2e-3
    lattice = crystal.lattice @ np.diag([1 + strain, 1, 1 - strain])
    strained = Crystal(lattice, crystal.fractional_positions, crystal.atomic_numbers)
    moved = {}
    for rule in ("smooth", "shell"):
        with torch.inference_mode():
            before, after = (
                network(build_graphs(one, GraphConfig(rule, 8), deduplicated=True)).item()
                for one in (crystal, strained)
            )
        moved[rule] = abs(after - before)
    assert moved["smooth"] < 0.05 * moved["shell"]
