"""What `train.compile` and `train.cuda_graphs` gain: steps of learning, beside those without.

    python -m benchmarks.compiling [--device cuda] [--data TABLE] [--batch 128]

Batches of merged crystals, those with CUDA graphs filled up as the loader does it; forward,
backward and the optimiser. Without a card `--device cuda` writes nothing; on a CPU, where torch
records nothing, `cuda_graphs` says what filling up costs. Stored in
`benchmarks/results/compiling.md`, and `compiling_cuda.md`.
"""

import argparse
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

from benchmarks.timing import alternate, write_results

import numpy as np
import torch

from xtalgraph.data import read_dataset
from xtalgraph.graphs import CrystalGraph, GraphConfig, build_graphs
from xtalgraph.graphs.padding import fill_up
from xtalgraph.nn import Cgcnn, CgcnnConfig, ResidualConfig, ResidualNetwork
from xtalgraph.structures import CrystalStore

N_BATCHES = 4
RULES = {
    "cgcnn": GraphConfig(isolated="ignore"),
    "residual": GraphConfig("smooth", 16, isolated="ignore"),
}
NETWORKS = {
    "cgcnn": lambda: Cgcnn(CgcnnConfig(), 1),
    "residual": lambda: ResidualNetwork(ResidualConfig(), 1),
}
MODES = {"eager": None, "compile": "default", "compile, cuda_graphs": "reduce-overhead"}


def make_batches(store: CrystalStore, name: str, size: int) -> list[CrystalGraph]:
    """Random crystals, the same for every mode."""
    draw = np.random.default_rng(0)
    rows = [draw.integers(len(store), size=size) for _ in range(N_BATCHES)]
    return [build_graphs(store.take(some), RULES[name], merged=True) for some in rows]


def make_step(
    name: str, mode: str | None, graphs: list[CrystalGraph], size: int
) -> Callable[[], None]:
    """A step with the next of the batches."""
    device = graphs[0].distance.device
    torch.manual_seed(0)
    network = NETWORKS[name]().to(device)
    optimiser = torch.optim.AdamW(network.parameters(), 1e-4)
    compute: Callable = network
    if mode:
        compute = torch.compile(network.forward, dynamic=True, mode=mode)
    batches: Iterator[CrystalGraph] = cycle(graphs)

    def step() -> None:
        optimiser.zero_grad()
        compute(next(batches))[:size].square().mean().backward()
        optimiser.step()
        if device.type == "cuda":
            torch.cuda.synchronize()

    for _ in range(3 * N_BATCHES):  # compiling and recording are not what is measured
        step()
    return step


def measure(store: CrystalStore, name: str, size: int, device: str, rounds: int) -> list[dict]:
    """One row a mode: seconds a step, and how many times as fast as the first."""
    graphs = make_batches(store, name, size)
    steps = {}
    for mode, option in MODES.items():
        filled = [fill_up(graph, size + 1) for graph in graphs] if "graphs" in mode else graphs
        steps[mode] = make_step(name, option, [graph.to(device) for graph in filled], size)
    medians = alternate(steps, rounds, device)
    edges = round(sum(graph.n_edges for graph in graphs) / len(graphs))
    return [
        {
            "network": name,
            "edges": edges,
            "mode": mode,
            "seconds": median,
            "ratio": medians["eager"] / median,
        }
        for mode, median in medians.items()
    ]


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--data", default="mp-sample", help="a data set as xtalgraph reads it")
    parser.add_argument("--batch", type=int, default=128, help="crystals a batch")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.exit(1, "no accelerator here: nothing was measured, nothing is written\n")
    torch.set_num_threads(1)
    store = read_dataset(options.data, rejected=[]).crystals
    rows = [
        row
        for name in NETWORKS
        for row in measure(store, name, options.batch, options.device, options.rounds)
    ]
    where = torch.cuda.get_device_name() if options.device == "cuda" else "the processor"
    lines = [
        f"# Steps with torch.compile, on {where}",
        "",
        f"{options.batch} crystals of {Path(options.data).stem} a batch. "
        f"`python -m benchmarks.compiling --device {options.device} --data TABLE`",
        "",
        "| network | edges a batch | mode | ms a step | times as fast |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['network']} | {row['edges']:,} | {row['mode']} | {1e3 * row['seconds']:.1f} "
        f"| {row['ratio']:.2f} |"
        for row in rows
    ]
    write_results("compiling_cuda" if options.device == "cuda" else "compiling", lines, rows)


if __name__ == "__main__":
    main()
