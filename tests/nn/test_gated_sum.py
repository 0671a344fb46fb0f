"""The compiled gated sum equals the plain one: values, derivatives, running statistics."""

import copy
import tracemalloc

import numpy as np
import pytest
import torch

from tests.nn.gated_sum_cases import BASIS, GRAPHS, Case, find_near_gaussians, relative_error
from tests.zoo import ZOO
from xtalgraph import _native
from xtalgraph.errors import BadConfig
from xtalgraph.graphs import GraphConfig, build_graphs
from xtalgraph.nn import Cgcnn, CgcnnConfig, ResidualConfig, ResidualNetwork
from xtalgraph.nn.gated_sum import Backend, gated_sum, operator
from xtalgraph.nn.gated_sum.kernel import N_NEAR, NearGaussians
from xtalgraph.nn.gated_sum.triton_form import place_bonds
from xtalgraph.structures import Crystal

CRYSTALS = [crystal for name, crystal in ZOO.items() if name != "large"]
GRAPH = build_graphs(CRYSTALS)
SETTINGS = [
    {"activation": activation, "normalisation": normalisation}
    for activation in ("softplus", "silu", "relu")
    for normalisation in ("batch", "layer", "none")
]


def make_pair(settings: dict, seed: int = 0) -> tuple[Cgcnn, Cgcnn]:
    """A compiled network and the same network in plain form."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        compiled = Cgcnn(CgcnnConfig(atom_width=16, hidden_width=8, **settings), 1)
        for module in compiled.modules():
            if isinstance(module, torch.nn.BatchNorm1d | torch.nn.LayerNorm):
                torch.nn.init.uniform_(module.weight, 0.5, 1.5)
                torch.nn.init.uniform_(module.bias, -0.5, 0.5)
    plain = copy.deepcopy(compiled)
    plain.backend.name = "torch"
    assert compiled.backend.can_be_fused
    return compiled, plain


def test_the_residual_network_is_the_same_in_both_forms():
    torch.manual_seed(4)
    graph = build_graphs(CRYSTALS, GraphConfig("smooth"), deduplicated=True)
    network = ResidualNetwork(ResidualConfig(atom_width=16, hidden_width=8), 2)
    assert network.backend.can_be_fused
    results = []
    for network.backend.name in ("auto", "torch"):
        network.zero_grad()
        output = network(graph)
        (output * torch.linspace(-1, 1, len(output))[:, None]).sum().backward()
        results.append([output, *(parameter.grad.clone() for parameter in network.parameters())])
    for found, expected in zip(*results, strict=True):
        assert relative_error(found, expected) < 1e-4


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("is_training", [True, False])
def test_values_and_derivatives_equal_the_plain_form(settings, is_training):
    compiled, plain = make_pair(settings)
    results = []
    for network in (compiled, plain):
        network.train(is_training)
        output = network(GRAPH)
        (output * torch.linspace(-1, 1, len(output))[:, None]).sum().backward()
        results.append(output)
    assert relative_error(results[0], results[1]) < 1e-5
    largest = max(parameter.grad.norm() for parameter in plain.parameters())
    for name, expected in plain.named_parameters():
        found = compiled.get_parameter(name).grad
        # a bias before a normalisation has no derivative but what rounding leaves of it
        assert (found - expected.grad).norm() < 2e-4 * expected.grad.norm() + 1e-5 * largest, name
    for name, expected in plain.named_buffers():
        found = compiled.get_buffer(name).double()
        torch.testing.assert_close(
            found, expected.double(), rtol=1e-4, atol=1e-5, equal_nan=True, msg=name
        )


def test_plain_form_is_in_float64_the_judge():
    """Both forms are equally near to float64: neither is the approximation of the other."""
    compiled, plain = make_pair({})
    exact = copy.deepcopy(plain).double().train()
    errors = [
        relative_error(network.train()(GRAPH).double(), exact(GRAPH))
        for network in (compiled, plain)
    ]
    assert max(errors) < 1e-5


def test_twenty_steps_give_the_same_losses():
    losses = []
    for network in make_pair({"normalisation": "batch"}, seed=3):
        network.train()
        optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
        target = torch.linspace(-1, 1, GRAPH.n_crystals)[:, None]
        curve = []
        for _ in range(20):
            optimiser.zero_grad()
            loss = (network(GRAPH) - target).square().mean()
            loss.backward()
            optimiser.step()
            curve.append(loss.item())
        losses.append(curve)
    assert losses[0][-1] < 0.7 * losses[0][0]
    torch.testing.assert_close(*map(torch.tensor, losses), rtol=1e-5, atol=1e-5)


def test_a_wrong_derivative_would_be_seen():
    """The negative twin: with the running statistics taken for the batch's the test above fails."""
    compiled, plain = make_pair({"normalisation": "batch"})
    compiled.eval()
    plain.train()
    assert relative_error(compiled(GRAPH), plain(GRAPH)) > 1e-3


def test_what_the_operator_cannot_take_goes_the_plain_way():
    compiled, _ = make_pair({})
    compiled.double()
    assert compiled(GRAPH).dtype == torch.float64
    compiled.float()
    distance = GRAPH.distance.clone().requires_grad_()
    fields = {name: getattr(GRAPH, name) for name in GRAPH.__dataclass_fields__}
    compiled(type(GRAPH)(**fields | {"distance": distance})).sum().backward()
    assert distance.grad.abs().max() > 0
    assert not Cgcnn(CgcnnConfig(activation="tanh"), 1).backend.can_be_fused
    assert not Cgcnn(CgcnnConfig(convolution="shared"), 1).backend.can_be_fused


def test_atoms_without_edges_and_a_single_edge():
    lonely = Crystal([[20, 0, 0], [0, 20, 0], [0, 0, 20]], [[0, 0, 0], [0.06, 0, 0]], [1, 8])
    helium = Crystal([[20, 0, 0], [0, 20, 0], [0, 0, 20]], [[0, 0, 0]], [2])
    graph = build_graphs([helium, lonely], GraphConfig(cutoff=2.0, isolated="ignore"))
    assert graph.n_edges == 2
    compiled, plain = make_pair({"normalisation": "batch"})
    for network in (compiled.eval(), plain.eval()):
        assert torch.isfinite(network(graph)).all()
    assert relative_error(compiled(graph), plain(graph)) < 1e-5
    one_way = build_graphs([helium], GraphConfig(cutoff=2.0, isolated="ignore"))
    assert torch.isfinite(compiled.train()(one_way)).all()


def test_near_gaussians_are_the_gaussians_that_are_not_zero():
    """At every distance, also beyond the first and the last Gaussian."""
    distance = np.concatenate([np.linspace(0.0, 12.0, 4001), [40.0, 1e4]])
    first = np.empty(len(distance), np.int32)
    values = np.empty((len(distance), N_NEAR), np.float32)
    start, step, n_gaussians = 1.0, 0.2, 36
    _native.expand_near(distance, start, step, n_gaussians, first, values)
    place = (distance[:, None] - start) / step - np.arange(n_gaussians)
    found = np.zeros(place.shape)
    np.put_along_axis(found, first[:, None] + np.arange(N_NEAR), values, axis=1)
    np.testing.assert_allclose(found, np.exp(-(place**2)), rtol=0, atol=1.2e-7)


@pytest.mark.parametrize("activation", ["softplus", "silu", "relu"])
@pytest.mark.parametrize("column", [0, 5])
def test_what_is_no_number_stays_none(activation, column):
    """Whether it comes to the gate or to the message."""
    case = Case("whole", 4, activation, "none")
    case.parts["centre"][0, column] = torch.nan
    sums = case.compute(find_near_gaussians)["sums"]
    assert sums[0, column % 4].isnan()
    assert sums.isnan().sum() == 1


@pytest.mark.parametrize("normalisation", ["none", "layer", "batch"])
def test_no_edge_is_stored_unless_normalised_over_a_batch(normalisation):
    """Memory of arrays, forward and back; with a batch it is two rows of each edge, at least."""
    graph = build_graphs([ZOO["SrTiO3"]] * 40)
    network, _ = make_pair({"normalisation": normalisation})
    network(graph).sum().backward()  # torch loads what it needs
    tracemalloc.start()
    network(graph).sum().backward()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    row = 2 * 16 * 4  # bytes of an argument
    assert (peak > 2 * graph.n_edges * row) == (normalisation == "batch")
    assert (peak < graph.n_edges * row) == (normalisation != "batch")


@pytest.mark.parametrize("graph", ["merged", "one pair", "no edges"])
def test_bonds_as_triton_takes_them_are_the_bonds(graph):
    """A place gives the bond vector, and each edge is found by both its ends."""
    graph = GRAPHS[graph]
    bonds = place_bonds(graph, BASIS)
    component = torch.arange(BASIS.n_gaussians) - bonds.first[:, None]
    near = torch.exp(-((bonds.place[:, None] - component) ** 2)) * (component >= 0)
    vectors = near * (component < N_NEAR)
    torch.testing.assert_close(vectors, BASIS(graph.distance).float(), rtol=1e-5, atol=2e-7)
    order, starts = bonds.by_neighbour
    for atom in range(graph.n_atoms):
        mine = torch.arange(int(bonds.starts[atom]), int(bonds.starts[atom + 1]))
        assert torch.equal(mine, (graph.centre == atom).nonzero()[:, 0])
        towards = order[starts[atom] : starts[atom + 1]]
        assert torch.equal(towards, (graph.neighbour == atom).nonzero()[:, 0])


def test_the_form_is_chosen_by_device_and_type(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    graph, atoms = GRAPHS["merged"], torch.zeros(GRAPHS["merged"].n_atoms, 4)
    for name, form in (("auto", NearGaussians), ("torch", torch.Tensor)):
        assert isinstance(make_backend(name).select(graph, atoms, BASIS), form)
    backend = make_backend("auto")
    assert backend.select(graph, atoms.double(), BASIS).dtype == torch.float64
    assert backend.select(graph, atoms.bfloat16(), BASIS).dtype == torch.bfloat16


def make_backend(name: str) -> Backend:
    return Backend(name, "gaussian", BASIS.start, BASIS.stop, BASIS.n_gaussians)


def test_triton_is_refused_where_it_cannot_run(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    graph = GRAPHS["merged"]
    with pytest.raises(BadConfig, match=r"'triton' cannot run on cpu"):
        Cgcnn(CgcnnConfig(backend="triton"), 1)(graph)
    for settings in ({"activation": "tanh"}, {"convolution": "shared"}, {"n_gaussians": 5}):
        with pytest.raises(BadConfig, match="the kernels lack a part of this network"):
            Cgcnn(CgcnnConfig(backend="triton", **settings), 1)


def test_a_first_batch_on_which_triton_differs_is_refused(monkeypatch):
    """With a kernel that is wrong; the interpreter tests show that the right one passes."""

    def compute(from_centre, from_neighbour, bond_weight, bonds, normalise, activation):
        vectors = BASIS(GRAPHS["merged"].distance.float())
        rest = GRAPHS["merged"], normalise, activation
        sums = gated_sum(from_centre, from_neighbour, bond_weight, vectors, *rest)
        return sums * factor

    monkeypatch.setattr(operator, "triton_gated_sum", compute)
    monkeypatch.setattr(operator, "runs_triton_on", lambda device: True)
    for factor in (1.00001, 1.001, torch.nan):
        network = Cgcnn(CgcnnConfig(backend="triton", normalisation="batch"), 1)
        if factor == 1.00001:
            network(GRAPHS["merged"])
            assert network.convolutions[0].normalise_edges.num_batches_tracked == 1
            continue
        with pytest.raises(
            BadConfig, match=r"the gated sum of Triton's kernels differs.*(0\.001|nan)"
        ):
            network(GRAPHS["merged"])
