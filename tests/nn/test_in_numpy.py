"""Networks in numpy give what the networks in torch give."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.zoo import ZOO
from xtalgraph.errors import BadCheckpoint
from xtalgraph.graphs import CrystalGraph, GraphConfig, build_arrays
from xtalgraph.nn import MODELS, find_model

CRYSTALS = [ZOO[name] for name in ("NaCl", "Si", "SrTiO3", "TiO2")]
GRAPHS = {
    "whole": build_arrays(CRYSTALS, GraphConfig(rule="shell")),
    "merged": build_arrays(CRYSTALS, GraphConfig(rule="smooth", n_neighbours=16), merged=True),
    "one atom": build_arrays([ZOO["Po"]], merged=True),
    "no edges": build_arrays(CRYSTALS, GraphConfig(rule="radius", cutoff=1.0, isolated="ignore")),
}
SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("residual", {}),
    ("residual", {"n_hidden": 0, "pooling": "sum", "element_vectors": "learned"}),
    ("residual", {"n_hidden": 2, "pooling": "max", "n_gaussians": 20, "gaussian_stop": 6.0}),
    ("cgcnn", {}),
    ("cgcnn", {"normalisation": "batch", "activation": "softplus", "activate_residual": True}),
    ("cgcnn", {"normalisation": "none", "activation": "relu", "pooling": "max"}),
    ("cgcnn", {"n_hidden": 0, "pooling": "sum", "element_vectors": "learned"}),
    ("cgcnn", {"n_hidden": 3, "dropout": 0.5, "gaussian_start": 0.5}),
]


def make_network(kind: str, settings: dict[str, Any]) -> tuple[Any, torch.nn.Module]:
    """A network whose numbers, running statistics and the composition's included, are no zeros."""
    config = find_model(kind).config(**{"atom_width": 12, "hidden_width": 10} | settings)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        network = find_model(kind).build(config, 3)
        for parameter in network.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
        network.train()(CrystalGraph.from_arrays(GRAPHS["whole"]))
    return config, network.eval()


def numbers_of(network: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in network.state_dict().items()}


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize(("kind", "settings"), SETTINGS)
def test_the_numbers_are_those_of_torch(kind: str, settings: dict[str, Any], graph: str) -> None:
    config, network = make_network(kind, settings)
    ours = find_model(kind).build_in_numpy(config, 3, numbers_of(network))
    assert ours is not None
    arrays = GRAPHS[graph]
    with torch.inference_mode():
        pooled = network.fingerprint(CrystalGraph.from_arrays(arrays))
        expected = network.output(pooled).numpy()
    found = ours.fingerprint(arrays)
    scale = np.abs(pooled.numpy()).max()
    np.testing.assert_allclose(found, pooled.numpy(), rtol=1e-5, atol=1e-5 * scale)
    outputs = ours.output(found)
    assert outputs.dtype == np.float32
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
    assert ours.known_elements == network.known_elements


@pytest.mark.parametrize("kind", MODELS)
def test_shown_to_fail_every_number_matters(kind: str) -> None:
    """Each array that training changes, changed by a tenth, changes what is predicted."""
    config, network = make_network(kind, {})
    numbers = numbers_of(network)
    whole = find_model(kind).build_in_numpy(config, 3, numbers)
    before = whole.output(whole.fingerprint(GRAPHS["merged"]))
    for name, _ in network.named_parameters():
        changed = find_model(kind).build_in_numpy(config, 3, numbers | {name: 1.1 * numbers[name]})
        after = changed.output(changed.fingerprint(GRAPHS["merged"]))
        assert np.abs(after - before).max() > 1e-6, name


@pytest.mark.parametrize("kind", MODELS)
def test_no_crystals_are_no_rows(kind: str) -> None:
    config, network = make_network(kind, {})
    ours = find_model(kind).build_in_numpy(config, 3, numbers_of(network))
    assert ours.output(ours.fingerprint(build_arrays([]))).shape == (0, 3)


@pytest.mark.parametrize(
    "settings",
    [
        {"convolution": "shared"},
        {"distance_degeneracy": True},
        {"activation": "gelu"},
        {"n_gaussians": 5},
    ],
)
def test_what_the_compiled_loops_lack_has_no_form_in_numpy(settings: dict[str, Any]) -> None:
    config, network = make_network("cgcnn", settings)
    assert find_model("cgcnn").build_in_numpy(config, 3, numbers_of(network)) is None


def test_a_model_without_a_form_in_numpy_is_left_to_torch() -> None:
    config, network = make_network("residual", {})
    kind = replace(find_model("residual"), in_numpy=None)
    assert kind.build_in_numpy(config, 3, numbers_of(network)) is None


def test_double_precision_is_left_to_torch() -> None:
    config, network = make_network("residual", {})
    assert find_model("residual").build_in_numpy(config, 3, numbers_of(network.double())) is None


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("change", ["missing", "left over", "of another shape"])
def test_numbers_that_do_not_fit_are_refused(kind: str, change: str) -> None:
    config, network = make_network(kind, {})
    numbers = numbers_of(network)
    name = "output.1.weight"
    if change == "missing":
        message = f"{name} is missing"
        del numbers[name]
    elif change == "left over":
        message = "output.9.weight is not known"
        numbers["output.9.weight"] = numbers[name]
    else:
        message = r"output.1.weight is \(10, 11\), expected \(10, 12\)"
        numbers[name] = numbers[name][:, 1:]
    with pytest.raises(BadCheckpoint, match=message):
        find_model(kind).build_in_numpy(config, 3, numbers)
