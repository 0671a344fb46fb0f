"""Figures of a screen: distributions of predictions, and maps of A against B."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from xtalgraph.report.figures.style import (
    COLOURS,
    COLUMN_WIDTH,
    DENSITY_MAP,
    label,
    name_bar,
    new_figure,
    styled,
)
from xtalgraph.screening.overview import Distribution, SiteMap, group_of
from xtalgraph.units import Target

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
