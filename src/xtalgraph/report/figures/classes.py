"""Figures of classes and of calibration: ROC, precision against recall, confusion, reliability."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float64, Int

from xtalgraph.metrics import (
    ReliabilityCurve,
    average_precision,
    confusion_matrix,
    precision_recall_curve,
    roc_auc,
    roc_curve,
)
from xtalgraph.report.figures.style import (
    COLOURS,
    COLUMN_WIDTH,
    MARKERS,
    PAGE_WIDTH,
    label,
    name_bar,
    new_figure,
    series,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

N_BINS = 10  # of equally many crystals, from the nearest to the farthest
CROWDED = 15  # classes of a confusion matrix above which no number is legible


@styled
def roc_figure(
    true: Int[np.ndarray, "n_rows"], scores: Mapping[str, np.ndarray], *, positive: str = "class 1"
) -> "Figure":
    """Draw the ROC curve of each model for the class `positive`, with its area.

    Args:
        true: 0 or 1; -1 where missing.
        scores: Score of each row, higher for class 1, by model.
        positive: The name of class 1.

    Returns:
        The figure.
    """
    figure, axes = new_figure(COLUMN_WIDTH, COLUMN_WIDTH)
    axes.plot([0, 1], [0, 1], color=COLOURS["grey"], linewidth=0.9)
    for number, (model, score) in enumerate(scores.items()):
        curve = roc_curve(true, score)
        area = roc_auc(true, np.column_stack([1 - score, score]))
        _draw_steps(axes, curve.x, curve.y, f"{model}: area {area:.3f}", number)
    axes.set_xlabel("false-positive rate (fraction)")
    axes.set_ylabel("true-positive rate (fraction)")
    axes.set_title(positive)
    _square(axes)
    axes.legend(loc="lower right")
    return figure


@styled
def precision_recall_figure(
    true: Int[np.ndarray, "n_rows"], scores: Mapping[str, np.ndarray], *, positive: str = "class 1"
) -> "Figure":
    """Draw the precision-recall curve of each model for the class `positive`.

    Args:
        true: 0 or 1; -1 where missing.
        scores: Score of each row, higher for class 1, by model.
        positive: The name of class 1.

    Returns:
        The figure.
    """
    figure, axes = new_figure(COLUMN_WIDTH, COLUMN_WIDTH)
    share = float((true == 1).sum() / (true >= 0).sum())
    axes.axhline(share, color=COLOURS["grey"], linewidth=0.9)
    axes.annotate(f"chance {share:.2f}", (0.01, share), va="bottom", fontsize=7.5, color="#555555")
    for number, (model, score) in enumerate(scores.items()):
        curve = precision_recall_curve(true, score)
        area = average_precision(true, score)
        _draw_steps(axes, curve.x, curve.y, f"{model}: area {area:.3f}", number)
    axes.set_xlabel("recall (fraction)")
    axes.set_ylabel("precision (fraction)")
    axes.set_title(positive)
    _square(axes)
    axes.legend(loc="lower left")
    return figure


def _draw_steps(axes: "Axes", x: np.ndarray, y: np.ndarray, name: str, number: int) -> None:
    axes.plot(x, y, label=name.replace("_", " "), **series(number))


def _square(axes: "Axes") -> None:
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_aspect("equal")


@styled
def confusion_figure(
    true: Int[np.ndarray, "n_rows"],
    predicted: Int[np.ndarray, "n_rows"],
    classes: Sequence[str],
) -> "Figure":
    """Draw the confusion matrix: the colour is the fraction of the true class, the number the
    count.

    With more than 15 classes the numbers are left out.

    Args:
        true: Class numbers; -1 where missing.
        predicted: Class numbers.
        classes: Names of the classes.

    Returns:
        The figure.
    """
    counts = confusion_matrix(true, predicted, len(classes))
    fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    crowded = len(classes) > CROWDED
    side = PAGE_WIDTH if crowded else max(COLUMN_WIDTH, 1.6 + 0.42 * len(classes))
    figure, axes = new_figure(side + 0.5, side)
    image = axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*counts.shape):
        if counts[row, column] and not crowded:
            shade = "white" if fractions[row, column] > 0.55 else "#222222"
            text = f"{counts[row, column]:,}"
            axes.text(column, row, text, ha="center", va="center", color=shade, fontsize=7.5)
    short = len(classes) < 4 and max(map(len, classes)) < 13
    turn, side_of_tick = (0, "center") if short else (90, "center") if crowded else (40, "right")
    size = 5 if crowded else 8
    axes.set_xticks(range(len(classes)), classes, rotation=turn, ha=side_of_tick, fontsize=size)
    axes.set_yticks(range(len(classes)), classes, fontsize=size)
    axes.grid(visible=False)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    bar = figure.colorbar(image, ax=axes, shrink=0.75, pad=0.02)
    name_bar(bar, "fraction of the true class")
    return figure


@styled
def reliability_figure(curve: ReliabilityCurve, *, positive: str = "class 1") -> "Figure":
    """Draw observed frequency against predicted probability, and the number of crystals per bin.

    Args:
        curve: The result of `calibration_curve`.
        positive: The name of class 1.

    Returns:
        The figure.
    """
    figure, axes = new_figure(COLUMN_WIDTH, COLUMN_WIDTH + 0.8)
    axes.remove()
    axes, below = figure.subplots(2, 1, height_ratios=[4, 1], sharex=True)
    axes.plot([0, 1], [0, 1], color=COLOURS["grey"], linewidth=0.9, label="perfect")
    axes.plot(curve.predicted, curve.observed, "o-", color=COLOURS["blue"], label="this model")
    axes.set_ylabel(label(f"fraction of {positive}"))
    axes.legend()
    below.bar(curve.predicted, curve.counts, width=0.05, color=COLOURS["sky"])
    below.set_ylabel("crystals")
    below.set_xlabel(f"predicted probability of {positive}")
    axes.set_xlim(-0.02, 1.02)
    return figure


@styled
def coverage_figure(
    levels: Float64[np.ndarray, "n_points"], observed: Mapping[str, Float[np.ndarray, "n_points"]]
) -> "Figure":
    """Draw the observed coverage of prediction intervals against the nominal coverage.

    Args:
        levels: Nominal coverages.
        observed: Observed coverages by model.

    Returns:
        The figure.
    """
    figure, axes = new_figure(COLUMN_WIDTH, COLUMN_WIDTH)
    axes.plot([0, 1], [0, 1], color=COLOURS["grey"], linewidth=0.9)
    axes.annotate("over-confident", (0.97, 0.04), ha="right", fontsize=8, color="#555555")
    axes.annotate("under-confident", (0.03, 0.93), fontsize=8, color="#555555")
    for number, (model, values) in enumerate(observed.items()):
        _draw_steps(axes, levels, values, model, number)
    axes.set_xlabel(label("nominal coverage of the interval", "fraction"))
    axes.set_ylabel(label("crystals inside the interval", "fraction"))
    _square(axes)
    if len(observed) > 1:
        figure.legend(loc="outside lower center", ncols=2)
    return figure


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

    Args:
        stated: Stated frequencies.
        observed: Observed frequencies by name.
        distance: Distance of each crystal from the training crystals.
        error: Error of each crystal; NaN without a label.
        limits: Distances beyond which a crystal is at the edge of the domain, and outside it.
        stated_words: Label of the axis of stated frequencies.
        observed_words: Label of the axis of observed frequencies.
        error_words: Label of the axis of errors.
        error_unit: The unit of the errors.

    Returns:
        The figure.
    """
    figure, axes = new_figure(PAGE_WIDTH, 3.1)
    axes.remove()
    left, right = figure.subplots(1, 2)
    left.plot([0, 1], [0, 1], color=COLOURS["grey"], linewidth=0.9)
    for number, (name, values) in enumerate(observed.items()):
        marker = MARKERS[number % len(MARKERS)]
        left.plot(stated, values, marker=marker, label=name.replace("_", " "), **series(number))
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
