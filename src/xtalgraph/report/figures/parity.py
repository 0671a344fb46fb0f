"""Figures of predicted numbers against true ones, and of where they err: element, group, size."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float64, Int64

from xtalgraph.errors import BadDataset
from xtalgraph.metrics import keep_labelled, regression_metrics
from xtalgraph.report.figures.style import (
    COLOURS,
    COLUMN_WIDTH,
    DENSITY_MAP,
    ERROR_MAP,
    PAGE_WIDTH,
    label,
    name_bar,
    new_figure,
    styled,
)
from xtalgraph.structures.crystal import CrystalStore
from xtalgraph.structures.elements import SYMBOLS

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

    Few points are drawn one by one and coloured by the number of points nearby; more than 2,000 as
    hexagons, coloured by their count on a logarithmic scale.

    Args:
        true: Labels; NaN where missing.
        predicted: Predicted values.
        quantity: The name of the target.
        unit: Its unit.
        title: Title of the figure.

    Returns:
        The figure.
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
    """Draw the distribution of predicted − true, with its median and central 90 %.

    Args:
        true: Labels; NaN where missing.
        predicted: Predicted values.
        quantity: The name of the target.
        unit: Its unit.

    Returns:
        The figure.
    """
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


LARGEST_NUMBER = 103  # heavier elements have no crystals to predict
SIZE_BINS = (1, 2, 5, 10, 20, 40, 80)


def table_position(atomic_number: int) -> tuple[float, int]:
    """Return row and column (from 0) in the periodic table of 18 columns, the f block set below.

    >>> table_position(1), table_position(8), table_position(58), table_position(72)
    ((0.0, 0), (1.0, 15), (7.4, 4), (5.0, 3))
    """
    for first, row in ((57, 7.4), (89, 8.4)):
        if first <= atomic_number <= first + 14:
            return row, atomic_number - first + 3
    starts = (1, 3, 11, 19, 37, 55, 87)
    row = max(number for number, start in enumerate(starts) if start <= atomic_number)
    place = atomic_number - starts[row]
    if row == 0:
        return 0.0, 17 * place
    if row < 3:
        return float(row), place if place < 2 else place + 10
    return float(row), place - 14 if row > 4 and place > 16 else place


def error_of_elements(
    crystals: CrystalStore, errors: Float[np.ndarray, "n_crystals"]
) -> tuple[Float64[np.ndarray, "n_elements"], Int64[np.ndarray, "n_elements"]]:
    """Return the mean |error| of the crystals that contain each element, and their number.

    A crystal counts once for each of its elements.

    Args:
        crystals: The crystals.
        errors: Error of each crystal; NaN without a label, which is left out.

    Returns:
        Means, NaN where no crystal has the element, and counts, both indexed by atomic number from
        0.
    """
    owner = np.repeat(np.arange(len(crystals)), crystals.n_atoms)
    pairs = np.unique(np.column_stack([owner, crystals.atomic_numbers]), axis=0)
    size = np.abs(errors.astype(np.float64))[pairs[:, 0]]
    known = ~np.isnan(size)
    numbers = pairs[known, 1].astype(np.int64)
    counts = np.bincount(numbers, minlength=len(SYMBOLS)).astype(np.int64)
    sums = np.bincount(numbers, size[known], len(SYMBOLS))
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return means, counts


@styled
def error_by_element(
    crystals: CrystalStore,
    errors: Float[np.ndarray, "n_crystals"],
    *,
    unit: str = "",
    min_crystals: int = 5,
) -> "Figure":
    """Draw the mean absolute error of the crystals with each element on a periodic table.

    The small number is the number of crystals with the element.

    Args:
        crystals: The crystals.
        errors: Error of each crystal; NaN without a label.
        unit: The unit of the errors.
        min_crystals: Elements with fewer crystals are grey.

    Returns:
        The figure.
    """
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    means, counts = error_of_elements(crystals, errors)
    shown = counts >= min_crystals
    if not shown.any():
        raise BadDataset(
            f"error by element: no element is in {min_crystals} labelled crystals or more. "
            "Give more crystals or a lower min_crystals."
        )
    figure, axes = new_figure(PAGE_WIDTH, 4.1)
    # One outlier element must not wash the others out; the bar's end says that it goes on.
    scale = Normalize(means[shown].min(), np.percentile(means[shown], 97) + 1e-12)
    colours = colormaps[ERROR_MAP]
    for number in range(1, LARGEST_NUMBER + 1):
        colour = colours(scale(means[number])) if shown[number] else None
        draw_element(axes, number, colour, means[number], int(counts[number]))
    frame_table(axes)
    place = axes.inset_axes((0.2, 0.88, 0.42, 0.03))
    bar = figure.colorbar(
        ScalarMappable(scale, colours), cax=place, orientation="horizontal", extend="max"
    )
    name_bar(bar, label("mean absolute error of crystals with the element", unit))
    return figure


def frame_table(axes: "Axes") -> None:
    """Set the limits of axes to a periodic table, without ticks."""
    axes.set_xlim(-0.05, 18.05)
    axes.set_ylim(9.45, -0.05)
    axes.set_aspect("equal")
    axes.set_axis_off()


def draw_element(axes: "Axes", number: int, colour: tuple | None, mean: float, count: int) -> None:
    """Draw the cell of an element: symbol, mean and count; grey and without mean if no colour."""
    from matplotlib.patches import Rectangle

    row, column = table_position(number)
    face = colour or ("#E9E9E9" if count else "#F7F7F7")
    axes.add_patch(Rectangle((column + 0.03, row + 0.03), 0.94, 0.94, facecolor=face, linewidth=0))
    ink = "#222222" if count else "#BBBBBB"
    if colour is not None:
        brightness = 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2]
        ink = "white" if brightness < 0.5 else "#111111"
    middle = column + 0.5
    height = row + (0.3 if count else 0.5)
    axes.text(middle, height, SYMBOLS[number], ha="center", va="center", fontsize=8, color=ink)
    if colour is not None:
        text = (f"{mean:.2g}" if abs(mean) < 100 else f"{mean:.0f}").replace("-", "−")
        axes.text(middle, row + 0.6, text, ha="center", va="center", fontsize=5.6, color=ink)
    if count:
        text = f"{count}" if count < 10_000 else f"{count // 1000}k"
        axes.text(middle, row + 0.84, text, ha="center", va="center", fontsize=4.6, color=ink)


@styled
def error_by_group(
    groups: Sequence[str],
    errors: Float[np.ndarray, "n_crystals"],
    *,
    unit: str = "",
    axis: str = "crystal system",
    order: Sequence[str] | None = None,
) -> "Figure":
    """Draw the mean absolute error of each group as a bar, with its standard error and its size.

    Args:
        groups: The group of each crystal.
        errors: Error of each crystal; NaN without a label, which is left out.
        unit: The unit of the errors.
        axis: Label of the axis of groups.
        order: Order of the groups; the largest error first if None.

    Returns:
        The figure.
    """
    names = np.asarray(groups, dtype=object)
    size = np.abs(errors.astype(np.float64))
    known = ~np.isnan(size)
    found = {name: size[known & (names == name)] for name in dict.fromkeys(names[known])}
    if not found:
        raise BadDataset(f"error by {axis}: no crystal has a label.")
    ranked = sorted(found, key=lambda name: -found[name].mean())
    rows = [name for name in order if name in found] if order is not None else ranked
    figure, axes = new_figure(COLUMN_WIDTH + 0.4, max(1.9, 0.9 + 0.27 * len(rows)))
    means = [found[name].mean() for name in rows]
    spread = [found[name].std() / np.sqrt(len(found[name])) for name in rows]
    axes.barh(range(len(rows)), means, xerr=spread, color=COLOURS["sky"], height=0.7,
              error_kw={"elinewidth": 0.9, "ecolor": COLOURS["black"]})  # fmt: skip
    axes.axvline(
        size[known].mean(), color=COLOURS["orange"], linestyle="--", linewidth=1.0, label="all"
    )
    for row, name in enumerate(rows):
        place = (1.01, row)
        axes.annotate(f"{len(found[name]):,}", place, xycoords=("axes fraction", "data"),
                      va="center", fontsize=7.5)  # fmt: skip
    axes.annotate("crystals", (1.01, 1.0), xycoords="axes fraction", va="bottom", fontsize=7.5)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"{label('mean absolute error', unit)} (dashed: all)")
    axes.set_ylabel(axis)
    return figure


def size_groups(n_atoms: Int64[np.ndarray, "n_crystals"]) -> list[str]:
    """Return the bin of sizes that each cell falls in, as words; the bins are `SIZE_BINS`.

    >>> size_groups(np.array([1, 3, 200]))
    ['1', '2–4', '80 and more']
    """
    names = [
        f"{low}–{high - 1}" if high - 1 > low else f"{low}" for low, high in pairwise(SIZE_BINS)
    ]
    names.append(f"{SIZE_BINS[-1]} and more")
    places = np.searchsorted(SIZE_BINS, n_atoms, side="right") - 1
    return [names[place] for place in places]


def error_by_size(
    n_atoms: Int64[np.ndarray, "n_crystals"],
    errors: Float[np.ndarray, "n_crystals"],
    *,
    unit: str = "",
) -> "Figure":
    """Draw the mean absolute error by the number of atoms of the cell, small cells first.

    Args:
        n_atoms: Number of atoms of each crystal.
        errors: Error of each crystal; NaN without a label.
        unit: The unit of the errors.

    Returns:
        The figure.
    """
    order = dict.fromkeys(size_groups(np.sort(n_atoms)))
    groups = size_groups(n_atoms)
    return error_by_group(groups, errors, unit=unit, axis="atoms in the cell", order=list(order))
