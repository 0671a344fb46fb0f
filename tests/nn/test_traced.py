"""torch.compile traces the networks whole, in plain and fused form, with the same numbers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.nn.gated_sum_cases import BASIS, Case, relative_error
from xtalgraph.nn.gated_sum import traced_form
from xtalgraph.nn.gated_sum.compiled import find_near_gaussians

ROOT = Path(__file__).parents[2]


def test_traced_whole_they_give_the_same_numbers():
    command = [sys.executable, "-m", "tests.nn.networks_traced"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    differences = json.loads(done.stdout.splitlines()[-1])
    forms = {f"{name} {fused}" for name in ("cgcnn", "residual") for fused in (0, 1)}
    assert set(differences) == forms
    assert max(differences.values()) < 1e-5


@pytest.mark.parametrize("normalisation", ["none", "layer"])
@pytest.mark.parametrize("graph", ["whole", "merged", "one pair", "no edges"])
def test_what_is_called_when_traced_is_the_operator(graph, normalisation):
    case = Case(graph, 6, "silu", normalisation)
    traced, expected = case.compute(traced_form.trace_near), case.compute(find_near_gaussians)
    assert set(traced) == set(expected)
    for name, value in expected.items():
        assert relative_error(traced[name], value) < 1e-5, name


@pytest.mark.parametrize("normalisation", ["none", "layer"])
def test_torch_finds_nothing_wrong_with_the_operators(normalisation):
    """Their shapes, types and derivatives are what torch.compile is told."""
    case = Case("merged", 4, "silu", normalisation)
    parts = [part.requires_grad_() for part in case.parts.values()]
    bonds = traced_form.trace_near(case.graph, BASIS)
    scaling = traced_form.scaling_of(case.normalise)
    arguments = (*parts, *scaling, bonds.tensors, 1)
    torch.library.opcheck(traced_form.sum_gated, arguments)
    detached = [part.detach() for part in parts]
    scaling = [one.detach() if isinstance(one, torch.Tensor) else one for one in scaling]
    backward = (case.d_sums, *detached, *scaling, bonds.tensors, 1)
    torch.library.opcheck(traced_form.differentiate, backward)
