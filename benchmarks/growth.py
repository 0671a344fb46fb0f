"""How cost grows: time and memory against crystals, atoms in a cell, neighbours and width.

    python -m benchmarks.growth

Graphs and prediction against the number of crystals (the embedded data set, repeated); graphs and
a step of learning against atoms in the cell (a rattled simple cubic crystal, whole graphs: of a
supercell merging would leave one atom), neighbours and width. Processor time of one thread, least
of `--rounds`; memory is the rise of the process's peak while the work runs (Linux). The
exponent is that of a line through the upper half of the points, where fixed costs count less.
Results go to `benchmarks/results/growth.json` and `.md`, the figure to `docs/figures/growth.png`.
"""

import argparse
import ctypes
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.timing import describe_run, say_run, write_files

import numpy as np
import torch

from xtalgraph.data import read_dataset
from xtalgraph.report.figures.style import COLOURS, MARKERS, PAGE_WIDTH, save_small_png, styled
from xtalgraph.graphs import CrystalGraph, GraphConfig, build_graphs
from xtalgraph.nn import Cgcnn, CgcnnConfig, Normaliser, SavedModel, Task
from xtalgraph.prediction import Predictor
from xtalgraph.structures import Crystal, CrystalStore
from xtalgraph.units import KNOWN_TARGETS

FIGURE = Path(__file__).parent.parent / "docs" / "figures" / "growth.png"
ATOMS_IN_BATCH = 1600
CELLS = [(1, 1, 1), (2, 1, 1), (2, 2, 1), (2, 2, 2), (4, 2, 2), (4, 4, 2), (4, 4, 4), (8, 4, 4)]
CELLS += [(8, 5, 5), (8, 8, 4), (10, 8, 5)]
AXES = {
    "crystals": "crystals",
    "atoms": "atoms in the cell",
    "neighbours": "neighbours of an atom",
    "width": "width of atom vectors",
}
TICKS = {"crystals": (1000, 10_000, 100_000), "atoms": (1, 10, 100), "neighbours": (8, 16, 32)}
TICKS["width"] = (16, 64, 256)
Work = Callable[[], object]
Point = tuple[str, str, int, Work, int]  # axis, what, size, work, by how much it is divided


def rattled_crystal(cells: tuple[int, int, int]) -> Crystal:
    """A simple cubic crystal of 3 Å, its atoms moved by some 0.1 Å, so that none are alike."""
    places = np.array(list(np.ndindex(*cells)), dtype=float) / cells
    moved = np.random.default_rng(0).normal(0, 0.1, places.shape) / (3.0 * np.array(cells))
    numbers = np.where(np.arange(len(places)) % 2, 8, 12)
    return Crystal(np.diag(3.0 * np.array(cells)), places + moved, numbers)


def make_step(graph: CrystalGraph, width: int = 64) -> Work:
    """Forward and backward of the default network."""
    torch.manual_seed(0)
    network = Cgcnn(CgcnnConfig(atom_width=width), 1)

    def step() -> None:
        network.zero_grad()
        network(graph).square().mean().backward()

    return step


def make_predictor() -> Predictor:
    """The default network as it begins."""
    task = Task("regression", (KNOWN_TARGETS["formation_energy_per_atom"],))
    config = CgcnnConfig()
    normaliser = Normaliser((0.0,), (1.0,))
    return Predictor(SavedModel(Cgcnn(config, 1), config, GraphConfig(), task, normaliser, (), {}))


def by_crystals(largest: int) -> Iterator[Point]:
    """From a thousand crystals up, by threes."""
    store, predictor = read_dataset("mp-sample").crystals, make_predictor()
    for size in (1000, 3000, 10_000, 30_000, 100_000):
        if size <= largest:
            crystals = store.take(np.arange(size) % len(store))
            yield "crystals", "graphs", size, lambda c=crystals: build_graphs(c), 1
            yield "crystals", "prediction", size, lambda c=crystals: predictor.predict(c), 1


def by_atoms() -> Iterator[Point]:
    """From one atom to 400, whole graphs, in batches of about as many atoms; for one crystal."""
    for cells in CELLS:
        size = int(np.prod(cells))
        n_crystals = max(1, ATOMS_IN_BATCH // size)
        store = CrystalStore.from_crystals([rattled_crystal(cells)] * n_crystals)
        yield "atoms", "graphs", size, lambda s=store: build_graphs(s), n_crystals
        yield "atoms", "step", size, make_step(build_graphs(store)), n_crystals


def by_neighbours_and_width() -> Iterator[Point]:
    """From 8 neighbours to 48, and from width 16 to 256, for 1600 atoms."""
    store = CrystalStore.from_crystals([rattled_crystal((4, 4, 2))] * (ATOMS_IN_BATCH // 32))
    for size in (8, 12, 16, 24, 32, 48):
        config = GraphConfig(n_neighbours=size)
        yield "neighbours", "graphs", size, lambda c=config: build_graphs(store, c), 1
        yield "neighbours", "step", size, make_step(build_graphs(store, config)), 1
    graph = build_graphs(store)
    for size in (16, 32, 64, 128, 256):
        yield "width", "step", size, make_step(graph, size), 1


def measure(point: Point, rounds: int) -> dict:
    """The least processor seconds of a point, and the rise of the peak of memory in MB."""
    axis, what, size, work, divisor = point
    work()  # compiles
    least, rise = float("inf"), 0.0
    for _ in range(rounds):
        before = begin_peak()
        begin = time.process_time()
        work()
        least = min(least, time.process_time() - begin)
        rise = max(rise, read_status("VmHWM") - before)
    row = {"axis": axis, "what": what, "size": size, "seconds": least / divisor}
    return {**row, "MB": rise / divisor}


def begin_peak() -> float:
    """Let the peak of memory begin anew, and give the memory held now, in MB."""
    clear = Path("/proc/self/clear_refs")
    if not clear.exists():
        return float("nan")
    ctypes.CDLL(None).malloc_trim(0)  # what was freed is kept for later, and would hide the rise
    clear.write_text("5")
    return read_status("VmRSS")


def read_status(name: str) -> float:
    """Give a line of this process's status in MB, nan where there is none."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    lines = status.read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def fit_exponent(sizes: list[float], costs: list[float]) -> float:
    """Give the slope through the upper half of the points, both axes as logarithms.

    >>> round(fit_exponent([1, 2, 4, 8], [5.0, 4.0, 16.0, 64.0]), 3)
    2.0
    """
    begin = min(len(sizes) // 2, len(sizes) - 2)
    x, y = np.log(sizes[begin:]), np.log(np.maximum(costs[begin:], 1e-9))
    return float(np.polyfit(x, y, 1)[0])


def fit_all(rows: list[dict]) -> list[dict]:
    """One exponent of time and one of memory for each line of the figure."""
    fits = []
    for axis in AXES:
        for what in dict.fromkeys(row["what"] for row in rows if row["axis"] == axis):
            line = [row for row in rows if (row["axis"], row["what"]) == (axis, what)]
            sizes = [row["size"] for row in line]
            fit = {"axis": axis, "what": what, "smallest": line[0], "largest": line[-1]}
            fit["time"] = fit_exponent(sizes, [row["seconds"] for row in line])
            fit["memory"] = fit_exponent(sizes, [row["MB"] for row in line])
            fits.append(fit)
    return fits


@styled
def draw(rows: list[dict], fits: list[dict]) -> None:
    """Time above, memory below, a column an axis; exponents in the legends."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter

    figure = Figure(figsize=(PAGE_WIDTH, 4.4), layout="constrained")
    grid = figure.subplots(2, len(AXES), sharex="col")
    for column, (axis, words) in enumerate(AXES.items()):
        for place, fit in enumerate(fit for fit in fits if fit["axis"] == axis):
            line = [row for row in rows if (row["axis"], row["what"]) == (axis, fit["what"])]
            sizes = [row["size"] for row in line]
            colour = {"graphs": "blue", "step": "orange", "prediction": "green"}[fit["what"]]
            look = {"color": COLOURS[colour], "marker": MARKERS[place], "markersize": 3.5}
            milliseconds = [1e3 * row["seconds"] for row in line]
            grid[0, column].plot(
                sizes, milliseconds, label=f"{fit['what']}, {fit['time']:.2f}", **look
            )
            memory = [row["MB"] if row["MB"] > 0.01 else np.nan for row in line]
            grid[1, column].plot(sizes, memory, label=fit["what"], **look)
        grid[1, column].set_xlabel(words)
        grid[0, column].legend(loc="upper left", handlelength=1.2, fontsize=7)
        for panel in grid[:, column]:
            panel.set(xscale="log", yscale="log")
            panel.set_xticks(TICKS[axis], [f"{tick:,}" for tick in TICKS[axis]])
            panel.xaxis.set_minor_formatter(NullFormatter())
            panel.yaxis.set_minor_formatter(NullFormatter())
        low, high = grid[0, column].get_ylim()
        grid[0, column].set_ylim(low, high * (high / low) ** 0.25)  # room for the legend
    grid[0, 0].set_ylabel("processor time (ms)")
    grid[1, 0].set_ylabel("rise of the peak of memory (MB)")
    save_small_png(figure, FIGURE)


def main() -> None:
    """Measure, fit, draw and store."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--largest", type=int, default=100_000, help="crystals")
    options = parser.parse_args()
    torch.set_num_threads(1)
    run, rows = describe_run(), []
    for points in (by_neighbours_and_width(), by_atoms(), by_crystals(options.largest)):
        rows += [measure(point, options.rounds) for point in points]
    fits = fit_all(rows)
    lines = [
        "| against | what | from | to | exponent of time | of memory |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {AXES[fit['axis']]} | {fit['what']} | {describe(fit['smallest'])} "
        f"| {describe(fit['largest'])} | {fit['time']:.2f} | {fit['memory']:.2f} |"
        for fit in fits
    ]
    write_files("growth", [*lines, "", say_run(run)], {**run, "rows": rows, "fits": fits})
    draw(rows, fits)


def describe(row: dict) -> str:
    """A point in words."""
    return f"{row['size']:,}: {1e3 * row['seconds']:.3g} ms, {row['MB']:.3g} MB"


if __name__ == "__main__":
    main()
