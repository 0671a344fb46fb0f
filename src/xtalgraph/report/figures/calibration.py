"""The figure of a model card: calibration of uncertainties, and error by distance from training."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float64

from xtalgraph.report.figures.style import (
    COLOURS,
    DASHES,
    MARKERS,
    PAGE_WIDTH,
    SERIES,
    label,
    new_figure,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

N_BINS = 10  # of equally many crystals, from the nearest to the farthest


@styled
def calibration_figure(
    stated: Float64[np.ndarray, "n_points"],
    observed: Mapping[str, Float[np.ndarray, "n_points"]],
    distance: Float[np.ndarray, "n_rows"],
    error: Float[np.ndarray, "n_rows"],
    limits: tuple[float, float],
    *,
    stated_words: str,
    observed_words: str,
    error_words: str,
    error_unit: str = "",
) -> "Figure":
    """Draw observed against stated frequencies, and the mean error by distance from training.

    `limits` are the distances from which on a crystal is at the edge of the domain, and out of it;
    NaN is the error of a crystal without a label.
    """
    figure, axes = new_figure(PAGE_WIDTH, 3.1)
    axes.remove()
    left, right = figure.subplots(1, 2)
    left.plot([0, 1], [0, 1], color=COLOURS["grey"], linewidth=0.9)
    for number, (name, values) in enumerate(observed.items()):
        left.plot(
            stated,
            values,
            color=SERIES[number % len(SERIES)],
            marker=MARKERS[number % len(MARKERS)],
            linestyle=DASHES[number % len(DASHES)],
            label=name.replace("_", " "),
        )
    left.set_xlabel(label(stated_words))
    left.set_ylabel(label(observed_words))
    left.set_xlim(-0.02, 1.02)
    left.set_ylim(-0.02, 1.02)
    left.set_title("Calibration")
    if len(observed) > 1:
        left.legend(loc="upper left")
    _draw_errors(right, distance, error, limits)
    right.set_ylabel(label(error_words, error_unit))
    return figure


def _draw_errors(
    axes: "Axes", distance: np.ndarray, error: np.ndarray, limits: tuple[float, float]
) -> None:
    known = ~np.isnan(error)
    order = np.argsort(distance[known], kind="stable")
    bins = [rows for rows in np.array_split(order, N_BINS) if len(rows)]
    places = [float(distance[known][rows].mean()) for rows in bins]
    means = [float(error[known][rows].mean()) for rows in bins]
    doubts = [float(error[known][rows].std() / np.sqrt(len(rows))) for rows in bins]
    axes.errorbar(places, means, yerr=doubts, color=COLOURS["blue"], marker="o", capsize=2)
    for limit, word, colour in zip(limits, ("edge", "out"), ("gold", "orange"), strict=True):
        axes.axvline(limit, color=COLOURS[colour], linewidth=1.0, linestyle="--")
        axes.annotate(
            word,
            (limit, 0.02),
            xycoords=("data", "axes fraction"),
            rotation=90,
            ha="right",
            va="bottom",
            fontsize=8,
        )
    axes.set_ylim(bottom=0)
    axes.set_xlabel(label("distance from the training crystals"))
    axes.set_title("Error by distance")
