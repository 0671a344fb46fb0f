"""What bond vectors tell of equally long bonds."""

import numpy as np
import pytest
import torch

from xtalgraph.graphs import GraphConfig, build_graphs
from xtalgraph.nn import CgcnnConfig
from xtalgraph.nn.cgcnn import EXCESSES, TIE_WIDTHS, USUAL_TIE, Cgcnn, bond_width, find_bond_ties
from xtalgraph.structures import Crystal


def cell(a: float, b: float, c: float) -> Crystal:
    return Crystal(np.diag([a, b, c]), [[0, 0, 0]], [84])


def test_equal_bonds_are_counted_within_each_width() -> None:
    graph = build_graphs(cell(3.0, 3.0, 3.02), GraphConfig("nearest", 6))
    ties = find_bond_ties(graph)
    assert graph.distance.tolist() == pytest.approx([3, 3, 3, 3, 3.02, 3.02])
    excess = torch.exp(-((0.02 / torch.tensor(EXCESSES)) ** 2)).double()
    torch.testing.assert_close(ties[0, : len(EXCESSES)], torch.ones(len(EXCESSES)).double())
    torch.testing.assert_close(ties[5, : len(EXCESSES)], excess, rtol=1e-5, atol=1e-9)
    near = np.exp(-((0.02 / np.array(TIE_WIDTHS)) ** 2))
    np.testing.assert_allclose(ties[0, len(EXCESSES) :], (4 + 2 * near) / USUAL_TIE, rtol=1e-6)
    np.testing.assert_allclose(ties[5, len(EXCESSES) :], (2 + 4 * near) / USUAL_TIE, rtol=1e-6)


def test_each_atom_counts_its_own_bonds_alone() -> None:
    one, other = cell(3.0, 3.0, 3.02), cell(3.1, 3.3, 3.0)
    config = GraphConfig("nearest", 6)
    alone = torch.cat([find_bond_ties(build_graphs(crystal, config)) for crystal in (one, other)])
    torch.testing.assert_close(find_bond_ties(build_graphs([one, other], config)), alone)


def test_a_network_sees_a_small_distortion_with_them_and_hardly_without() -> None:
    """Six bonds become two, two and two, of the same mean length."""
    graph = build_graphs([cell(3.0, 3.0, 3.0), cell(2.985, 3.0, 3.015)], GraphConfig("nearest", 6))
    changes = {}
    for distance_degeneracy in (False, True):
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(0)
            config = CgcnnConfig(
                atom_width=16, hidden_width=16, distance_degeneracy=distance_degeneracy
            )
            cubic, distorted = Cgcnn(config, 8).eval()(graph)
        changes[distance_degeneracy] = float((cubic - distorted).norm() / cubic.norm())
    assert changes[True] > 5 * changes[False]


def test_settings_of_both_give_the_width() -> None:
    assert bond_width(CgcnnConfig(n_gaussians=20)) == 20
    assert bond_width(CgcnnConfig(n_gaussians=20, distance_degeneracy=True)) == 33
