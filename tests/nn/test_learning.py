"""It learns: eight crystals overfit to about zero, whatever the convolution."""

from __future__ import annotations

import pytest
import torch

from tests.zoo import ZOO
from xtalgraph.graphs import build_graphs
from xtalgraph.nn import Cgcnn, CgcnnConfig

NAMES = ("Fe", "Cu", "Si", "NaCl", "CsCl", "ZnO", "SrTiO3", "MoS2")


def train(config: CgcnnConfig, n_steps: int, names: tuple[str, ...] = NAMES) -> float:
    """Give the mean squared error after training on random numbers of variance about 1."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = Cgcnn(config, 1)
        targets = torch.randn(len(names), 1)
    graph = build_graphs([ZOO[name] for name in names])
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.01, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=0.01, total_steps=n_steps)
    for _ in range(n_steps):
        optimiser.zero_grad()
        loss = (network(graph) - targets).square().mean()
        loss.backward()
        optimiser.step()
        schedule.step()
    return loss.item()


@pytest.mark.parametrize("convolution", ["none", "shared", "gated"])
@pytest.mark.parametrize("normalisation", ["batch", "layer"])
def test_eight_crystals_are_learned_by_heart(convolution: str, normalisation: str) -> None:
    config = CgcnnConfig(
        convolution=convolution, normalisation=normalisation, atom_width=24, hidden_width=24
    )
    assert train(config, n_steps=200) < 1e-3


def test_shown_to_fail_two_crystals_of_one_composition_need_a_graph() -> None:
    """Without neighbours, a crystal and its squeezed copy are one: the error cannot vanish."""
    names = ("SrTiO3", "SrTiO3 2x2x2", "Fe", "Cu")
    config = CgcnnConfig(convolution="none", atom_width=16, hidden_width=16)
    assert train(config, n_steps=100, names=names) > 1e-2
