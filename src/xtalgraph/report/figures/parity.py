"""Figures of predicted numbers against true ones."""

from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from xtalgraph.metrics import keep_labelled, regression_metrics
from xtalgraph.report.figures.style import (
    COLOURS,
    COLUMN_WIDTH,
    DENSITY_MAP,
    label,
    name_bar,
    new_figure,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure

MANY = 2000  # above so many points they are drawn as the density of hexagons


@styled
def parity_plot(
    true: Float[np.ndarray, "n_rows"],
    predicted: Float[np.ndarray, "n_rows"],
    *,
    quantity: str = "value",
    unit: str = "",
    title: str = "",
) -> "Figure":
    """Draw predicted against true values, with the density where points overlap, and the errors.

    Few points are drawn one by one and coloured by how many lie near them; more than 2,000 as
    hexagons, coloured by their count on a logarithmic scale.
    """
    scores = regression_metrics(true, predicted)
    true, predicted = keep_labelled(true, predicted)
    figure, axes = new_figure(COLUMN_WIDTH + 0.7, COLUMN_WIDTH)
    low, high = _common_range(true, predicted)
    axes.plot([low, high], [low, high], color=COLOURS["grey"], linewidth=0.9, zorder=1)
    if len(true) > MANY:
        _draw_hexagons(axes, true, predicted, (low, high))
    else:
        _draw_points(axes, true, predicted, (low, high))
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_aspect("equal")
    axes.set_yticks([tick for tick in axes.get_xticks() if low <= tick <= high])
    axes.set_xlabel(label(f"true {quantity}", unit))
    axes.set_ylabel(label(f"predicted {quantity}", unit))
    axes.text(
        0.04,
        0.96,
        f"MAE {scores['mean_absolute_error']:.3g} {unit}\n"
        f"RMSE {scores['root_mean_squared_error']:.3g} {unit}\n"
        f"$R^2$ {scores['r_squared']:.3f}\n"
        f"{scores['n_scored']:,} crystals",
        transform=axes.transAxes,
        va="top",
        fontsize=8,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5},
    )
    if title:
        axes.set_title(title)
    return figure


def _draw_points(
    axes: "Axes", true: np.ndarray, predicted: np.ndarray, limits: tuple[float, float]
) -> None:
    from matplotlib.ticker import MaxNLocator

    crowd = count_near(true, predicted, limits)
    order = np.argsort(crowd, kind="stable")  # the crowded ones on top, or they are hidden
    if crowd.max() <= 2:
        axes.scatter(true, predicted, s=14, color=COLOURS["blue"], alpha=0.8, linewidths=0)
        return
    points = axes.scatter(
        true[order], predicted[order], c=crowd[order], s=9, cmap=DENSITY_MAP, linewidths=0
    )
    _add_bar(axes, points, "crystals nearby").locator = MaxNLocator(integer=True)


def _draw_hexagons(
    axes: "Axes", true: np.ndarray, predicted: np.ndarray, limits: tuple[float, float]
) -> None:
    from matplotlib.ticker import StrMethodFormatter

    hexagons = axes.hexbin(
        true,
        predicted,
        gridsize=60,
        bins="log",
        mincnt=1,
        cmap=DENSITY_MAP,
        extent=(*limits, *limits),
        linewidths=0.1,
    )
    _add_bar(axes, hexagons, "crystals per hexagon").formatter = StrMethodFormatter("{x:,.0f}")


def _add_bar(axes: "Axes", drawn: object, words: str) -> "Colorbar":
    bar = axes.figure.colorbar(drawn, ax=axes, shrink=0.75, pad=0.02)  # type: ignore[arg-type]
    name_bar(bar, words)
    return bar


@styled
def residual_histogram(
    true: Float[np.ndarray, "n_rows"],
    predicted: Float[np.ndarray, "n_rows"],
    *,
    quantity: str = "value",
    unit: str = "",
) -> "Figure":
    """Draw the distribution of predicted − true, with its median and central 90 %."""
    true, predicted = keep_labelled(true, predicted)
    residuals = predicted - true
    low, middle, high = np.percentile(residuals, [5, 50, 95])
    reach = max(np.percentile(np.abs(residuals), 99) * 1.15, 1e-12)
    n_outside = int((np.abs(residuals) > reach).sum())
    figure, axes = new_figure(COLUMN_WIDTH, 2.6)
    n_bins = int(np.clip(np.sqrt(len(residuals)), 10, 60))
    axes.hist(residuals, bins=n_bins, range=(-reach, reach), color=COLOURS["sky"])
    axes.axvspan(low, high, color=COLOURS["grey"], alpha=0.15, linewidth=0, label="central 90 %")
    axes.axvline(middle, color=COLOURS["orange"], label=f"median {middle:+.2g} {unit}".rstrip())
    axes.axvline(0, color=COLOURS["black"], linewidth=0.8)
    axes.set_xlabel(label(f"predicted − true {quantity}", unit))
    axes.set_ylabel("crystals")
    figure.legend(loc="outside lower center", ncols=2, columnspacing=1.0)
    if n_outside:
        axes.set_title(f"{n_outside} beyond the axis", fontweight="normal", loc="right")
    return figure


def _common_range(true: np.ndarray, predicted: np.ndarray) -> tuple[float, float]:
    low = float(min(true.min(), predicted.min()))
    high = float(max(true.max(), predicted.max()))
    margin = 0.04 * (high - low) or 0.5
    return low - margin, high + margin


def count_near(true: np.ndarray, predicted: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Count the points in a square of 1/25 of the axis around each point, itself included.

    A strip as wide as the square moves over the points from left to right; the heights of those
    within are kept in order, so that each count is two searches. A tree of scikit-learn would do
    the same, and its import takes longer than all figures of a report.
    """
    reach = (limits[1] - limits[0]) / 50
    order = np.argsort(true, kind="stable")
    across, heights = true[order], predicted[order].tolist()
    first = np.searchsorted(across, across - reach, side="left").tolist()
    last = np.searchsorted(across, across + reach, side="right").tolist()
    counts, within = np.zeros(len(true), dtype=np.int64), list[float]()
    begin = end = 0
    for place, height in enumerate(heights):
        while end < last[place]:
            insort(within, heights[end])
            end += 1
        while begin < first[place]:
            del within[bisect_left(within, heights[begin])]
            begin += 1
        counts[order[place]] = bisect_right(within, height + reach) - bisect_left(
            within, height - reach
        )
    return counts
