"""Batches that are filled up: few sizes, and the same results for what was there."""

import pytest
import torch

from tests.zoo import ZOO
from xtalgraph.graphs import CrystalGraph, GraphConfig, GraphLoader, build_graphs
from xtalgraph.graphs.padding import EDGES_OF_AN_ATOM, fill_up, round_up
from xtalgraph.nn import Cgcnn, CgcnnConfig, ResidualConfig, ResidualNetwork
from xtalgraph.structures import CrystalStore

CRYSTALS = [crystal for name, crystal in ZOO.items() if name != "large"]
GRAPH = build_graphs(CRYSTALS, GraphConfig("smooth"), merged=True)
N_FILLED_UP = len(CRYSTALS) + 3
NETWORKS = {
    **{
        pooling: Cgcnn(CgcnnConfig(atom_width=8, hidden_width=8, pooling=pooling), 2)
        for pooling in ("mean", "sum", "max")
    },
    "residual": ResidualNetwork(ResidualConfig(atom_width=8, n_blocks=2), 2),
}


def derive(
    network: torch.nn.Module, graph: CrystalGraph, n_crystals: int
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """The outputs of the first crystals, and the derivatives of a sum of them."""
    network.zero_grad()
    outputs = network(graph)[:n_crystals]
    (outputs * torch.linspace(-1, 1, n_crystals)[:, None]).sum().backward()
    return outputs.detach(), [parameter.grad.clone() for parameter in network.parameters()]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("compiled", [True, False])
def test_what_was_there_does_not_notice(name, compiled):
    network = NETWORKS[name]
    network.compiled = compiled
    filled_up = fill_up(GRAPH, N_FILLED_UP)
    expected = derive(network, GRAPH, len(CRYSTALS))
    found = derive(network, filled_up, len(CRYSTALS))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_a_batch_that_is_normalised_would_notice():
    """The negative twin."""
    network = Cgcnn(CgcnnConfig(atom_width=8, normalisation="batch"), 1).train()
    outputs = [network(graph)[: len(CRYSTALS)] for graph in (GRAPH, fill_up(GRAPH, N_FILLED_UP))]
    assert not torch.allclose(*outputs, rtol=1e-2, atol=1e-3)


def test_it_is_a_graph_as_any():
    """Sorted, every crystal has atoms, edges stay in their crystal, and none has very many."""
    graph = fill_up(GRAPH, N_FILLED_UP)
    assert graph.n_crystals == N_FILLED_UP
    assert (graph.n_atoms, graph.n_edges) == (round_up(graph.n_atoms), round_up(graph.n_edges))
    assert (graph.crystal.bincount(minlength=N_FILLED_UP) > 0).all()
    assert (graph.centre.diff() >= 0).all()
    assert (graph.crystal.diff() >= 0).all()
    assert torch.equal(graph.crystal[graph.centre], graph.crystal[graph.neighbour])
    assert graph.centre[GRAPH.n_edges :].bincount().max() <= EDGES_OF_AN_ATOM
    assert torch.equal(graph.centre[: GRAPH.n_edges], GRAPH.centre)


def test_a_batch_without_edges():
    alone = build_graphs([ZOO["Fe"]], GraphConfig("radius", cutoff=0.5, isolated="ignore"))
    assert alone.n_edges == 0
    graph = fill_up(alone, 2)
    assert (graph.n_edges, graph.n_crystals) == (0, 2)


def test_the_loader_fills_up():
    store = CrystalStore.from_crystals(CRYSTALS * 4)
    loaders = [
        GraphLoader(store, GraphConfig(), 8, shuffle=True, filled_up=filled_up)
        for filled_up in (False, True)
    ]
    sizes: list[set] = [set(), set()]
    for epoch in range(4):
        for loader, seen in zip(loaders, sizes, strict=True):
            loader.set_epoch(epoch)
            for graph, rows in loader:
                assert len(rows) <= 8
                assert graph.n_crystals == (9 if loader.n_filled_up else len(rows))
                seen.add((graph.n_atoms, graph.n_edges, graph.n_crystals))
    assert len(sizes[1]) < len(sizes[0]) / 2
