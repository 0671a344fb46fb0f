"""MEGNet of matgl, with its own default sizes and its cutoff of 4 Å: another network."""

import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.peers.serving import read_texts, say_csv, serve

import torch


def make_parts() -> tuple:
    """The network, untrained, and what makes graphs for it."""
    from matgl.config import DEFAULT_ELEMENTS
    from matgl.ext.pymatgen import Structure2Graph
    from matgl.models import MEGNet

    torch.manual_seed(0)
    return MEGNet(), Structure2Graph(element_types=DEFAULT_ELEMENTS, cutoff=4.0)


def make_graphs(converter: object, folder: str) -> tuple[list, list]:
    """Files to graphs and their attributes of state."""
    from pymatgen.core import Structure

    found, states = [], []
    for text in read_texts(folder):
        graph, lattice, state = converter.get_graph(Structure.from_str(text, fmt="cif"))
        graph.pbc_offshift = torch.matmul(graph.pbc_offset, lattice[0])
        graph.pos = graph.frac_coords @ lattice[0]
        found.append(graph)
        states.append(torch.tensor(state, dtype=torch.float32))
    return found, states


def graphs(options: dict) -> Callable[[], object]:
    """Files to graphs."""
    _, converter = make_parts()
    return lambda: make_graphs(converter, options["folder"])


def step(options: dict) -> Callable[[], float]:
    """A step of learning."""
    from torch_geometric.data import Batch

    network, converter = make_parts()
    found, states = make_graphs(converter, options["folder"])
    batch, state = Batch.from_data_list(found), torch.stack(states)
    target = torch.linspace(-1, 1, len(found))
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-5, momentum=0.9)

    def work() -> float:
        optimiser.zero_grad()
        loss = (network(g=batch, state_attr=state) - target).square().mean()
        loss.backward()
        optimiser.step()
        return loss.item()

    return work


def predict(folder: str, out: str) -> None:
    """Predict a folder as the package does it for a structure, one after another."""
    from pymatgen.core import Structure

    network, _ = make_parts()
    network.eval()
    rows = {
        path.stem: float(network.predict_structure(Structure.from_file(path)))
        for path in sorted(Path(folder).glob("*.cif"))
    }
    say_csv(out, rows)


if __name__ == "__main__":
    if sys.argv[1:2] == ["predict"]:
        predict(*sys.argv[2:])
    else:
        serve({"graphs": graphs, "other_step": step}, ("matgl", "torch_geometric", "torch"))
