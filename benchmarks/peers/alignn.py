"""ALIGNN's pure-torch variant, with its own default sizes, 12 neighbours and angles: another."""

import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.peers.serving import read_texts, say_csv, serve

import torch


def make_network() -> torch.nn.Module:
    """The network, untrained, for a property of the crystal."""
    from alignn.models.alignn_atomwise_pure import (
        ALIGNNAtomWisePure,
        ALIGNNAtomWisePureConfig,
    )

    torch.manual_seed(0)
    config = ALIGNNAtomWisePureConfig(
        name="alignn_atomwise_pure", atom_input_features=92, calculate_gradient=False
    )
    return ALIGNNAtomWisePure(config)


def make_graph(text: str) -> tuple:
    """A CIF text to the graph of its bonds, that of its angles, and the lattice."""
    from alignn.torch_graph_builder import build_pure_torch_graph
    from jarvis.core.atoms import Atoms

    atoms = Atoms.from_cif(from_string=text, get_primitive_atoms=False, use_cif2cell=False)
    pair = build_pure_torch_graph(atoms, two_body_cutoff=8.0, max_neighbors=12)
    return *pair, torch.tensor(atoms.lattice_mat, dtype=torch.float32)


def graphs(options: dict) -> Callable[[], object]:
    """Files to graphs."""
    return lambda: [make_graph(text) for text in read_texts(options["folder"])]


def step(options: dict) -> Callable[[], float]:
    """A step of learning."""
    from alignn.torch_graph_builder import batch_torch_graph_pairs

    network = make_network()
    made = [make_graph(text) for text in read_texts(options["folder"])]
    bonds, angles = batch_torch_graph_pairs([(graph, line) for graph, line, _ in made])
    lattices = torch.stack([lattice for _, _, lattice in made])
    target = torch.linspace(-1, 1, len(made))
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-5, momentum=0.9)

    def work() -> float:
        optimiser.zero_grad()
        loss = (network((bonds, angles, lattices))["out"].view(-1) - target).square().mean()
        loss.backward()
        optimiser.step()
        return loss.item()

    return work


def predict(folder: str, out: str) -> None:
    """Predict a folder, one crystal after another."""
    network = make_network().eval()
    rows = {}
    for path in sorted(Path(folder).glob("*.cif")):
        graph, line, lattice = make_graph(path.read_text())
        with torch.no_grad():
            rows[path.stem] = float(network((graph, line, lattice))["out"])
    say_csv(out, rows)


if __name__ == "__main__":
    if sys.argv[1:2] == ["predict"]:
        predict(*sys.argv[2:])
    else:
        serve({"graphs": graphs, "other_step": step}, ("alignn", "jarvis-tools", "torch"))
