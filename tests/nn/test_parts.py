"""Bond vectors, pooling, activations, normalisations, and the settings that name them."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings, strategies as st

from tests.zoo import ZOO
from xtalgraph.errors import BadConfig, UnknownName
from xtalgraph.graphs import CrystalGraph, build_graphs
from xtalgraph.nn import (
    ACTIVATIONS,
    CONVOLUTIONS,
    NETWORKS,
    NORMALISATIONS,
    POOLINGS,
    RADIAL_BASES,
    CgcnnConfig,
    Network,
    NetworkConfig,
    NumpyNetwork,
    Pooling,
    network_name,
)
from xtalgraph.nn.registry import load_form
from xtalgraph.nn.torch_parts import (
    BatchNorm,
    GaussianBasis,
    make_activation,
    make_normalisation,
    make_radial_basis,
)
from xtalgraph.settings import decisive_settings


def test_gaussians_are_those_of_2018() -> None:
    basis = GaussianBasis(0.0, 8.0, 41)
    found = basis(torch.tensor([0.0, 1.97, 8.0, 9.5], dtype=torch.float64))
    for row, distance in zip(found, (0.0, 1.97, 8.0, 9.5), strict=True):
        expected = [math.exp(-((distance - 0.2 * k) ** 2) / 0.2**2) for k in range(41)]
        torch.testing.assert_close(row, torch.tensor(expected).double(), rtol=1e-6, atol=1e-9)
    assert basis(torch.tensor([1.0])).dtype == torch.float32


@pytest.mark.parametrize(("start", "stop", "number"), [(0, 8, 1), (8, 8, 9), (-1, 8, 9)])
def test_gaussians_without_room_are_refused(start: float, stop: float, number: int) -> None:
    with pytest.raises(BadConfig, match="Gaussians from"):
        GaussianBasis(float(start), float(stop), number)


def nodes(crystal: torch.Tensor, n_crystals: int, multiplicity: torch.Tensor) -> CrystalGraph:
    """Give a graph of nodes without edges."""
    none = torch.zeros(0)
    return CrystalGraph(
        torch.ones_like(crystal), crystal, none.long(), none.long(), none.int().reshape(0, 3),
        none, none, multiplicity, n_crystals,
    )  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.integers(0, 99))
def test_poolings_equal_a_loop(counts: list[int], seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    crystal = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    atoms = torch.randn(len(crystal), 3, generator=random, dtype=torch.float64)
    order = torch.randperm(len(crystal), generator=random)  # atoms need not be in order
    times = torch.randint(1, 4, crystal.shape, generator=random)  # a node stands for so many
    graph = nodes(crystal[order], len(counts), times[order])
    for name, of_rows in {
        "mean": lambda rows: rows.mean(0),
        "sum": lambda rows: rows.sum(0),
        "max": lambda rows: rows.max(0).values,
    }.items():
        found = load_form(POOLINGS[name].in_torch)(atoms[order], graph)
        every, owner = atoms.repeat_interleave(times, 0), crystal.repeat_interleave(times)
        expected = torch.stack([of_rows(every[owner == i]) for i in range(len(counts))])
        torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-13)


def test_equal_atoms_share_the_gradient_of_the_largest() -> None:
    atoms = torch.tensor([[1.0], [3.0], [3.0]], requires_grad=True)
    graph = nodes(torch.tensor([0, 0, 0]), 1, torch.ones(3, dtype=torch.long))
    load_form(POOLINGS["max"].in_torch)(atoms, graph).sum().backward()
    assert atoms.grad.flatten().tolist() == [0.0, 0.5, 0.5]


def test_every_activation_is_one() -> None:
    values = torch.linspace(-3, 3, 7)
    found = {name: make_activation(name)(values) for name in ACTIVATIONS}
    assert torch.equal(found["relu"], values.clamp(min=0))
    torch.testing.assert_close(found["softplus"], torch.log1p(values.exp()))
    assert len({tuple(result.tolist()) for result in found.values()}) == len(found)


def test_normalisations_do_what_their_names_say() -> None:
    values = torch.randn(50, 4) * 3 + 2
    batch, layer = make_normalisation("batch", 4)(values), make_normalisation("layer", 4)(values)
    torch.testing.assert_close(batch.mean(0), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(layer.mean(1), torch.zeros(50), atol=1e-5, rtol=0)
    assert torch.equal(make_normalisation("none", 4)(values), values)


def test_one_row_is_normalised_with_the_running_statistics() -> None:
    norm = BatchNorm(3)
    norm(torch.randn(100, 3) + 5)
    before = norm.running_mean.clone()
    row = torch.tensor([[1.0, 2.0, 3.0]])
    trained = norm(row)
    assert torch.equal(trained, norm.eval()(row))
    assert torch.equal(norm.running_mean, before)
    assert norm.train()(torch.empty(0, 3)).shape == (0, 3)


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"unknown pooling 'meen'. Did you mean 'mean'\?"):
        POOLINGS["meen"]
    with pytest.raises(UnknownName, match=r"unknown activation 'sofplus'.*'softplus'\?"):
        make_activation("sofplus")
    with pytest.raises(UnknownName, match=r"unknown normalisation 'bach'.*'batch'\?"):
        make_normalisation("bach", 3)
    with pytest.raises(UnknownName, match=r"unknown model 'cgnn'.*'cgcnn'\?"):
        NETWORKS["cgnn"]
    with pytest.raises(UnknownName, match="unknown model config 'int'"):
        network_name(3)
    assert set(POOLINGS) == {"mean", "sum", "max"}
    assert set(CONVOLUTIONS) == {"none", "shared", "gated"}


def test_models_are_found_by_name_and_by_config() -> None:
    for name, kind in NETWORKS.items():
        assert network_name(kind.config_class()) == name
        assert NETWORKS[name] is kind


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"convolution": "gatet"}, r"unknown convolution 'gatet'.*'gated'\?"),
        ({"pooling": "summ"}, r"unknown pooling 'summ'.*'sum'\?"),
        ({"activation": "relo"}, r"unknown activation 'relo'.*'relu'\?"),
        ({"normalisation": "layr"}, r"unknown normalisation 'layr'.*'layer'\?"),
        ({"n_convolutions": 0}, "n_convolutions = 0; it must be 1 or more"),
        ({"atom_width": 0}, "atom_width = 0; it must be 1 or more"),
        ({"hidden_width": -3}, "hidden_width = -3; it must be 1 or more"),
        ({"n_hidden": -1}, "n_hidden = -1; it must be 0 or more"),
        ({"n_gaussians": 1}, "n_gaussians = 1; it must be 2 or more"),
        ({"gaussian_start": 9.0}, "0 <= gaussian_start < gaussian_stop"),
        ({"dropout": 1.0}, r"dropout = 1.0; it must be 0 or more, below 1"),
    ],
)
def test_settings_that_cannot_work_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises((BadConfig, UnknownName), match=message):
        CgcnnConfig(**change)


@pytest.mark.parametrize(
    "registry",
    [POOLINGS, ACTIVATIONS, NORMALISATIONS, RADIAL_BASES, CONVOLUTIONS, NETWORKS],
    ids=lambda registry: registry.kind,
)
def test_every_form_that_an_entry_names_is_there(registry: Any) -> None:
    for entry in registry.values():
        for field in ("in_torch", "in_numpy", "compiled", "config", "fractions"):
            form = getattr(entry, field, None)
            assert form is None or load_form(form) is not None


def test_a_form_that_is_missing_raises() -> None:
    with pytest.raises(BadConfig, match="lacks the form that is asked for"):
        load_form(Pooling("xtalgraph.nn.torch_parts:pool_sum").in_numpy)
    with pytest.raises(BadConfig, match=r"'nowhere:pool' .* cannot be loaded"):
        load_form("nowhere:pool")
    with pytest.raises(BadConfig, match="cannot be loaded"):
        load_form("xtalgraph.nn.torch_parts:pool_median")


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.integers(0, 99))
def test_the_facts_of_each_pooling_are_true(counts: list[int], seed: int) -> None:
    """Linear ones are, intensive ones do not grow with the cell, fractions add up to the whole."""
    draw = torch.Generator().manual_seed(seed)
    crystal = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    first, second = torch.randn(2, len(crystal), 3, generator=draw, dtype=torch.float64)
    graph = nodes(crystal, len(counts), torch.ones_like(crystal))
    double = nodes(crystal, len(counts), torch.full_like(crystal, 2))
    for name, entry in POOLINGS.items():
        pool = load_form(entry.in_torch)
        pooled = pool(first, graph)
        if entry.is_linear:
            torch.testing.assert_close(pool(first + second, graph), pooled + pool(second, graph))
        ratio = 2 if entry.is_extensive else 1
        torch.testing.assert_close(pool(first, double), ratio * pooled, msg=name)
        if entry.fractions is not None:
            parts = load_form(entry.fractions)(first, pooled, graph) * first
            total = torch.zeros_like(pooled).index_add(0, crystal, parts)
            torch.testing.assert_close(total, pooled, msg=name)


@pytest.mark.parametrize("name", RADIAL_BASES)
def test_the_near_functions_of_each_radial_basis_are_its_functions(name: str) -> None:
    graph = build_graphs(ZOO["SrTiO3"])
    near = load_form(RADIAL_BASES[name].in_numpy)(graph.to_arrays(), 0.0, 8.0, 41)
    found = torch.zeros(graph.n_edges, 41)
    columns = torch.from_numpy(near.first).long()[:, None] + torch.arange(8)
    found.scatter_(1, columns, torch.from_numpy(near.basis_values))
    expected = make_radial_basis(name, 0.0, 8.0, 41)(graph.distance).float()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=2e-7)


@pytest.mark.parametrize("name", NETWORKS)
def test_each_network_is_what_the_protocols_say(name: str) -> None:
    kind = NETWORKS[name]
    config = kind.config_class(atom_width=8, hidden_width=6)
    network = kind.build(config, 2).eval()
    assert isinstance(config, NetworkConfig)
    assert isinstance(network, Network)
    state = {key: value.numpy() for key, value in network.state_dict().items()}
    assert isinstance(kind.restore_in_numpy(config, 2, state), NumpyNetwork)
    assert isinstance(network.output[-1], torch.nn.Linear)


def test_the_backend_is_no_part_of_what_a_model_is() -> None:
    assert CgcnnConfig(backend="torch") == CgcnnConfig()
    assert hash(CgcnnConfig(backend="torch")) == hash(CgcnnConfig())
    assert "backend" not in decisive_settings(CgcnnConfig())
    with pytest.raises(UnknownName, match=r"unknown backend 'trition'.*'triton'\?"):
        CgcnnConfig(backend="trition")
