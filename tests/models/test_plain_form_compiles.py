"""On an accelerator the plain form is what `torch.compile` takes: traced whole, the same numbers.

The backend here is the one that traces forward and backward without a compiler of C++; graphs of
the tests are small and on the CPU.
"""

import copy

import pytest
import torch

from tests.zoo import ZOO
from xtalgraph.graphs import CrystalGraph, GraphConfig, build_graphs
from xtalgraph.models import Cgcnn, CgcnnConfig, ResidualConfig, ResidualNetwork

CRYSTALS = [crystal for name, crystal in ZOO.items() if name != "large"][:6]
GRAPH = build_graphs(CRYSTALS, GraphConfig("smooth"), merged=True)
NETWORKS = {
    "cgcnn": lambda: Cgcnn(CgcnnConfig(n_convolutions=2, atom_width=8, hidden_width=8), 1),
    "residual": lambda: ResidualNetwork(ResidualConfig(n_blocks=2, atom_width=8), 1),
}


def gradients(network: torch.nn.Module, graph: CrystalGraph) -> list[torch.Tensor]:
    output = network(graph)
    output.square().mean().backward()
    return [output, *(parameter.grad for parameter in network.parameters())]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_traced_whole_it_gives_the_same_numbers(name):
    torch.manual_seed(0)
    plain = NETWORKS[name]()
    plain.compiled = False
    traced = copy.deepcopy(plain)
    compiled = torch.compile(traced, backend="aot_eager", fullgraph=True, dynamic=True)
    expected = gradients(plain, GRAPH)
    found = [compiled(GRAPH)]
    found[0].square().mean().backward()
    found += [parameter.grad for parameter in traced.parameters()]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    # another batch, of another size: traced anew or not, the numbers are its own
    smaller = build_graphs(CRYSTALS[:3], GraphConfig("smooth"), merged=True)
    with torch.no_grad():
        torch.testing.assert_close(compiled(smaller), plain(smaller), rtol=1e-5, atol=1e-6)
