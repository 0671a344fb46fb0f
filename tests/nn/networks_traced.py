"""Traces networks whole, in both forms, and says how far their numbers are from the untraced.

A process of its own, because the checker of shapes that the tests run under cannot be traced.
"""

import copy
import json
from collections.abc import Callable

import torch

from tests.zoo import ZOO
from xtalgraph.graphs import GraphConfig, build_graphs
from xtalgraph.nn import Cgcnn, CgcnnConfig, ResidualConfig, ResidualNetwork

CRYSTALS = [crystal for name, crystal in ZOO.items() if name != "large"][:6]
RULE = GraphConfig("smooth")
GRAPHS = [build_graphs(crystals, RULE, merged=True) for crystals in (CRYSTALS, CRYSTALS[:3])]
NETWORKS = {
    "cgcnn": lambda: Cgcnn(CgcnnConfig(n_convolutions=2, atom_width=8, hidden_width=8), 1),
    "residual": lambda: ResidualNetwork(ResidualConfig(n_blocks=2, atom_width=8), 1),
}


def collect(run: Callable, network: torch.nn.Module) -> list[torch.Tensor]:
    """The outputs for two batches of different sizes, and the derivatives."""
    found = []
    for graph in GRAPHS:
        network.zero_grad()
        output = run(graph)
        output.square().mean().backward()
        found += [output.detach(), *(parameter.grad.clone() for parameter in network.parameters())]
    return found


def measure(name: str, fused: bool) -> float:
    """The largest relative difference of any of them."""
    torch.manual_seed(0)
    untraced = NETWORKS[name]()
    untraced.compiled = fused
    traced = copy.deepcopy(untraced)
    run = torch.compile(traced, backend="aot_eager", fullgraph=True, dynamic=True)
    pairs = zip(collect(run, traced), collect(untraced, untraced), strict=True)
    return max(float((one - other).norm() / (other.norm() + 1e-6)) for one, other in pairs)


if __name__ == "__main__":
    print(
        json.dumps(
            {f"{name} {fused}": measure(name, fused) for name in NETWORKS for fused in (0, 1)}
        )
    )
