"""Triton's kernels give the plain form's sums and derivatives: interpreted, or on an accelerator.

Run by `make test-accelerator`; skipped where Triton is missing, or has nothing to run on.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.nn.gated_sum_cases import GRAPHS, Case, find_near_gaussians, relative_error
from xtalgraph.nn import Cgcnn, CgcnnConfig, ResidualConfig, ResidualNetwork
from xtalgraph.nn.gated_sum import triton_form
from xtalgraph.nn.gated_sum.triton_form import PlacedBonds, place_bonds

pytest.importorskip("triton", reason="Triton is not installed: make test-accelerator installs it")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu" and os.environ.get("TRITON_INTERPRET") != "1":
    pytest.skip("no accelerator and no TRITON_INTERPRET=1", allow_module_level=True)

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.filterwarnings("ignore:TRITON_")  # which settings of it will change
SETTINGS = [
    (activation, normalisation)
    for activation in ("softplus", "silu", "relu")
    for normalisation in ("batch", "layer", "none")
]


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    largest = max(value.norm() for name, value in expected.items() if name.startswith("d_"))
    for name, value in expected.items():
        error = (found[name].cpu().double() - value.cpu().double()).norm()
        # a sum that ought to be 0 is what rounding leaves of its terms
        assert error <= 1e-5 * value.norm() + 1e-6 * largest * name.startswith("d_"), name


@pytest.mark.parametrize(("activation", "normalisation"), SETTINGS)
def test_values_and_derivatives_are_those_of_float64_in_plain_form(activation, normalisation):
    case = Case("merged", 5, activation, normalisation)
    assert_same(case.compute(place_bonds, DEVICE), case.compute(None, dtype=torch.float64))


@pytest.mark.parametrize("normalisation", ["batch", "layer"])
def test_the_two_compiled_forms_agree(normalisation):
    case = Case("whole", 8, "silu", normalisation)
    assert_same(case.compute(place_bonds, DEVICE), case.compute(find_near_gaussians))


@pytest.mark.parametrize("width", [1, 24])
def test_widths(width):
    case = Case("merged", width, "silu", "layer")
    assert_same(case.compute(place_bonds, DEVICE), case.compute(None, dtype=torch.float64))


def test_wide_atoms_with_the_sums_in_several_rounds(monkeypatch):
    monkeypatch.setattr(triton_form, "N_PROGRAMS", 2)
    case = Case("whole", 70, "softplus", "batch")
    assert_same(case.compute(place_bonds, DEVICE), case.compute(None, dtype=torch.float64))


# two edges normalised over each other are 1 and -1 whatever they were, so that the derivative is
# what rounding leaves: the pair goes without
SMALL = [("one pair", normalisation) for normalisation in ("layer", "none")]
SMALL += [
    (graph, norm) for graph in ("no edges", "one atom") for norm in ("batch", "layer", "none")
]


@pytest.mark.parametrize(("graph", "normalisation"), SMALL)
def test_small_graphs(graph, normalisation):
    case = Case(graph, 6, "silu", normalisation)
    assert_same(case.compute(place_bonds, DEVICE), case.compute(None, dtype=torch.float64))


@pytest.mark.parametrize("frozen", [False, True])
def test_statistics_that_are_not_the_batch_s_and_a_frozen_normalisation(frozen):
    case = Case("merged", 4, "silu", "batch")
    case.normalise.eval().requires_grad_(not frozen)
    assert_same(case.compute(place_bonds, DEVICE), case.compute(None, dtype=torch.float64))
    case.normalise.train()
    assert_same(case.compute(place_bonds, DEVICE), case.compute(None, dtype=torch.float64))


def test_bfloat16_is_read_and_given_and_float32_between():
    """Only what is given is rounded, by half a digit of bfloat16 at most: no sum was in it."""
    case = Case("merged", 6, "silu", "layer")
    case.round_parts_to(torch.bfloat16)
    exact = case.compute(place_bonds, DEVICE)
    rounded = case.compute(place_bonds, DEVICE, dtype=torch.bfloat16, round_normalise=False)
    for name in ("sums", "d_centre", "d_neighbour", "d_bond_weight"):
        assert rounded[name].dtype == torch.bfloat16
        error = (rounded[name].float() - exact[name]).abs()
        assert (error <= exact[name].abs() / 2**8 + 1e-5 * exact[name].abs().max()).all(), name


def test_mixed_precision_is_near_float32():
    graph = GRAPHS["merged"].to(DEVICE)
    torch.manual_seed(4)
    config = CgcnnConfig(n_convolutions=1, atom_width=6, hidden_width=8, backend="triton")
    network = Cgcnn(config, 1).to(DEVICE)
    full = network(graph)
    with torch.autocast(DEVICE, torch.bfloat16):
        mixed = network(graph)
    mixed.square().mean().backward()
    assert 0 < relative_error(mixed, full) < 0.02
    for name, parameter in network.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name


def test_two_runs_give_the_same_bits():
    case = Case("merged", 5, "silu", "batch")
    first, second = (case.compute(place_bonds, DEVICE) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_network_chooses_it_and_has_the_same_outputs_and_derivatives():
    graph = GRAPHS["merged"].to(DEVICE)
    torch.manual_seed(4)
    network = ResidualNetwork(
        ResidualConfig(n_blocks=2, atom_width=6, hidden_width=8), 1
    ).to(DEVICE)  # fmt: skip
    atoms, backend = network.element_vectors(graph.atomic_numbers), network.backend
    backend.name = "triton"
    first, second = (backend.select(graph, atoms, network.bond_vectors) for _ in range(2))
    assert isinstance(first, PlacedBonds)
    assert first.unchecked is not None  # only the first batch is compared with plain torch
    assert second.unchecked is None
    assert isinstance(backend.select(graph, atoms.double(), network.bond_vectors), torch.Tensor)
    backend.checked.clear()
    results = []
    for backend.name in ("triton", "torch"):
        network.zero_grad()
        output = network(graph)
        (output * torch.linspace(-1, 1, len(output), device=DEVICE)[:, None]).sum().backward()
        results.append([output, *(parameter.grad.clone() for parameter in network.parameters())])
    for found, expected in zip(*results, strict=True):
        assert relative_error(found, expected) < 1e-4


def test_the_kernels_compile_for_cards_that_are_not_here(tmp_path):
    command = [sys.executable, "-m", "tests.nn.triton_compiled"]
    environment = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    sizes = json.loads(done.stdout.splitlines()[-1])
    assert len(sizes) == 10
    assert min(sizes.values()) > 1000


def test_a_normalisation_of_no_kind_known_here_is_none():
    """The negative twin: what is compared above does hang on the normalisation."""
    case = Case("merged", 5, "silu", "layer")
    normal = case.compute(None, dtype=torch.float64)
    case.normalise = nn.Identity()
    assert relative_error(case.compute(place_bonds, DEVICE)["sums"], normal["sums"]) > 1e-2
