"""Has anything become slower? Ratios to fixed yardsticks in the same run, against stored ones.

    python -m benchmarks.guard            compare; exits 1 where a ratio fell by more than 30 %
    python -m benchmarks.guard --store    take today's ratios for those to come

A ratio says how many times as fast as its yardstick something is; both run in turn in one process,
so the machine and what else it does cancel out. Yardsticks are pymatgen's compiled neighbour list
with a vectorised cut, the network in plain torch, and numpy for what the compiler's options decide:
a gated sum that lost them gives the same numbers 7 to 10 times more slowly. Crystals: the embedded
data set. Stored in `benchmarks/results/guard.json`.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping

from benchmarks.timing import RESULTS, alternate, describe_run, say_run

import numpy as np
import torch

from xtalgraph.data import read_dataset
from xtalgraph.graphs import CrystalGraph, GraphArrays, GraphConfig, build_arrays, build_graphs
from xtalgraph.nn import Cgcnn, CgcnnConfig
from xtalgraph.nn.gated_sum.kernel import SILU, Scaling, near_gaussians, sum_gated
from xtalgraph.structures import CrystalStore

LARGEST_FALL = 0.3
STORED = RESULTS / "guard.json"
N_CRYSTALS = 64
Work = Callable[[], object]


def list_pymatgen(structures: list) -> None:
    """The compiled neighbour list within 8 Å, and a vectorised cut to the 12 nearest."""
    for structure in structures:
        centre, _, _, distance = structure.get_neighbor_list(8.0)
        order = np.lexsort((distance, centre))
        starts = np.searchsorted(centre[order], np.arange(len(structure)))
        rank = np.arange(len(order)) - starts[centre[order]]
        order[rank < 12]


def make_step(network: Cgcnn, graph: CrystalGraph) -> Work:
    """Forward and backward."""

    def step() -> None:
        network.zero_grad()
        network(graph).square().mean().backward()

    return step


def make_sums(graph: GraphArrays) -> tuple[Work, Work]:
    """The gated sum of 64 columns in numpy, over arrays of all edges, and in the compiled loops."""
    random, near = np.random.default_rng(0), near_gaussians(graph, 0.0, 8.0, 41)
    shapes = (graph.n_atoms, 128), (graph.n_atoms, 128), (41, 128)
    own, other, weight = (random.standard_normal(shape, np.float32) for shape in shapes)
    vectors = np.exp(-((graph.distance[:, None] / 0.2 - np.arange(41)) ** 2)).astype(np.float32)
    starts = graph.edge_starts[:-1]

    def in_numpy() -> np.ndarray:
        argument = vectors @ weight + own[graph.centre] + other[graph.neighbour]
        sigmoid = 1 / (1 + np.exp(-argument))
        return np.add.reduceat(sigmoid[:, :64] * sigmoid[:, 64:] * argument[:, 64:], starts)

    return in_numpy, lambda: sum_gated(SILU, own, other, weight, near, Scaling())


def make_pairs(store: CrystalStore) -> dict[str, tuple[Work, Work]]:
    """What is guarded: the yardstick, and ours."""
    structures = [crystal.to_pymatgen() for crystal in store]
    graph, merged = build_graphs(store), build_graphs(store, deduplicated=True)
    compiled, plain = Cgcnn(CgcnnConfig(), 1), Cgcnn(CgcnnConfig(), 1)
    over_batch, plain_over_batch = (Cgcnn(CgcnnConfig(normalisation="batch"), 1) for _ in range(2))
    plain.backend.name = plain_over_batch.backend.name = "torch"
    return {
        "neighbours, to pymatgen's list": (
            lambda: list_pymatgen(structures),
            lambda: build_graphs(store, GraphConfig("nearest")),
        ),
        "merged graphs, to pymatgen's list": (
            lambda: list_pymatgen(structures),
            lambda: build_graphs(store, deduplicated=True),
        ),
        "a step, to plain torch": (make_step(plain, graph), make_step(compiled, graph)),
        "a step on merged graphs, to plain torch on whole ones": (
            make_step(plain, graph),
            make_step(compiled, merged),
        ),
        "a step with batch normalisation, to plain torch": (
            make_step(plain_over_batch, graph),
            make_step(over_batch, graph),
        ),
        "the gated sum, to numpy": make_sums(build_arrays(store, GraphConfig("nearest"))),
    }


def measure(rounds: int) -> dict[str, float]:
    """Give how many times as fast as its yardstick each is."""
    store = read_dataset("mp-sample").crystals
    store = store.take(np.linspace(0, len(store) - 1, N_CRYSTALS).astype(int))
    ratios = {}
    for name, (yardstick, ours) in make_pairs(store).items():
        medians = alternate({"yardstick": yardstick, "ours": ours}, rounds)
        ratios[name] = medians["yardstick"] / medians["ours"]
    return ratios


def find_falls(found: Mapping[str, float], stored: Mapping[str, float]) -> list[str]:
    """Say which ratios fell by more than is allowed, and which are no longer measured.

    >>> find_falls({"step": 2.0}, {"step": 2.5})
    []
    >>> find_falls({"step": 1.7}, {"step": 2.5})
    ['step: 1.7 times as fast, stored 2.5 (32 % less)']
    """
    falls = []
    for name, before in stored.items():
        now = found.get(name)
        if now is None:
            falls.append(f"{name}: stored, and not measured any more")
        elif now < before * (1 - LARGEST_FALL):
            less = 100 * (1 - now / before)
            falls.append(
                f"{name}: {now:.1f} times as fast, stored {before:.1f} ({less:.0f} % less)"
            )
    return falls


def main() -> None:
    """Measure, and compare or store."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--store", action="store_true", help="today's ratios are the stored ones")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    run, ratios = describe_run(), measure(options.rounds)
    print(say_run(run))
    for name, ratio in ratios.items():
        print(f"{name}: {ratio:.1f} times as fast")
    if options.store:
        STORED.write_text(json.dumps({**run, "ratios": ratios}, indent=2) + "\n")
        return
    falls = find_falls(ratios, json.loads(STORED.read_text())["ratios"])
    if falls:
        print("slower than it was:", *falls, sep="\n  ")
        sys.exit(1)


if __name__ == "__main__":
    main()
