"""Networks in numpy give what the networks in torch give."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.zoo import ZOO
from xtalgraph.errors import BadCheckpoint
from xtalgraph.graphs import CrystalGraph, GraphConfig, build_arrays
from xtalgraph.nn import (
    ACTIVATIONS,
    CONVOLUTIONS,
    NETWORKS,
    NORMALISATIONS,
    POOLINGS,
    RADIAL_BASES,
)
from xtalgraph.nn.registry import load_form
from xtalgraph.registry import Registry

CRYSTALS = [ZOO[name] for name in ("NaCl", "Si", "SrTiO3", "TiO2")]
GRAPHS = {
    "whole": build_arrays(CRYSTALS, GraphConfig(rule="shell")),
    "merged": build_arrays(
        CRYSTALS, GraphConfig(rule="smooth", n_neighbours=16), deduplicated=True
    ),
    "one atom": build_arrays([ZOO["Po"]], deduplicated=True),
    "no edges": build_arrays(CRYSTALS, GraphConfig(rule="radius", cutoff=1.0, isolated="ignore")),
}


def settings_of(kind: str) -> Iterator[dict[str, Any]]:
    """Settings that reach every part that a network can be made of, in all their combinations."""
    own = {field.name for field in fields(NETWORKS[kind].config_class)}
    chosen = {name: list(registry) for name, registry in PARTS.items() if name in own}
    for names in itertools.product(*chosen.values()):
        yield dict(zip(chosen, names, strict=True))
    yield {"n_hidden": 0, "element_vectors": "learned"}
    yield {"n_hidden": 3, "dropout": 0.5, "gaussian_stop": 6.0, "n_gaussians": 20}


PARTS: dict[str, Registry] = {
    "pooling": POOLINGS,
    "activation": ACTIVATIONS,
    "normalisation": NORMALISATIONS,
    "convolution": CONVOLUTIONS,
    "radial_basis": RADIAL_BASES,
}
SETTINGS = [(kind, settings) for kind in NETWORKS for settings in settings_of(kind)]
SETTINGS += [("cgcnn", {"gaussian_start": 0.5, "activate_residual": True})]
SETTINGS += [
    ("cgcnn", {"distance_degeneracy": True, "activation": activation, "normalisation": how})
    for activation in ("silu", "softplus")
    for how in NORMALISATIONS
]


def make_network(kind: str, settings: dict[str, Any]) -> tuple[Any, torch.nn.Module]:
    """A network whose numbers, running statistics and the composition's included, are no zeros."""
    config = NETWORKS[kind].config_class(**{"atom_width": 12, "hidden_width": 10} | settings)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        network = NETWORKS[kind].build(config, 3)
        for parameter in network.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
        network.train()(CrystalGraph.from_arrays(GRAPHS["whole"]))
    return config, network.eval()


def numbers_of(network: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in network.state_dict().items()}


def has_all_forms(settings: dict[str, Any]) -> bool:
    """Whether every part that is named has a form in numpy or in the compiled loops."""
    entries = (PARTS[name][part] for name, part in settings.items() if name in PARTS)
    return all(getattr(e, "compiled", getattr(e, "in_numpy", None)) is not None for e in entries)


@pytest.mark.parametrize(("kind", "settings"), SETTINGS, ids=str)
def test_the_numbers_are_those_of_torch(kind: str, settings: dict[str, Any]) -> None:
    """Where all parts have a form in numpy; where one has none, neither has the network."""
    if not has_all_forms(settings):
        form = load_form(NETWORKS[kind].in_numpy)
        assert not form.can_compute(NETWORKS[kind].config_class(**settings))
        return
    config, network = make_network(kind, settings)
    ours = NETWORKS[kind].restore_in_numpy(config, 3, numbers_of(network))
    assert ours is not None
    for arrays in GRAPHS.values():
        with torch.inference_mode():
            pooled = network.fingerprint(CrystalGraph.from_arrays(arrays))
            expected = network.output(pooled).numpy()
        found = ours.fingerprint(arrays)
        scale = np.abs(pooled.numpy()).max()
        np.testing.assert_allclose(found, pooled.numpy(), rtol=1e-5, atol=1e-5 * scale)
        outputs = ours.output(found)
        assert outputs.dtype == np.float32
        scale = np.abs(expected).max()
        np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5 * scale)
    assert ours.known_elements == network.known_elements


@pytest.mark.parametrize("kind", NETWORKS)
def test_shown_to_fail_every_number_matters(kind: str) -> None:
    """Each array that training changes, changed by a tenth, changes what is predicted."""
    config, network = make_network(kind, {})
    numbers = numbers_of(network)
    whole = NETWORKS[kind].restore_in_numpy(config, 3, numbers)
    before = whole.output(whole.fingerprint(GRAPHS["merged"]))
    for name, _ in network.named_parameters():
        changed = NETWORKS[kind].restore_in_numpy(config, 3, numbers | {name: 1.1 * numbers[name]})
        after = changed.output(changed.fingerprint(GRAPHS["merged"]))
        assert np.abs(after - before).max() > 1e-6, name


@pytest.mark.parametrize("kind", NETWORKS)
def test_no_crystals_are_no_rows(kind: str) -> None:
    config, network = make_network(kind, {})
    ours = NETWORKS[kind].restore_in_numpy(config, 3, numbers_of(network))
    assert ours.output(ours.fingerprint(build_arrays([]))).shape == (0, 3)


@pytest.mark.parametrize(
    "settings",
    [
        {"convolution": "shared"},
        {"activation": "gelu"},
        {"n_gaussians": 5},
    ],
)
def test_what_the_compiled_loops_lack_has_no_form_in_numpy(settings: dict[str, Any]) -> None:
    config, network = make_network("cgcnn", settings)
    assert NETWORKS["cgcnn"].restore_in_numpy(config, 3, numbers_of(network)) is None


def test_a_model_without_a_form_in_numpy_is_left_to_torch() -> None:
    config, network = make_network("residual", {})
    kind = replace(NETWORKS["residual"], in_numpy=None)
    assert kind.restore_in_numpy(config, 3, numbers_of(network)) is None


def test_double_precision_is_left_to_torch() -> None:
    config, network = make_network("residual", {})
    assert NETWORKS["residual"].restore_in_numpy(config, 3, numbers_of(network.double())) is None


@pytest.mark.parametrize("kind", NETWORKS)
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
        NETWORKS[kind].restore_in_numpy(config, 3, numbers)
