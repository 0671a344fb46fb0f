"""Figures of a search for settings: scores of its trials, and scores over each setting."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from xtalgraph.errors import BadDataset
from xtalgraph.report.figures.style import (
    COLOURS,
    COLUMN_WIDTH,
    PAGE_WIDTH,
    label,
    new_figure,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS_A_ROW = 4
FAR = 3.0  # times the median of finished trials: worse scores lie beyond the axis
MOST_TICKS = 5  # whole numbers that have a tick each
WIDE = 30  # from this ratio of the ends on, a logarithmic axis has a tick a power of ten
_MARKS = {"complete": ("o", "blue", "complete"), "pruned": ("x", "grey", "stopped early")}


@styled
def scores_of_trials(trials: pd.DataFrame, *, score: str = "score", unit: str = "") -> "Figure":
    """Draw the score of each trial in their order, and the best so far as a line.

    `trials` has `trial`, `state` (complete, pruned or fail) and `score`, which is better if lower.
    """
    from matplotlib.ticker import MaxNLocator

    complete = _complete(trials)
    figure, axes = new_figure(COLUMN_WIDTH + 0.6, 2.8)
    for state, (marker, colour, words) in _MARKS.items():
        rows = trials[trials["state"] == state]
        if len(rows):
            axes.plot(
                rows["trial"], rows["score"], marker, color=COLOURS[colour], alpha=0.8, label=words
            )
    best = complete["score"].cummin().tolist()
    axes.step(
        [*complete["trial"], trials["trial"].max()],
        [*best, best[-1]],
        where="post",
        color=COLOURS["orange"],
        label="best so far",
    )
    _limit(axes, trials)
    axes.set_xlabel("trial")
    axes.set_ylabel(label(score, unit))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside lower center", ncols=3)
    return figure


@styled
def scores_over_settings(
    trials: pd.DataFrame, settings: Mapping[str, bool], *, score: str = "score", unit: str = ""
) -> "Figure":
    """Draw the scores over each setting, the best trial marked.

    `settings` names columns of `trials`, and says of each whether its axis is logarithmic.
    """
    complete = _complete(trials)
    best = complete.iloc[int(complete["score"].to_numpy().argmin())]
    n_rows = -(-len(settings) // PANELS_A_ROW)
    n_columns = min(PANELS_A_ROW, len(settings))
    figure, axes = new_figure(PAGE_WIDTH * n_columns / PANELS_A_ROW + 0.6, 1.9 * n_rows + 0.2)
    axes.remove()
    panels = figure.subplots(n_rows, n_columns, sharey=True, squeeze=False)
    for number, panel in enumerate(panels.flat):
        if number >= len(settings):
            panel.set_axis_off()
            continue
        name, is_log = list(settings.items())[number]
        _draw_setting(panel, trials, best, name, is_log)
    _limit(panels[0, 0], trials)
    figure.supylabel(label(score, unit), fontsize=9)
    return figure


def _draw_setting(
    panel: "Axes", trials: pd.DataFrame, best: pd.Series, name: str, is_log: bool
) -> None:
    is_number = pd.api.types.is_numeric_dtype(trials[name])
    order = sorted(trials[name].dropna().astype(str).unique())
    for state, (marker, colour, _) in _MARKS.items():
        rows = trials[trials["state"] == state]
        places = rows[name] if is_number else [order.index(str(value)) for value in rows[name]]
        panel.plot(places, rows["score"], marker, color=COLOURS[colour], alpha=0.8)
    place = best[name] if is_number else order.index(str(best[name]))
    panel.plot(place, best["score"], "D", color=COLOURS["orange"], markersize=6)
    if not is_number:
        panel.set_xticks(range(len(order)), order)
        panel.set_xlim(-0.5, len(order) - 0.5)
    elif is_log:
        _scale_logarithmically(panel, trials[name])
    elif pd.api.types.is_integer_dtype(trials[name]) and len(order) <= MOST_TICKS:
        panel.set_xticks(sorted(trials[name].unique()))
    panel.set_xlabel(name.partition(".")[2].replace("_", " ") or name)


def _scale_logarithmically(panel: "Axes", values: pd.Series) -> None:
    """Scale an axis with the few ticks that a narrow panel has room for."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    steps = (1.0,) if values.max() > WIDE * values.min() else (1.0, 3.0)
    panel.set_xscale("log")
    panel.xaxis.set_major_locator(LogLocator(subs=steps, numticks=4))
    panel.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    panel.xaxis.set_minor_formatter(NullFormatter())


def _complete(trials: pd.DataFrame) -> pd.DataFrame:
    complete = trials[trials["state"] == "complete"]
    if complete.empty:
        raise BadDataset("scores of trials: none is complete. Finish one first.")
    return complete


def _limit(axes: "Axes", trials: pd.DataFrame) -> None:
    """Leave room for the good trials, where a bad one would take all of it."""
    scores = trials["score"].dropna().to_numpy(dtype=np.float64)
    median = float(_complete(trials)["score"].median())
    if median > 0 and scores.max() > FAR * median:
        axes.set_ylim(scores.min() - 0.1 * median, FAR * median)
