"""Every instruction level gives the same: edges to the bit, sums to the rounding of float32."""

import os
import subprocess
import sys
from itertools import product

import numpy as np
import pytest

from tests.nn.gated_sum_cases import Case, find_near_gaussians, relative_error
from tests.zoo import ZOO
from xtalgraph import _native
from xtalgraph.graphs import GraphConfig, build_arrays
from xtalgraph.graphs.graph import ARRAYS
from xtalgraph.structures import CrystalStore

RULES = [
    GraphConfig("shell", isolated="ignore"),
    GraphConfig("nearest", isolated="ignore"),
    GraphConfig("smooth", isolated="ignore"),
    GraphConfig("radius", cutoff=5.0, isolated="ignore"),
]


def test_the_best_level_comes_first():
    levels = _native.list_levels()
    assert levels in (["v4", "v3", "v2"], ["v3", "v2"], ["v2"], ["plain"])
    assert _native.level_in_use() == os.environ.get("XTALGRAPH_SIMD", levels[0])


@pytest.mark.parametrize("config", RULES, ids=lambda config: config.rule)
@pytest.mark.parametrize("deduplicated", [False, True])
def test_graphs_are_the_same_to_the_bit(config, deduplicated, level):
    store = CrystalStore.from_crystals(ZOO.values())
    found = build_arrays(store, config, deduplicated=deduplicated)
    _native.use_level(_native.list_levels()[-1])
    plainest = build_arrays(store, config, deduplicated=deduplicated)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(found, name), getattr(plainest, name))


# a row of two less its mean is 1 and -1, whose derivative is rounding: width 1 goes without layer
@pytest.mark.parametrize(
    ("width", "normalisation"),
    [pair for pair in product([1, 7, 64], ["none", "layer", "batch"]) if pair != (1, "layer")],
)
@pytest.mark.parametrize("activation", ["softplus", "silu", "relu"])
def test_sums_and_derivatives_are_those_of_plain_torch(width, activation, normalisation, level):
    case = Case("merged", width, activation, normalisation)
    found, plain = case.compute(find_near_gaussians), case.compute(None)
    assert found.keys() == plain.keys()
    for name, value in plain.items():
        assert relative_error(found[name], value) < 2e-5, name


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_activations_are_the_functions(kind, level):
    x = np.concatenate([np.linspace(-100, 100, 4003), [0.0, -0.0, 1e-30]]).astype(np.float32)
    wide = np.stack([x, x, x, x], axis=1)
    found = np.empty((len(x), 2), np.float32)
    _native.activate(kind, wide[:, 1:3], found)  # a part of wider rows
    exact = x.astype(np.float64)
    with np.errstate(over="ignore"):
        expected = (
            np.logaddexp(0.0, exact), exact / (1 + np.exp(-exact)), np.maximum(exact, 0.0)
        )[kind]  # fmt: skip
    np.testing.assert_allclose(found[:, 0], expected, rtol=5e-7, atol=1e-7)
    np.testing.assert_array_equal(found[:, 0], found[:, 1])
    not_a_number = np.full((1, 40), np.nan, np.float32)
    _native.activate(kind, not_a_number, not_a_number)
    assert np.isnan(not_a_number).all()


def run_with(level: str) -> subprocess.CompletedProcess:
    code = "from xtalgraph import _native; print(_native.level_in_use())"
    environment = os.environ | {"XTALGRAPH_SIMD": level}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )


def test_the_environment_chooses_a_level(level):
    done = run_with(level)
    assert done.stdout.strip() == level, done.stderr


def test_an_unknown_level_is_refused():
    done = run_with("v5")
    assert done.returncode == 1
    assert "BadConfig: XTALGRAPH_SIMD: no instruction level 'v5' on this processor" in done.stderr
    with pytest.raises(ValueError, match="no instruction level 'avx'"):
        _native.use_level("avx")
