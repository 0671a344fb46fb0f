"""Figures of where a model errs: by element on a periodic table, by group, by size."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float64, Int64

from xtalgraph.errors import BadDataset
from xtalgraph.report.figures.style import (
    COLOURS,
    COLUMN_WIDTH,
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
    from matplotlib.figure import Figure

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
    """Return the mean |error| of the crystals that hold each element, and their number.

    Indexed by atomic number, from 0; NaN where no crystal has the element. A crystal counts once
    for each of its elements. NaN in `errors` (a crystal without a label) is left out.
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

    The small number is how many crystals hold the element; below `min_crystals` its mean says
    little, and the cell stays grey.
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

    Groups come in `order`, or else the largest error first. NaN errors are left out.
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
    """Draw the mean absolute error of cells by their number of atoms, small cells first."""
    order = dict.fromkeys(size_groups(np.sort(n_atoms)))
    groups = size_groups(n_atoms)
    return error_by_group(groups, errors, unit=unit, axis="atoms in the cell", order=list(order))
