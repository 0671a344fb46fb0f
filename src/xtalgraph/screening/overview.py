"""All predictions of a screen at a glance: distributions and maps, counted and drawn.

One chunk is read at a time. Only counts in bins are kept, and one value for each pair of A and B
with the anions that are drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float64, Int64

from xtalgraph.nn import element_table
from xtalgraph.report.figures.style import (
    COLOURS,
    COLUMN_WIDTH,
    DENSITY_MAP,
    label,
    name_bar,
    new_figure,
    styled,
)
from xtalgraph.screening.screener import PASSED, SITES
from xtalgraph.structures.elements import SYMBOLS
from xtalgraph.units import Target

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FINE, BINS = 4000, 60  # bins for counting; maximum number of drawn bins
BEYOND = 0.001  # fraction of the candidates at either end that are outside the drawn bins
MOST_MAPS = 8


@dataclass(frozen=True, eq=False)
class Distribution:
    """A histogram of predictions, with bins of equal width."""

    edges: Float64[np.ndarray, "n_points"]  # one more than the number of bins
    counts: Int64[np.ndarray, "n_rows"]
    passed: Int64[np.ndarray, "n_rows"]  # of them
    n_beyond: int  # outside the bins


@dataclass(frozen=True, eq=False)
class SiteMap:
    """The predictions of all perovskites with the same anions, A in columns, B in rows."""

    anions: str
    a_elements: tuple[str, ...]  # in the order of the periodic table, group by group
    b_elements: tuple[str, ...]
    values: np.ndarray  # one row per B, one column per A; NaN where nothing was predicted
    passed: np.ndarray  # likewise, boolean

    def to_frame(self, quantity: str) -> pd.DataFrame:
        """Return one row per pair that was predicted."""
        row_b, row_a = np.nonzero(np.isfinite(self.values))
        return pd.DataFrame(
            {
                "A": np.array(self.a_elements, dtype=object)[row_a],
                "B": np.array(self.b_elements, dtype=object)[row_b],
                "X": self.anions,
                quantity: self.values[row_b, row_a],
                PASSED: self.passed[row_b, row_a],
            }
        )


def count_in_bins(paths: Sequence[Path], names: Sequence[str]) -> dict[str, Distribution]:
    """Return the distribution of each quantity that has at least one finite value."""
    low, high = dict.fromkeys(names, np.inf), dict.fromkeys(names, -np.inf)
    for path in paths:
        table = pq.read_table(path, columns=list(names))
        for name in names:
            values = _finite(table[name])
            low[name] = min(low[name], values.min(initial=np.inf))
            high[name] = max(high[name], values.max(initial=-np.inf))
    drawn = [name for name in names if low[name] <= high[name]]
    ends = {name: _widen(float(low[name]), float(high[name])) for name in drawn}
    counts = {name: np.zeros((2, FINE), dtype=np.int64) for name in drawn}
    for path in paths:
        table = pq.read_table(path, columns=[*drawn, PASSED])
        passed = table[PASSED].to_numpy()
        for name in drawn:
            values = table[name].to_numpy()
            for row, chosen in enumerate((np.isfinite(values), np.isfinite(values) & passed)):
                counts[name][row] += np.histogram(values[chosen], FINE, ends[name])[0]
    return {name: _coarsen(counts[name], ends[name]) for name in drawn}


def _finite(column: pa.ChunkedArray) -> np.ndarray:
    values = column.to_numpy()
    return values[np.isfinite(values)]


def _widen(low: float, high: float) -> tuple[float, float]:
    """Return distinct ends, even if all values are equal."""
    margin = max(1e-6 * max(abs(low), abs(high)), 1e-9) if high - low < 1e-9 else 0.0
    return low - margin, high + margin


def _coarsen(counts: np.ndarray, ends: tuple[float, float]) -> Distribution:
    """Leave out the tails, and merge bins until they can be drawn."""
    shares = np.cumsum(counts[0]) / counts[0].sum()
    first = int(np.searchsorted(shares, BEYOND, side="right"))
    last = int(np.searchsorted(shares, 1 - BEYOND)) + 1
    step = -(-(last - first) // BINS)
    starts = np.arange(first, last, step)
    joined = np.add.reduceat(counts[:, first:last], starts - first, axis=1)
    width = (ends[1] - ends[0]) / FINE
    edges = ends[0] + width * np.append(starts, min(last, starts[-1] + step))
    return Distribution(edges, joined[0], joined[1], int(counts[0].sum() - joined[0].sum()))


def read_maps(
    paths: Sequence[Path], quantity: str, sites: Mapping[str, Sequence[str]]
) -> list[SiteMap]:
    """Return the maps of a perovskite space, at most eight: those with the most passed candidates.

    `sites` contains the elements on A and on B, and the anions X.
    """
    axes = {site: sort_elements(sites[site]) for site in SITES[:2]} | {"X": tuple(sites["X"])}
    anions = _choose_anions(paths, axes["X"])
    shape = len(anions), len(axes["B"]), len(axes["A"])
    values, passed = np.full(shape, np.nan), np.zeros(shape, dtype=bool)
    places = {"A": axes["A"], "B": axes["B"], "X": anions}
    for path in paths:
        table = pq.read_table(path, columns=[quantity, PASSED, *SITES])
        a, b, x = (_find(table[site], places[site]) for site in SITES)
        shown = x >= 0
        cells = x[shown], b[shown], a[shown]
        values[cells] = table[quantity].to_numpy()[shown]
        passed[cells] = table[PASSED].to_numpy()[shown]
    return [
        SiteMap(anions[row], axes["A"], axes["B"], values[row], passed[row])
        for row in range(len(anions))
        if np.isfinite(values[row]).any()
    ]


def sort_elements(symbols: Sequence[str]) -> tuple[str, ...]:
    """Sort elements by group, then period; lanthanides and actinides are in group 3.

    >>> sort_elements(["Ti", "Ba", "La", "Na", "Ca"])
    ('Na', 'Ca', 'Ba', 'La', 'Ti')
    """
    return tuple(sorted(symbols, key=lambda symbol: (group_of(symbol), SYMBOLS.index(symbol))))


@cache
def group_of(symbol: str) -> int:
    """Return the group of an element, 3 for lanthanides and actinides."""
    group = element_table()["group"][SYMBOLS.index(symbol)]
    return 3 if pd.isna(group) else int(group)


def _choose_anions(paths: Sequence[Path], anions: tuple[str, ...]) -> tuple[str, ...]:
    """Return the anions of the maps that are drawn, in the order of the space."""
    if len(anions) <= MOST_MAPS:
        return anions
    counts = np.zeros(len(anions), dtype=np.int64)
    for path in paths:
        table = pq.read_table(path, columns=["X", PASSED])
        found = _find(table["X"], anions)[table[PASSED].to_numpy()]
        counts += np.bincount(found, minlength=len(anions))
    most = np.argsort(-counts, kind="stable")[:MOST_MAPS]
    return tuple(anions[row] for row in sorted(most.tolist()))


def _find(column: pa.ChunkedArray, words: Sequence[str]) -> np.ndarray:
    """Return the position of each text among some words, -1 where it is none of them."""
    if not len(column):
        return np.empty(0, dtype=np.int64)
    texts = column.combine_chunks().dictionary_encode()
    place = {word: row for row, word in enumerate(words)}
    found = np.array([place.get(word, -1) for word in texts.dictionary.to_pylist()], dtype=np.int64)
    return found[texts.indices.to_numpy()]


CELL = 0.105  # inches per pair of elements
MARGINS = (0.5, 0.95, 0.5, 0.3)  # inches, left, right, below and above all of them
SMALLEST = 14  # cells; a smaller map has larger ones
OUTLIERS = 2.0  # percent of the values at each end that may be outside the colour scale


@styled
def draw_distribution(
    distribution: Distribution, target: Target, limits: Sequence[float] = ()
) -> Figure:
    """Draw the distribution of the predictions, of those that passed, and the limits."""
    figure, axes = new_figure(COLUMN_WIDTH + 0.6, 2.7)
    edges = distribution.edges
    axes.stairs(distribution.counts, edges, fill=True, color=COLOURS["sky"], label="all predicted")
    if (distribution.passed < distribution.counts).any():
        axes.stairs(distribution.passed, edges, fill=True, color=COLOURS["orange"], label="passed")
    for number, limit in enumerate(limit for limit in limits if edges[0] <= limit <= edges[-1]):
        words = "limit of --where" if not number else None
        axes.axvline(limit, color=COLOURS["black"], linestyle="--", linewidth=1, label=words)
    axes.set_yscale("log")
    axes.locator_params(axis="x", nbins=6)
    axes.set_ylim(bottom=0.7)
    axes.set_xlabel(label(f"predicted {target.name}", target.unit))
    axes.set_ylabel("candidates")
    if distribution.n_beyond:
        words = f"{distribution.n_beyond:,} beyond the axis"
        axes.set_title(words, fontweight="normal", loc="right")
    figure.legend(loc="outside lower center", ncols=3, columnspacing=1.0)
    return figure


def find_range(maps: Sequence[SiteMap]) -> tuple[float, float]:
    """Return the ends of the colour scale that the maps share."""
    values = np.concatenate([one.values[np.isfinite(one.values)] for one in maps])
    low, high = np.percentile(values, [OUTLIERS, 100 - OUTLIERS]).tolist()
    return (low, high) if high - low > 1e-9 else (low - 0.5, high + 0.5)


@styled
def draw_site_map(
    site_map: SiteMap, target: Target, ends: tuple[float, float], *, marks: bool
) -> Figure:
    """Draw A against B, coloured by the prediction, grey where there is none.

    With `marks`, candidates that passed have a dot. Thin lines separate groups of the periodic
    table.
    """
    n_b, n_a = site_map.values.shape
    cell = CELL * max(1.0, SMALLEST / max(n_a, n_b))
    left, right, below, above = MARGINS
    width, height = left + cell * n_a + right, below + cell * n_b + above
    figure, axes = new_figure(width, height)
    figure.set_layout_engine("none")  # measuring every symbol would take a second
    axes.set_position((left / width, below / height, cell * n_a / width, cell * n_b / height))
    axes.set_facecolor("#D8D8D8")
    drawn = axes.imshow(
        site_map.values,
        cmap=DENSITY_MAP,
        vmin=ends[0],
        vmax=ends[1],
        origin="lower",
        interpolation="none",
    )
    if marks:
        row_b, row_a = np.nonzero(site_map.passed)
        size = (34 * cell) ** 2
        axes.scatter(row_a, row_b, s=size, color="white", edgecolors="black", linewidths=0.5)
    _name_axes(axes, site_map)
    place = ((left + cell * n_a + 0.15) / width, below / height, 0.13 / width, cell * n_b / height)
    bar = figure.colorbar(drawn, cax=figure.add_axes(place), extend="both")
    name_bar(bar, label(f"predicted {target.name}", target.unit))
    return figure


def _name_axes(axes: Axes, site_map: SiteMap) -> None:
    """Write every symbol, and draw a line where a group ends."""
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xticks([])
    axes.set_yticks([])
    turn = 90 if len(site_map.a_elements) > SMALLEST else 0
    for place, symbol in enumerate(site_map.a_elements):  # ticks would take twice as long
        axes.text(place, -0.6, symbol, fontsize=6.5, ha="center", va="top", rotation=turn)
    for place, symbol in enumerate(site_map.b_elements):
        axes.text(-0.7, place, symbol, fontsize=6.5, ha="right", va="center")
    for line, elements in (
        (axes.axvline, site_map.a_elements),
        (axes.axhline, site_map.b_elements),
    ):
        groups = np.array([group_of(symbol) for symbol in elements])
        for place in np.flatnonzero(np.diff(groups)).tolist():
            line(place + 0.5, color="white", linewidth=0.5)
    axes.set_xlabel("A", labelpad=16)
    axes.set_ylabel("B", labelpad=16)
    axes.set_title(f"AB{site_map.anions}")
