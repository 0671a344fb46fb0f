"""The gated convolution against PyTorch Geometric's, and the other two against plain loops."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.zoo import ZOO
from xtalgraph.graphs import CrystalGraph, GraphConfig, build_graphs
from xtalgraph.nn.cgcnn import (
    GatedConvolution,
    SelfConvolution,
    SharedConvolution,
)
from xtalgraph.nn.configs import CgcnnConfig
from xtalgraph.nn.gated_sum import sum_at_centres
from xtalgraph.structures import Crystal

WIDTH, N_GAUSSIANS = 9, 7
PAPER = CgcnnConfig(
    atom_width=WIDTH,
    n_gaussians=N_GAUSSIANS,
    activation="softplus",
    normalisation="none",
    activate_residual=False,
)


@pytest.fixture(scope="module")
def graph() -> CrystalGraph:
    return build_graphs([ZOO[name] for name in ("SrTiO3", "Fe", "triclinic", "MoS2")])


@pytest.fixture(scope="module")
def vectors(graph: CrystalGraph) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(3)
    atoms = torch.randn(graph.n_atoms, WIDTH, generator=random, dtype=torch.float64)
    edges = torch.rand(graph.n_edges, N_GAUSSIANS, generator=random, dtype=torch.float64)
    return atoms.requires_grad_(), edges.requires_grad_()


def make_cgconv(ours: GatedConvolution) -> torch.nn.Module:
    """Give PyG's layer with our numbers: ours holds gate and message in one matrix."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the import warns of things that are not ours
        from torch_geometric.nn import CGConv

        theirs = CGConv(WIDTH, N_GAUSSIANS, aggr="add", batch_norm=False).double()
    gate_weight, message_weight = ours.gate_and_message.weight.detach().chunk(2)
    gate_bias, message_bias = ours.gate_and_message.bias.detach().chunk(2)
    theirs.lin_f.load_state_dict({"weight": gate_weight, "bias": gate_bias})
    theirs.lin_s.load_state_dict({"weight": message_weight, "bias": message_bias})
    return theirs


def test_gated_equals_cgconv_with_its_gradients(
    graph: CrystalGraph, vectors: tuple[Tensor, Tensor]
) -> None:
    atoms, edges = vectors
    ours = GatedConvolution(PAPER).double()
    theirs = make_cgconv(ours)
    # PyG sends messages from row 0 to row 1: neighbour to centre.
    found = ours(atoms, edges, graph)
    expected = theirs(atoms, torch.stack([graph.neighbour, graph.centre]), edges)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    slope = torch.linspace(-1, 1, found.numel(), dtype=torch.float64).view_as(found)
    for one, other in zip(
        torch.autograd.grad((found * slope).sum(), [atoms, edges]),
        torch.autograd.grad((expected * slope).sum(), [atoms, edges]),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-11)


def test_shown_to_fail_the_direction_of_edges_matters(
    graph: CrystalGraph, vectors: tuple[Tensor, Tensor]
) -> None:
    atoms, edges = vectors
    ours = GatedConvolution(PAPER).double()
    backwards = make_cgconv(ours)(atoms, torch.stack([graph.centre, graph.neighbour]), edges)
    assert not torch.allclose(ours(atoms, edges, graph), backwards)


def test_shared_equals_equation_4_in_a_loop(
    graph: CrystalGraph, vectors: tuple[Tensor, Tensor]
) -> None:
    atoms, edges = vectors
    ours = SharedConvolution(PAPER).double()
    found = ours(atoms, edges, graph)
    for i in range(graph.n_atoms):
        around = torch.zeros(WIDTH + N_GAUSSIANS, dtype=torch.float64)
        for edge in (graph.centre == i).nonzero().flatten():
            around = around + torch.cat([atoms[graph.neighbour[edge]], edges[edge]])
        argument = ours.around.weight @ around + ours.own.weight @ atoms[i] + ours.own.bias
        expected = torch.log1p(torch.exp(argument))
        torch.testing.assert_close(found[i], expected, rtol=1e-12, atol=1e-12)


def test_none_looks_at_no_neighbour(graph: CrystalGraph, vectors: tuple[Tensor, Tensor]) -> None:
    atoms, edges = vectors
    ours = SelfConvolution(PAPER).double()
    expected = torch.log1p(torch.exp(atoms @ ours.own.weight.T + ours.own.bias))
    torch.testing.assert_close(ours(atoms, edges, graph), expected, rtol=1e-12, atol=1e-12)
    assert torch.equal(ours(atoms, edges, graph), ours(atoms, 5 * edges, graph))


def test_sums_at_centres_equal_a_loop() -> None:
    lonely = Crystal(30 * np.eye(3), [[0, 0, 0]], [2])
    graph = build_graphs([ZOO["SrTiO3"], lonely], GraphConfig("smooth", isolated="ignore"))
    messages = torch.randn(graph.n_edges, 3, dtype=torch.float64)
    found = sum_at_centres(messages, graph)
    expected = torch.zeros(graph.n_atoms, 3, dtype=torch.float64)
    for edge in range(graph.n_edges):
        expected[graph.centre[edge]] += graph.edge_weight[edge] * messages[edge]
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-13)
    assert found[-1].eq(0).all()
