"""A training step of the same gated network: the compiled operator against others.

    python -m benchmarks.training --data ../shared/data [--reference PATH]

Forward, backward and optimiser step on ready graphs, one core, processor time, the ways in turn,
medians. `plain` is the same network in plain torch (the product split into atom and bond parts),
`PyG` has `torch_geometric.nn.CGConv` in place of the convolution, and `2018` is the code of 2018,
of which PATH is a clone. Networks: 3 gated convolutions, width 64, 41 Gaussians, one hidden layer
of 128; batch normalisation but for PyG's layer, which has none over the edges. Rule `nearest` with
12 neighbours, so that the code of 2018 takes the same graphs.
"""

import argparse
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.timing import alternate, write_results

import pandas as pd
import torch
from torch import nn

from xtalgraph.datasets import read_dataset
from xtalgraph.graphs import CrystalGraph, GraphConfig, build_graphs
from xtalgraph.models import Cgcnn
from xtalgraph.models.cgcnn import NETWORK_OF_2018
from xtalgraph.models.element_vectors import paper_vectors
from xtalgraph.models.pooling import find_pooling
from xtalgraph.models.radial import GaussianBasis

N_NEIGHBOURS = 12


class PygNetwork(nn.Module):
    """The same network around PyG's `CGConv`."""

    def __init__(self) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the import remarks on things that are not ours
            from torch_geometric.nn import CGConv
        self.embed = nn.Linear(92, 64)
        self.basis = GaussianBasis(0.0, 8.0, 41)
        self.convolutions = nn.ModuleList(CGConv(64, 41, batch_norm=True) for _ in range(3))
        layers = nn.Softplus(), nn.Linear(64, 128), nn.Softplus(), nn.Linear(128, 1)
        self.output = nn.Sequential(*layers)
        self.register_buffer("vectors", paper_vectors().float())

    def forward(self, graph: CrystalGraph) -> torch.Tensor:
        """Give one number a crystal."""
        atoms = self.embed(self.vectors[graph.atomic_numbers])
        edges = self.basis(graph.distance.float())
        index = torch.stack([graph.neighbour, graph.centre])
        for convolve in self.convolutions:
            atoms = convolve(atoms, index, edges)
        return self.output(find_pooling("mean")(atoms, graph))


def make_reference(path: Path, graph: CrystalGraph) -> tuple[nn.Module, tuple]:
    """The network of a clone of the 2018 code, and the graph in its form."""
    sys.path.insert(0, str(path))
    from cgcnn.model import CrystalGraphConvNet

    n_atoms = graph.n_atoms
    if graph.n_edges != n_atoms * N_NEIGHBOURS:
        raise SystemExit("the code of 2018 pads missing neighbours; choose denser crystals")
    edges = GaussianBasis(0.0, 8.0, 41)(graph.distance.float())
    members = [torch.nonzero(graph.crystal == i)[:, 0] for i in range(graph.n_crystals)]
    inputs = (
        paper_vectors().float()[graph.atomic_numbers],
        edges.view(n_atoms, N_NEIGHBOURS, -1),
        graph.neighbour.view(n_atoms, N_NEIGHBOURS),
        members,
    )
    return CrystalGraphConvNet(92, 41, atom_fea_len=64, n_conv=3, h_fea_len=128, n_h=1), inputs


def make_step(network: nn.Module, inputs: tuple, n_crystals: int) -> Callable[[], None]:
    """One optimisation step on one batch."""
    target = torch.linspace(-1, 1, n_crystals)[:, None]
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-6, momentum=0.9)
    network.train()

    def step() -> None:
        optimiser.zero_grad()
        (network(*inputs) - target).square().mean().backward()
        optimiser.step()

    return step


def choose_batches(data: Path) -> dict[str, CrystalGraph]:
    """256 crystals of 5 atoms, and 64 of 25 to 35 atoms."""
    config = GraphConfig("nearest", N_NEIGHBOURS)
    small = read_dataset(data / "castelli_perovskites.parquet").crystals.take(range(256))
    larger = read_dataset(data / "materials_project_36k.parquet").crystals
    sizes = pd.Series(larger.n_atoms)
    rows = sizes[(sizes >= 25) & (sizes <= 35)].index[:200]
    kept = []
    for row in rows:
        graph = build_graphs(larger.take([row]), GraphConfig("nearest", 12, isolated="ignore"))
        if graph.n_edges == graph.n_atoms * N_NEIGHBOURS:
            kept.append(row)
    return {
        "5 atoms": build_graphs(small, config),
        "25 to 35 atoms": build_graphs(larger.take(kept[:64]), config),
    }


def main() -> None:
    """Measure, print and store the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--reference", type=Path, help="a clone of the code of 2018")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for crystals, graph in choose_batches(arguments.data).items():
        plain = Cgcnn(NETWORK_OF_2018, 1)
        plain.compiled = False
        networks = {
            "xtalgraph": (Cgcnn(NETWORK_OF_2018, 1), (graph,)),
            "xtalgraph, paper's eq. 5": (
                Cgcnn(replace(NETWORK_OF_2018, normalisation="none"), 1),
                (graph,),
            ),
            "plain": (plain, (graph,)),
            "PyG": (PygNetwork(), (graph,)),
        }
        if arguments.reference:
            networks["2018"] = make_reference(arguments.reference, graph)
        ways = {
            name: make_step(network, inputs, graph.n_crystals)
            for name, (network, inputs) in networks.items()
        }
        medians = alternate(ways, arguments.rounds)
        rows += [
            {
                "crystals": crystals,
                "network": name,
                "crystals_per_second": graph.n_crystals / value,
                "times_slower": value / medians["xtalgraph"],
            }
            for name, value in medians.items()
        ]
    lines = [
        "| crystals | network | crystals a second | times the step of xtalgraph |",
        "|---|---|---|---|",
        *(
            f"| {r['crystals']} | {r['network']} | {r['crystals_per_second']:,.0f} "
            f"| {r['times_slower']:.1f} |"
            for r in rows
        ),
    ]
    write_results("training", lines, rows)


if __name__ == "__main__":
    main()
