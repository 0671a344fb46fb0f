"""Screening end to end: candidates a second, and the memory that it takes.

    python -m benchmarks.screening [--model NAME] [--candidates 100000]

Perovskites are built by their number, filtered, made graphs, predicted, ranked and written, in one
process of one thread; processor time, so that other work on the machine does not count. The network
is the default one (4 gated convolutions, width 64) with untrained weights, which cost as much as
trained ones, unless a model is named. Results go to `benchmarks/results/screening.json` and `.md`.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

from benchmarks.timing import write_results

import numpy as np
import torch

from xtalgraph.graphs import GraphConfig
from xtalgraph.nn import CgcnnConfig, Normaliser, SavedModel, Task, NETWORKS, save_model
from xtalgraph.screening import PerovskiteSpace, ScreenSpec, list_anions, screen
from xtalgraph.screening.candidates import CHUNK, generate_chunks
from xtalgraph.screening.screener import Screener
from xtalgraph.screening.perovskite_sites import METALS
from xtalgraph.units import KNOWN_TARGETS

SPACE = PerovskiteSpace(METALS, METALS, list_anions(["O", "N", "F", "S", "Cl", "Br", "I", "Se"]))
TARGET = "energy_above_hull"


def make_model(folder: Path) -> str:
    """Save the default network as it begins."""
    torch.manual_seed(0)
    config = CgcnnConfig()
    network = NETWORKS["cgcnn"].build(config, 1, None)
    task = Task("regression", (KNOWN_TARGETS[TARGET],))
    model = SavedModel(network, config, GraphConfig(), task, Normaliser((1.5,), (0.7,)), (), {})
    return str(save_model(model, folder))


def measure_steps(model: str) -> dict[str, float]:
    """Give microseconds a candidate of building, and of everything up to the table."""
    screener = Screener(ScreenSpec((model,), where=f"{TARGET} < -9"))
    chunks = [chunk for _, chunk in generate_chunks(SPACE, ())][:4]
    screener.screen(chunks[0])  # imports and compilation are not what is measured
    times = {}
    for name, work in (("built", lambda chunk: chunk.make()), ("judged", screener.screen)):
        begin = time.process_time()
        for chunk in chunks[1:]:
            work(chunk)
        times[name] = 1e6 * (time.process_time() - begin) / (3 * CHUNK)
    return times


class Part:
    """The first candidates of the space."""

    may_repeat = False
    title = SPACE.title

    def __init__(self, n_candidates: int) -> None:
        self.n_candidates = min(n_candidates, len(SPACE))

    def describe(self) -> dict:
        return {**SPACE.describe(), "first": self.n_candidates}

    def chunks(self, done):
        for number, chunk in generate_chunks(SPACE, done):
            if chunk.first < self.n_candidates:
                yield number, chunk


def measure_screen(model: str, n_candidates: int, folder: Path) -> dict[str, float]:
    """Give candidates a second of processor time, end to end, and the peak of memory in MB."""
    spec = ScreenSpec((model,), where=f"{TARGET} < {cut(model)}")
    begin = time.process_time()
    result = screen(Part(n_candidates), spec, out=folder, n_workers=1)
    seconds = time.process_time() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "candidates": result.funnel["candidates"],
        "passed": result.funnel["passed"],
        "seconds": seconds,
        "per_second": result.funnel["candidates"] / seconds,
        "peak_MB": peak,
    }


def cut(model: str) -> float:
    """Give a value that about a hundredth of the candidates lie below."""
    screener = Screener(ScreenSpec((model,)))
    table = screener.screen(next(generate_chunks(SPACE, ()))[1]).table
    return float(np.quantile(table["score"].to_numpy(), 0.01))


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description="Measure how fast candidates are screened.")
    parser.add_argument("--model")
    parser.add_argument("--candidates", type=int, default=100_000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = options.model or make_model(folder / "model")
        steps = measure_steps(model)
        whole = measure_screen(model, options.candidates, folder / "screen")
    lines = [
        "| five-atom candidates | µs each | a second of one core |",
        "|---|---|---|",
        *(f"| {name} | {micro:.1f} | {1e6 / micro:,.0f} |" for name, micro in steps.items()),
        f"| screened, {whole['candidates']:,} end to end | {1e6 / whole['per_second']:.1f} "
        f"| {whole['per_second']:,.0f} |",
        "",
        f"Peak memory {whole['peak_MB']:,.0f} MB, all of Python and torch included; "
        f"{whole['passed']:,} passed.",
    ]
    write_results("screening", lines, [{**steps, **whole}])


if __name__ == "__main__":
    main()
