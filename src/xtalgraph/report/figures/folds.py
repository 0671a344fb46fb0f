"""Figures of several models: scores over folds, and error against the size of the training set."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from xtalgraph.errors import BadDataset
from xtalgraph.report.figures.style import (
    COLOURS,
    COLUMN_WIDTH,
    DASHES,
    MARKERS,
    SERIES,
    label,
    new_figure,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DFT_AGAINST_EXPERIMENT = (0.081, 0.136)
"""Mean absolute difference of DFT and measured formation energies, eV/atom, as the paper of 2018
gives it (Table I; after Kirklin et al., npj Comput. Mater. 1, 15010, 2015).

The two ends are quoted after that table and were not looked up in Kirklin's own. What Kirklin's
abstract says lies between them: 0.096 eV/atom over 1,670 compounds, and 0.082 eV/atom between
measurements of the same compound, so that much of the difference may be the experiments'."""


@styled
def scores_over_folds(
    scores: Mapping[str, Sequence[float]], *, metric: str, unit: str = "", points: str = "folds"
) -> "Figure":
    """Draw each model's score of each fold as a point, and mean and standard deviation beside.

    Models keep their order, from top to bottom. `points` says what each point is.
    """
    if not scores or any(len(values) == 0 for values in scores.values()):
        raise BadDataset("scores over folds: a model has no score. Finish its folds first.")
    figure, axes = new_figure(COLUMN_WIDTH + 1.2, 0.9 + 0.42 * len(scores))
    for row, values in enumerate(scores.values()):
        array = np.asarray(values, dtype=np.float64)
        colour = SERIES[row % len(SERIES)]
        axes.plot(array, np.full(len(array), row - 0.16), "o", color=colour, alpha=0.65)
        deviation = array.std(ddof=1) if len(array) > 1 else 0.0
        axes.errorbar(
            array.mean(), row + 0.16, xerr=deviation, fmt="D", color=colour, capsize=3, markersize=5
        )
        axes.annotate(
            format_spread(array.mean(), deviation),
            (1.01, row),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8,
        )
    axes.set_yticks(range(len(scores)), [model.replace("_", " ") for model in scores])
    axes.set_ylim(len(scores) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"{label(metric, unit)}\n{points} (●), mean ± standard deviation (◆)")
    return figure


@styled
def error_against_size(
    results: pd.DataFrame,
    *,
    unit: str = "",
    metric: str = "mean_absolute_error",
    band: tuple[float, float] | None = None,
    band_label: str = "DFT against experiment",
) -> "Figure":
    """Draw error over number of training crystals, both logarithmic: one line for each model.

    `results` has a row for each run: `model`, `n_train`, `seed` and the metric. Points are runs,
    lines go through the geometric means of the seeds. `band` shades a range of errors to compare
    with, such as `DFT_AGAINST_EXPERIMENT` where the target is the formation energy per atom.
    """
    figure, axes = new_figure(COLUMN_WIDTH + 0.6, 3.1)
    if band is not None:
        axes.axhspan(*band, color=COLOURS["gold"], alpha=0.22, linewidth=0, label=band_label)
    for number, (model, runs) in enumerate(results.groupby("model", sort=False)):
        colour, marker = SERIES[number % len(SERIES)], MARKERS[number % len(MARKERS)]
        middle = np.exp(np.log(runs[metric]).groupby(runs["n_train"]).mean())
        axes.plot(runs["n_train"], runs[metric], marker, color=colour, alpha=0.35, markersize=3.5)
        axes.plot(
            middle.index,
            middle,
            marker=marker,
            linestyle=DASHES[number % len(DASHES)],
            color=colour,
            label=str(model).replace("_", " "),
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    _plain_log_ticks(axes)
    axes.set_xlabel("training crystals")
    axes.set_ylabel(label(f"test {metric}", unit))
    axes.legend()
    return figure


def format_spread(mean: float, deviation: float) -> str:
    """Give mean ± deviation, the deviation to two digits and the mean to the same decimals.

    >>> format_spread(0.41412, 0.0114), format_spread(5.25, 0.0)
    ('0.414 ± 0.011', '5.25')
    """
    if not deviation > 0:
        return f"{mean:.3g}"
    decimals = max(0, 1 - math.floor(math.log10(deviation)))
    return f"{mean:.{decimals}f} ± {deviation:.{decimals}f}"


def _plain_log_ticks(axes: "Axes") -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    thirds, halves = (1.0, 3.0), (1.0, 2.0, 5.0)  # long numbers need room on the x axis
    for axis, form, steps in ((axes.xaxis, "{x:,.0f}", thirds), (axes.yaxis, "{x:g}", halves)):
        axis.set_major_locator(LogLocator(subs=steps))
        axis.set_major_formatter(StrMethodFormatter(form))
        axis.set_minor_formatter(NullFormatter())
