"""xtalgraph, asked the same as its peers."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.peers.serving import read_texts, serve
from benchmarks.peers.learning import (
    NORMALISED,
    NOT_NORMALISED,
    make_losses,
    make_step,
    read_batch,
    read_weights,
)

import torch

from xtalgraph.data import read_dataset
from xtalgraph.graphs import CrystalGraph, GraphConfig, GraphLoader, build_graphs
from xtalgraph.nn import Cgcnn
from xtalgraph.nn.configs import NETWORK_OF_2018
from xtalgraph.nn.checkpoint_2018 import from_2018_state
from xtalgraph.nn.gated_sum.kernel import NearGaussians
from xtalgraph.nn.gated_sum.triton_form import PlacedBonds
from xtalgraph.structures import read_crystal, read_crystals

RULE = GraphConfig("nearest", 12)
FORMS = {PlacedBonds: "Triton", NearGaussians: "compiled loops", torch.Tensor: "plain torch"}
WITHOUT_NORMALISATION = replace(
    NETWORK_OF_2018, normalisation="none", activate_residual=False
)  # as the layer of PyG


def graphs(options: dict) -> Callable[[], None]:
    """Files to graphs, in one batch, as a user reads a folder."""
    return lambda: build_graphs(read_crystals(options["folder"]))


def graphs_of_texts(options: dict) -> Callable[[], None]:
    """Texts in memory to graphs, in one batch."""
    texts = read_texts(options["folder"])
    return lambda: build_graphs([read_crystal(text, format="cif") for text in texts])


def first_batch(options: dict) -> Callable[[], None]:
    """A folder to the first batch that a network is given; every crystal is read and checked."""

    def work() -> None:
        crystals = read_dataset(Path(options["folder"])).crystals
        next(iter(GraphLoader(crystals, RULE, options["batch_size"], shuffle=True)))

    return work


def step(options: dict) -> Callable[[], float]:
    """A step of the network of 2018 on whole graphs."""
    return _make_step(NETWORK_OF_2018, options, _graph_of_batch(options))


def plain_step(options: dict) -> Callable[[], float]:
    """A step of the same network without normalisation, on whole graphs."""
    return _make_step(WITHOUT_NORMALISATION, options, _graph_of_batch(options))


def merged_step(options: dict) -> Callable[[], float]:
    """The same on merged graphs, which are another form of the same crystals."""
    crystals = [read_crystal(text, format="cif") for text in read_texts(options["folder"])]
    graph = build_graphs(crystals, RULE, deduplicated=True).to(options["device"])
    return _make_step(WITHOUT_NORMALISATION, options, graph)


def form(options: dict) -> Callable[[], str]:
    """What computes the sums over edges, and where: the steps are measured with it."""
    network = Cgcnn(NETWORK_OF_2018, 1).to(options["device"])
    graph = _graph_of_batch(options)
    atoms = network.element_vectors(graph.atomic_numbers)
    bonds = network.backend.select(graph, atoms, network.bond_vectors)
    card = torch.cuda.get_device_name() if options["device"] == "cuda" else "the processor"
    return lambda: f"{FORMS[type(bonds)]} on {card}"


def _make_step(config: object, options: dict, graph: CrystalGraph) -> Callable[[], float]:
    network = Cgcnn(config, 1)
    network.load_state_dict(from_2018_state(read_weights(options)), strict=False)
    target = read_batch(options)["target"]
    rate = NORMALISED if config is NETWORK_OF_2018 else NOT_NORMALISED
    return make_step(network.to(options["device"]), (graph,), target, rate)


def _graph_of_batch(options: dict) -> CrystalGraph:
    batch = read_batch(options)
    n_edges = len(batch["centre"])
    return CrystalGraph(
        atomic_numbers=batch["atomic_numbers"],
        crystal=batch["crystal"],
        centre=batch["centre"],
        neighbour=batch["neighbour"],
        image=torch.zeros(n_edges, 3, dtype=torch.int64, device=options["device"]),
        distance=batch["distance"],
        edge_weight=torch.ones_like(batch["distance"]),
        multiplicity=torch.ones_like(batch["crystal"]),
        n_crystals=len(batch["target"]),
    )


if __name__ == "__main__":
    tasks = {"graphs": graphs, "graphs_of_texts": graphs_of_texts, "first_batch": first_batch}
    tasks["form"] = form
    for name, task in (("step", step), ("plain_step", plain_step), ("merged_step", merged_step)):
        tasks[name] = task
        losses = name.replace("step", "losses")
        tasks[losses] = lambda options, task=task: make_losses(task(options))
    serve(tasks, ("xtalgraph", "torch"))
