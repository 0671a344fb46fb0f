"""Weights of one byte: how far they are off, what is left as it was, and what cannot be stored."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.zoo import ZOO
from xtalgraph.errors import BadCheckpoint, UnknownName
from xtalgraph.graphs import GraphConfig, build_graphs
from xtalgraph.nn import (
    NETWORKS,
    Normaliser,
    ResidualConfig,
    ResidualNetwork,
    SavedModel,
    Task,
    read_model,
    save_model,
)
from xtalgraph.nn.saved_model import NOT_LEARNED, SCALE, dequantize, quantize
from xtalgraph.units import Target

CONFIG = ResidualConfig(n_blocks=2)  # as wide as what is shipped
GRAPH = build_graphs([ZOO["SrTiO3"], ZOO["NaCl"]], GraphConfig(rule="smooth"))


@pytest.fixture
def network() -> ResidualNetwork:
    torch.manual_seed(0)
    return ResidualNetwork(CONFIG, 2).eval()


def save(network: ResidualNetwork, folder: Path, weights: str) -> Path:
    task = Task("regression", (Target("gap", "eV"), Target("energy", "eV/atom", "atom")))
    normaliser = Normaliser((0.1, -3.0), (1.0, 2.0))
    config = GraphConfig(rule="smooth")
    saved = SavedModel(network, CONFIG, config, task, normaliser, ("O", "Ti"), {})
    return save_model(saved, folder, weights=weights)


def numbers_of(network: ResidualNetwork) -> dict[str, np.ndarray]:
    return {name: value.numpy().copy() for name, value in network.state_dict().items()}


@pytest.mark.parametrize("kind", NETWORKS)
def test_what_is_not_learned_is_known_by_its_name(kind: str) -> None:
    settings = {"normalisation": "batch"} if kind == "cgcnn" else {}
    network = NETWORKS[kind].build(NETWORKS[kind].config_class(**settings), 1)
    learned = {name for name, _ in network.named_parameters()}
    assert {name for name in network.state_dict() if not name.endswith(NOT_LEARNED)} == learned


def test_each_weight_is_within_half_a_step_of_its_row(network: ResidualNetwork) -> None:
    with torch.no_grad():
        network.blocks[0].widen.weight[3] = 0.0  # a row without a scale of its own
        network.blocks[0].widen.weight[4] *= 1e6  # and one beyond float16
    before = numbers_of(network)
    stored = quantize(before, "int8")
    restored = dequantize(stored)
    assert restored.keys() == before.keys()
    integers = {name for name, value in stored.items() if value.dtype == np.int8}
    assert "blocks.0.widen.weight" in integers
    for name in integers:
        largest = np.abs(before[name]).max(axis=1, keepdims=True)
        off = np.abs(restored[name] - before[name])
        assert (off <= largest / 127 * 0.501).all(), name
        assert restored[name].dtype == before[name].dtype
        assert stored[name + SCALE].shape == (len(before[name]),)
    assert (restored["blocks.0.widen.weight"][3] == 0).all()


def test_last_layer_and_numbers_of_elements_stay_float16(network: ResidualNetwork) -> None:
    torch.nn.init.normal_(network.composition.weight)
    stored = quantize(numbers_of(network), "int8")
    for name in ("output.3.weight", "composition.weight", "blocks.0.narrow.bias"):
        assert stored[name].dtype == np.float16, name
        assert name + SCALE not in stored
    for name, value in network.named_buffers():  # what is not learned is exact
        np.testing.assert_array_equal(dequantize(stored)[name], value.numpy())


def test_integers_are_a_quarter_of_the_size_and_predict_alike(
    network: ResidualNetwork, tmp_path: Path
) -> None:
    # an untrained network has no error to compare with: its outputs are the scale
    whole, half, integers = (
        save(network, tmp_path / form, form) for form in ("float32", "float16", "int8")
    )
    sizes = [(one / "model.safetensors").stat().st_size for one in (whole, half, integers)]
    assert sizes[1] < 0.6 * sizes[0]
    assert sizes[2] < 0.65 * sizes[1]
    stored = [json.loads((one / "model.json").read_text())["weights"] for one in (whole, integers)]
    assert stored == ["float32", "int8"]
    expected = network(GRAPH)
    found = read_model(integers).network(GRAPH)
    difference = (found - expected).abs().max()
    assert 0 < difference < 0.02 * expected.abs().max()


def test_storing_again_changes_nothing(network: ResidualNetwork, tmp_path: Path) -> None:
    once = read_model(save(network, tmp_path / "once", "int8")).network
    twice = read_model(save(once, tmp_path / "twice", "int8")).network
    for name, value in once.state_dict().items():
        torch.testing.assert_close(
            twice.state_dict()[name], value, rtol=1e-6, atol=0, equal_nan=True
        )


def test_what_cannot_be_stored_is_refused(network: ResidualNetwork) -> None:
    with pytest.raises(UnknownName, match="unknown form of stored weights 'int4'"):
        quantize(numbers_of(network), "int4")
    with torch.no_grad():
        network.blocks[1].widen.weight[0, 0] = float("nan")
    with pytest.raises(BadCheckpoint, match=r"blocks.1.widen.weight has numbers that are not fini"):
        quantize(numbers_of(network), "int8")
