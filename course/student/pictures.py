"""Given: the pictures of the notebook. Nothing to write here."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from xtalgraph import Crystal, CrystalGraph
from xtalgraph.nn import describe_components, paper_vectors

BLUE, ORANGE, GREEN, PURPLE, SKY, GOLD, BLACK, GREY = [
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#E69F00",
    "#222222",
    "#8A8A8A",
]
SERIES = [BLUE, ORANGE, GREEN, PURPLE, SKY, GOLD, BLACK]
plt.rcParams.update(
    {
        "font.size": 9,
        "axes.titlesize": 9.5,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
        "legend.fontsize": 8,
        "figure.dpi": 90,
        "figure.constrained_layout.use": True,
    }
)


def draw_crystal(crystal: Crystal, graph: CrystalGraph | None = None, atom: int = 0) -> None:
    """Draw a cell with the images on its faces, and the edges that one atom receives."""
    figure = plt.figure(figsize=(4.6, 4.2))
    axes = figure.add_subplot(projection="3d")
    _draw_cell(axes, crystal)
    if graph is not None:
        start = crystal.cartesian_positions[atom]
        for edge in (graph.centre == atom).nonzero().flatten().tolist():
            place = crystal.fractional_positions[graph.neighbour[edge]] + graph.image[edge].numpy()
            end = place @ crystal.lattice
            axes.plot(*zip(start, end, strict=True), color=BLACK, lw=1.2)
            axes.scatter(*end, s=90, facecolor="none", edgecolor=BLACK)
    plt.show()


def _draw_cell(axes: plt.Axes, crystal: Crystal, repeat: int = 1) -> None:
    corners = np.array(list(product((0, 1), repeat=3))) @ crystal.lattice
    for first, second in product(range(8), repeat=2):
        if bin(first ^ second).count("1") == 1:
            ends = zip(corners[first], corners[second], strict=True)
            axes.plot(*ends, color=GREY, lw=0.7)
    colours = dict(zip(sorted(set(crystal.symbols)), SERIES, strict=False))
    for symbol, colour in colours.items():
        places = [
            (position % 1 + shift) @ crystal.lattice
            for position, name in zip(crystal.fractional_positions, crystal.symbols, strict=True)
            for shift in product((0, 1, 2)[: repeat + 1], repeat=3)
            if name == symbol and (position % 1 + shift <= repeat + 1e-6).all()
        ]
        axes.scatter(*np.array(places).T, s=90, color=colour, label=symbol, depthshade=False)
    axes.set(xlabel="x (Å)", ylabel="y (Å)", zlabel="z (Å)")
    axes.set_box_aspect(None, zoom=0.85)
    axes.set_aspect("equal")
    axes.legend(loc="upper left")


def draw_multigraph(graph: CrystalGraph, symbols: Sequence[str]) -> None:
    """Draw a crystal of few atoms as a graph: one circle an atom, one arc an edge."""
    angles = np.pi + 2 * np.pi * np.arange(graph.n_atoms) / graph.n_atoms
    places = np.column_stack([np.cos(angles), np.sin(angles)])
    _, axes = plt.subplots(figsize=(5, 3))
    pairs = list(zip(graph.centre.tolist(), graph.neighbour.tolist(), strict=True))
    drawn: dict[tuple[int, int], int] = {}
    for centre, neighbour in pairs:
        if centre > neighbour:
            continue  # the edge back is drawn as the same arc
        number, total = drawn.get((centre, neighbour), 0), pairs.count((centre, neighbour))
        drawn[centre, neighbour] = number + 1
        bend = 0.9 * (number - (total - 1) / 2) / max(total - 1, 1)
        style = {"arrowstyle": "<->", "connectionstyle": f"arc3,rad={bend}", "color": GREY}
        style |= {"shrinkA": 16, "shrinkB": 16}
        axes.annotate("", places[neighbour], places[centre], arrowprops=style)
    for place, symbol, colour in zip(places, symbols, SERIES, strict=False):
        axes.scatter(*place, s=900, color=colour, zorder=3)
        axes.text(*place, symbol, color="white", ha="center", va="center", zorder=4)
    axes.set(xlim=(-1.4, 1.4), ylim=(-0.9, 0.9))
    axes.axis("off")
    axes.set_title("each arc is an edge in both directions")
    plt.show()


def draw_element_vectors(numbers: Sequence[int], names: Sequence[str]) -> None:
    """Draw the 92 components of some elements, one row each, with the nine properties named."""
    components = describe_components()
    groups = [component.property for component in components]
    bounds = [0] + [i for i in range(1, 92) if groups[i] != groups[i - 1]] + [92]
    _, axes = plt.subplots(figsize=(9, 0.9 + 0.32 * len(numbers)))
    axes.imshow(paper_vectors()[list(numbers)], cmap="Blues", aspect="auto", vmax=1.3)
    for first, last in pairwise(bounds):
        axes.axvline(first - 0.5, color=ORANGE, lw=1)
        words = groups[first].replace("_", "\n")
        axes.text((first + last - 1) / 2, -0.7, words, ha="center", va="bottom", fontsize=7)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("component")
    axes.tick_params(length=0)
    plt.show()


def draw_expansion(distances: torch.Tensor, vectors: torch.Tensor, longest: float) -> None:
    """Draw the Gaussians, and what they make of some distances."""
    centres = np.linspace(0, longest, vectors.shape[1])
    step = centres[1]
    _, (left, right) = plt.subplots(1, 2, figsize=(9, 2.8))
    x = np.linspace(0, longest, 600)
    for number, centre in enumerate(centres):
        shade = BLUE if number % 5 == 0 else "#C9DCEA"
        left.plot(x, np.exp(-(((x - centre) / step) ** 2)), color=shade, lw=0.9)
    for distance, colour in zip(distances, SERIES[1:], strict=False):
        left.axvline(float(distance), color=colour, ls="--")
    left.set(title="the Gaussians, every fifth dark", xlabel="distance (Å)", ylabel="component")
    for distance, vector, colour in zip(distances, vectors, SERIES[1:], strict=False):
        label = f"d = {float(distance):.2f} Å"
        right.plot(centres, vector, "o-", color=colour, ms=3, lw=0.8, label=label)
    right.set(title="the bond vectors of three distances", xlabel="centre of the component (Å)")
    right.legend()
    plt.show()


def draw_locality(lengths: np.ndarray, values: np.ndarray, kinds: Sequence[str], unit: str) -> None:
    """Draw a quantity against the shortest distance of each crystal, a colour a kind."""
    _, axes = plt.subplots(figsize=(5.4, 3.4))
    kinds = np.array(kinds)
    names, counts = np.unique(kinds, return_counts=True)
    for name, colour in zip(names[counts.argsort()[::-1]][:7], SERIES, strict=False):
        mine = kinds == name
        axes.scatter(lengths[mine], values[mine], s=9, color=colour, label=name, alpha=0.7)
    axes.set(xlabel="shortest distance between two atoms (Å)", ylabel=f"energy ({unit})")
    axes.legend(title="anion", ncol=2)
    plt.show()


def draw_gate(opening: torch.Tensor, kinds: Sequence[str], title: str) -> None:
    """Draw how far a gate is open, a row for each kind of edge, a column for each component."""
    figure, axes = plt.subplots(figsize=(8, 0.9 + 0.3 * len(kinds)))
    image = axes.imshow(opening, vmin=0, vmax=1, cmap="cividis", aspect="auto")
    axes.set_yticks(range(len(kinds)), kinds)
    axes.set(xlabel="component of the message", title=title)
    figure.colorbar(image, label="opening")
    plt.show()


def draw_curves(runs: dict[str, object], *, training: bool = True) -> None:
    """Draw the losses of one or several runs, epoch by epoch."""
    _, axes = plt.subplots(figsize=(5.8, 3.2))
    for number, (name, run) in enumerate(runs.items()):
        history, colour = run.history, SERIES[number % len(SERIES)]
        style = "-" if number < len(SERIES) else "--"
        axes.plot(history["epoch"], history["validation"], style, color=colour, label=name)
        if training:
            axes.plot(history["epoch"], history["training"], color=colour, ls=":", lw=1)
    title = "validation" + (" (full) and training (dotted)" if training else "")
    axes.set(title=title, xlabel="epoch", ylabel="loss", yscale="log")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    plt.show()


def draw_parity(runs: dict[str, object]) -> None:
    """Draw predicted against true values of the test part, one panel a run."""
    figure, panels = plt.subplots(1, len(runs), figsize=(3.3 * len(runs), 3.3), squeeze=False)
    for axes, (name, run) in zip(panels[0], runs.items(), strict=True):
        test = run.data.take(run.parts.test)
        train = run.data.take(run.parts.train)
        axes.scatter(train.values, run.predict(train.crystals), s=5, color="#BFCBD3")
        axes.scatter(test.values, run.predict(test.crystals), s=11, color=BLUE, alpha=0.8)
        ends = [run.data.values.min(), run.data.values.max()]
        axes.plot(ends, ends, color=BLACK, lw=0.8)
        unit = run.data.unit
        axes.set_title(f"{name}: {run.score_name} {run.score():.3g}", fontsize=8.5)
        axes.set(xlabel=f"true ({unit})", ylabel=f"predicted ({unit})")
    figure.suptitle("test part (blue) and training part (grey)", fontsize=8.5, x=0.02, ha="left")
    plt.show()


def draw_scores(runs: dict[str, object], x_label: str = "") -> None:
    """Draw the training and test scores of a comparison as bars."""
    _, axes = plt.subplots(figsize=(max(4.2, 0.95 * len(runs)), 2.9))
    places = np.arange(len(runs))
    first = next(iter(runs.values()))
    train = [run.score(run.parts.train) for run in runs.values()]
    test = [run.score() for run in runs.values()]
    axes.bar(places - 0.19, train, 0.36, color="#BFCBD3", label="training part")
    bars = axes.bar(places + 0.19, test, 0.36, color=BLUE, label="test part")
    axes.bar_label(bars, fmt="%.3g", fontsize=7.5)
    axes.set_xticks(places, runs, rotation=0 if max(map(len, runs)) < 11 else 20)
    axes.set(xlabel=x_label, ylabel=first.score_name)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncol=2)
    plt.show()


def draw_invariance(table: pd.DataFrame) -> None:
    """Draw how far a prediction moves (colour and number) for each change and each rule."""
    _, axes = plt.subplots(figsize=(1.6 + 1.2 * table.shape[1], 0.9 + 0.42 * len(table)))
    numbers = table.to_numpy(dtype=float)
    axes.imshow(np.log10(numbers + 1e-9), cmap="YlOrBr", vmin=-8, vmax=1, aspect="auto")
    for (row, column), number in np.ndenumerate(numbers):
        axes.text(column, row, f"{number:.0e}", ha="center", va="center", fontsize=8)
    axes.set_xticks(range(table.shape[1]), table.columns)
    axes.set_yticks(range(len(table)), table.index)
    axes.set_title("largest change of a prediction, in units of its spread")
    axes.tick_params(length=0)
    plt.show()


def draw_side_by_side(crystals: Sequence[Crystal], titles: Sequence[str], longest: float) -> None:
    """Draw crystals of one element, 2 × 2 × 2 cells, with bonds up to a length."""
    figure = plt.figure(figsize=(4.2 * len(crystals), 3.9))
    for number, (crystal, title) in enumerate(zip(crystals, titles, strict=True)):
        axes = figure.add_subplot(1, len(crystals), number + 1, projection="3d")
        places = crystal.repeated(2, 2, 2).cartesian_positions
        axes.scatter(*places.T, s=45, color=BLUE, depthshade=False)
        for first, second in product(range(len(places)), repeat=2):
            if first < second and np.linalg.norm(places[first] - places[second]) < longest:
                ends = zip(places[first], places[second], strict=True)
                axes.plot(*ends, color=ORANGE, lw=1.6)
        axes.set_aspect("equal")
        axes.view_init(elev=18, azim=25)
        axes.set_title(title)
        axes.set(xticklabels=[], yticklabels=[], zticklabels=[])
    plt.show()


def draw_new_materials(table: pd.DataFrame, column: str, target: float) -> None:
    """Draw the predictions for new materials, and the ones nearest to a wanted value."""
    _, axes = plt.subplots(figsize=(5.6, 2.7))
    axes.hist(table[column], bins=30, color="#BFCBD3")
    axes.axvline(target, color=ORANGE)
    near = table.iloc[(table[column] - target).abs().argsort()[:5]]
    for height, (_, row) in enumerate(near.iterrows()):
        words = f"{row['formula']}  {row[column]:.2f}"
        axes.annotate(words, (1.0, 0.9 - 0.12 * height), xycoords="axes fraction", fontsize=8)
    axes.set(title="new materials, wanted value in orange", xlabel=f"predicted {column}")
    axes.set_ylabel("crystals")
    plt.show()
