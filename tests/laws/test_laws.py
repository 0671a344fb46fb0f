"""What must hold for every model, on every crystal of the zoo; each law is shown to fail once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import Tensor, nn

from tests.zoo import ZOO, random_packing, supercell, transformed
from xtalgraph.graphs import CrystalGraph, GraphConfig, build_graphs
from xtalgraph.nn import NETWORKS, CgcnnConfig, ResidualConfig
from xtalgraph.structures import Crystal

CASES: dict[str, tuple[str, object]] = {
    "cgcnn none": ("cgcnn", CgcnnConfig(convolution="none", atom_width=12)),
    "cgcnn shared": ("cgcnn", CgcnnConfig(convolution="shared", atom_width=12)),
    "cgcnn gated": ("cgcnn", CgcnnConfig(atom_width=12)),
    "cgcnn gated, as in the paper": (
        "cgcnn",
        CgcnnConfig(atom_width=12, activate_residual=False, normalisation="none"),
    ),
    "cgcnn max, layer, learned": (
        "cgcnn",
        CgcnnConfig(atom_width=12, pooling="max", normalisation="layer", element_vectors="learned"),
    ),
    "cgcnn bond ties": ("cgcnn", CgcnnConfig(atom_width=12, distance_degeneracy=True)),
    "cgcnn linear after pooling": ("cgcnn", CgcnnConfig(atom_width=12, n_hidden=0)),
    "residual": ("residual", ResidualConfig(atom_width=12, n_blocks=2)),
    "residual linear after pooling": ("residual", ResidualConfig(atom_width=12, n_hidden=0)),
}
CHANGES = ("permuted", "rotated", "translated", "wrapped_elsewhere", "other_cell")
SMALL = [crystal for crystal in ZOO.values() if crystal.n_atoms <= 100]
TIGHT, LOOSE = 1e-9, 1e-4  # for float64 and float32, of the spread of the predictions


def make_network(case: str, dtype: torch.dtype = torch.float64) -> nn.Module:
    """Give a network with random numbers everywhere, running statistics included."""
    name, config = CASES[case]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        network = NETWORKS[name].build(config, 2).to(dtype).eval()
        if name == "residual":
            nn.init.normal_(network.composition.weight)
        for key, value in network.named_buffers():
            if key.endswith("running_mean"):
                value.normal_(0, 0.3)
            if key.endswith("running_var"):
                value.uniform_(0.5, 2.0)
    return network


@pytest.fixture(scope="module", params=CASES)
def network(request: pytest.FixtureRequest) -> nn.Module:
    return make_network(request.param)


def predict(
    network: nn.Module, crystals: Iterable[Crystal], config: GraphConfig | None = None
) -> Tensor:
    with torch.no_grad():
        return network(build_graphs(list(crystals), config))


def refuse_change(
    network: nn.Module,
    crystals: list[Crystal],
    others: list[Crystal],
    config: GraphConfig | None = None,
    tolerance: float = TIGHT,
) -> None:
    """Fail unless two lists of crystals, which should be the same crystals, are predicted alike.

    Differences are told in units of the spread of the predictions over the small zoo.
    """
    expected, found = predict(network, crystals, config), predict(network, others, config)
    spread = predict(network, SMALL, config).std(dim=0)
    error = ((found - expected).abs() / spread).amax(dim=1)
    worst = int(error.argmax())
    assert error.isfinite().all()
    assert error[worst] <= tolerance, f"{crystals[worst].id} changes by {error[worst]:.1e}"


@pytest.mark.parametrize("change", CHANGES)
def test_the_same_crystal_in_other_words_has_the_same_prediction(
    network: nn.Module, change: str
) -> None:
    crystals = list(ZOO.values())
    refuse_change(network, crystals, [transformed(crystal, 1)[change] for crystal in crystals])


@pytest.mark.parametrize("change", CHANGES)
def test_the_same_in_float32_within_its_precision(change: str) -> None:
    network = make_network("cgcnn gated", torch.float32)
    others = [transformed(crystal, 2)[change] for crystal in SMALL]
    refuse_change(network, SMALL, others, tolerance=LOOSE)


def test_a_supercell_has_the_same_prediction(network: nn.Module) -> None:
    crystals = [crystal for crystal in SMALL if crystal.n_atoms <= 10]
    refuse_change(network, crystals, [supercell(crystal) for crystal in crystals])
    refuse_change(network, crystals, [supercell(crystal, (3, 1, 2)) for crystal in crystals])


def test_a_summed_fingerprint_grows_with_the_cell() -> None:
    name, config = CASES["cgcnn gated"]
    network = NETWORKS[name].build(replace(config, pooling="sum"), 1).double().eval()
    one = network.fingerprint(build_graphs(ZOO["SrTiO3"]))
    eight = network.fingerprint(build_graphs(supercell(ZOO["SrTiO3"])))
    torch.testing.assert_close(eight, 8 * one, rtol=TIGHT, atol=0)


def test_alone_or_in_a_batch_it_is_the_same(network: nn.Module) -> None:
    together = predict(network, SMALL)
    alone = torch.cat([predict(network, [crystal]) for crystal in SMALL])
    torch.testing.assert_close(alone, together, rtol=TIGHT, atol=TIGHT)
    backwards = predict(network, SMALL[::-1]).flip(0)
    torch.testing.assert_close(backwards, together, rtol=TIGHT, atol=TIGHT)


def test_different_crystals_differ(network: nn.Module) -> None:
    """Without this, a network that gives one number for all would obey every law above."""
    names = ["Fe", "Cu", "NaCl", "ZnO", "SrTiO3", "Al2O3", "glass"]
    predicted = predict(network, [ZOO[name] for name in names])[:, 0]
    gaps = (predicted[:, None] - predicted).abs() + torch.eye(len(names))
    assert gaps.min() > 1e-6 * predicted.std()


def test_nothing_leaks_between_the_crystals_of_a_batch(network: nn.Module) -> None:
    graph = build_graphs([ZOO["NaCl"], ZOO["SrTiO3"], ZOO["ZnO"]])
    middle_atoms = graph.crystal == 1
    middle_edges = middle_atoms[graph.centre]
    changed = replace(
        graph,
        atomic_numbers=torch.where(middle_atoms, 26, graph.atomic_numbers),
        distance=torch.where(middle_edges, graph.distance * 1.1, graph.distance),
    )
    before, after = network(graph), network(changed)
    assert torch.equal(before[[0, 2]], after[[0, 2]])
    assert not torch.allclose(before[1], after[1])


def test_the_graph_is_not_changed(network: nn.Module) -> None:
    graph = build_graphs(SMALL)
    tensors = [field.name for field in fields(graph) if field.name != "n_crystals"]
    before = {name: getattr(graph, name).clone() for name in tensors}
    network(graph).sum().backward()
    assert all(torch.equal(getattr(graph, name), before[name]) for name in tensors)


@pytest.mark.parametrize("case", CASES)
def test_gradients_are_finite_and_reach_every_parameter(case: str) -> None:
    network = make_network(case).train()
    network(build_graphs(SMALL)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert (parameter.grad != 0).any() or name.endswith("gate_and_message.bias"), name


@pytest.mark.parametrize("case", CASES)
def test_a_single_crystal_can_be_trained_on(case: str) -> None:
    """One atom has no variance to normalise by; the last batch of an epoch can be one atom."""
    network = make_network(case).train()
    for name in ("Po", "Cu", "NaCl"):
        network.zero_grad()
        loss = network(build_graphs(ZOO[name])).square().sum()
        loss.backward()
        gradients = [parameter.grad for parameter in network.parameters()]
        assert loss.isfinite()
        assert all(gradient.isfinite().all() for gradient in gradients if gradient is not None)


def test_an_atom_without_neighbours_has_a_prediction(network: nn.Module) -> None:
    lonely = Crystal.from_symbols(20 * np.eye(3), [[0, 0, 0]], ["Ar"], "gas")
    config = GraphConfig(isolated="ignore")
    assert build_graphs(lonely, config).n_edges == 0
    alone = predict(network, [lonely], config)
    among = predict(network, [ZOO["NaCl"], lonely], config)[1:]
    assert alone.isfinite().all()
    torch.testing.assert_close(alone, among, rtol=TIGHT, atol=TIGHT)


def test_fingerprint_and_atom_vectors_belong_to_the_prediction(network: nn.Module) -> None:
    graph = build_graphs(SMALL)
    fingerprint, atoms = network.fingerprint(graph), network.atom_vectors(graph)
    assert len(fingerprint) == len(SMALL)
    assert atoms.shape == (graph.n_atoms, fingerprint.shape[1])
    torch.testing.assert_close(network.output(fingerprint), network(graph))
    assert network.output[-1].out_features == 2  # fine-tuning may make this layer anew


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    symbols=st.lists(st.sampled_from(["H", "O", "Ti", "Sr", "U"]), min_size=1, max_size=6),
    lengths=st.tuples(*[st.floats(3.0, 7.5)] * 3),
    rule=st.sampled_from(["shell", "radius"]),
)
def test_random_crystals_obey_the_laws(
    seed: int, symbols: list[str], lengths: tuple[float, float, float], rule: str
) -> None:
    crystal = random_packing(np.diag(lengths), symbols, 0.8, seed, "random")
    network = make_network("cgcnn gated")
    config = GraphConfig(rule=rule, cutoff=7.6)
    others = [*transformed(crystal, seed).values(), supercell(crystal)]
    refuse_change(network, [crystal] * len(others), others, config)


# Negative twins: the laws can fail.


@pytest.mark.parametrize("name", ["SrTiO3", "SrTiO3 very skewed"])
def test_shown_to_fail_twelve_nearest_depend_on_the_order_of_atoms(name: str) -> None:
    network, config = make_network("cgcnn gated"), GraphConfig(rule="nearest")
    crystal = ZOO[name]
    others = [transformed(crystal, seed)["permuted"] for seed in range(8)]
    with pytest.raises(AssertionError, match=f"{name} changes by"):
        refuse_change(network, [crystal] * 8, others, config, tolerance=1e-6)


def test_shown_to_fail_twelve_nearest_depend_on_the_cell() -> None:
    network, config = make_network("cgcnn gated"), GraphConfig(rule="nearest")
    crystal = ZOO["SrTiO3"]
    with pytest.raises(AssertionError, match="SrTiO3 changes by"):
        refuse_change(network, [crystal], [supercell(crystal)], config, tolerance=1e-6)


class FirstAtomCounts(nn.Module):
    """A model that breaks the laws: it looks at the first atom of the batch alone."""

    def forward(self, graph: CrystalGraph) -> Tensor:
        first = graph.atomic_numbers[0].double()
        own = torch.zeros(graph.n_crystals, 2, dtype=torch.float64)
        own += torch.arange(graph.n_crystals)[:, None]
        return own + first * torch.tensor([1.0, 2.0])


def test_shown_to_fail_a_model_that_uses_the_order_of_atoms() -> None:
    crystals = [ZOO["SrTiO3"], ZOO["NaCl"]]
    others = [transformed(crystal, 4)["permuted"] for crystal in crystals]
    assert others[0].atomic_numbers[0] != crystals[0].atomic_numbers[0]
    with pytest.raises(AssertionError, match="changes by"):
        refuse_change(FirstAtomCounts(), crystals, others)


def test_shown_to_fail_a_model_that_leaks_between_crystals() -> None:
    with pytest.raises(AssertionError):
        test_nothing_leaks_between_the_crystals_of_a_batch(_LeakyModel())


class _LeakyModel(FirstAtomCounts):
    def forward(self, graph: CrystalGraph) -> Tensor:
        return super().forward(graph) + graph.distance.mean()
