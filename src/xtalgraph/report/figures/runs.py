"""Figures of one run over its epochs, and of many runs: folds, seeds, trials, settings, sizes."""

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
    PAGE_WIDTH,
    SERIES,
    label,
    new_figure,
    plain_log_ticks,
    series,
    styled,
)
from xtalgraph.units import read_target_header

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DFT_AGAINST_EXPERIMENT = (0.081, 0.136)
"""Mean absolute difference of DFT and measured formation energies, eV/atom, as the 2018 paper
gives it (Table I; after Kirklin et al., npj Comput. Mater. 1, 15010, 2015).

The two ends are quoted after that table and were not looked up in Kirklin's own. What Kirklin's
abstract says lies between them: 0.096 eV/atom over 1,670 compounds, and 0.082 eV/atom between
measurements of the same compound, so that much of the difference may be the experiments'."""

PANELS_A_ROW = 4
FAR = 3.0  # times the median of finished trials: worse scores lie beyond the axis
MOST_TICKS = 5  # whole numbers that have a tick each
WIDE = 30  # from this ratio of the ends on, a logarithmic axis has a tick a power of ten
_MARKS = {"complete": ("o", "blue", "complete"), "pruned": ("x", "grey", "stopped early")}


@styled
def scores_over_folds(
    scores: Mapping[str, Sequence[float]], *, metric: str, unit: str = "", points: str = "folds"
) -> "Figure":
    """Draw each model's score on each fold as a point, with mean and standard deviation.

    Args:
        scores: Scores by model, drawn from top to bottom.
        metric: The name of the score.
        unit: Its unit.
        points: What each point is.

    Returns:
        The figure.
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
    """Draw error against number of training crystals, both logarithmic, one line per model.

    Points are runs, lines connect the geometric means over seeds.

    Args:
        results: One row per run: `model`, `n_train`, `seed` and the metric.
        unit: The unit of the metric.
        metric: The column to draw.
        band: A range of errors to compare with, such as `DFT_AGAINST_EXPERIMENT` for formation
            energies per atom.
        band_label: Label of the range.

    Returns:
        The figure.
    """
    figure, axes = new_figure(COLUMN_WIDTH + 0.6, 3.1)
    if band is not None:
        axes.axhspan(*band, color=COLOURS["gold"], alpha=0.22, linewidth=0, label=band_label)
    for number, (model, runs) in enumerate(results.groupby("model", sort=False)):
        style, marker = series(number), MARKERS[number % len(MARKERS)]
        middle = np.exp(np.log(runs[metric]).groupby(runs["n_train"]).mean())
        colour, name = style["color"], str(model).replace("_", " ")
        axes.plot(runs["n_train"], runs[metric], marker, color=colour, alpha=0.35, markersize=3.5)
        axes.plot(middle.index, middle, marker=marker, label=name, **style)
    axes.set_xscale("log")
    axes.set_yscale("log")
    plain_log_ticks(axes.xaxis, "{x:,.0f}", (1.0, 3.0))  # long numbers need room
    plain_log_ticks(axes.yaxis)
    axes.set_xlabel("training crystals")
    axes.set_ylabel(label(f"test {metric}", unit))
    axes.legend()
    return figure


def format_spread(mean: float, deviation: float) -> str:
    """Return mean ± deviation, the deviation to two digits and the mean to the same decimals.

    >>> format_spread(0.41412, 0.0114), format_spread(5.25, 0.0)
    ('0.414 ± 0.011', '5.25')
    """
    if not deviation > 0:
        return f"{mean:.3g}"
    decimals = max(0, 1 - math.floor(math.log10(deviation)))
    return f"{mean:.{decimals}f} ± {deviation:.{decimals}f}"


@styled
def scores_of_trials(trials: pd.DataFrame, *, score: str = "score", unit: str = "") -> "Figure":
    """Draw the score of each trial in order, and the best so far as a line.

    Args:
        trials: Columns `trial`, `state` (complete, pruned or fail) and `score`, lower is better.
        score: The name of the score.
        unit: Its unit.

    Returns:
        The figure.
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
    """Draw the scores against each setting, with the best trial marked.

    Args:
        trials: One row per trial, with `score` and the settings.
        settings: Columns to draw, and whether their axis is logarithmic.
        score: The name of the score.
        unit: Its unit.

    Returns:
        The figure.
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
    steps = (1.0,) if values.max() > WIDE * values.min() else (1.0, 3.0)
    panel.set_xscale("log")
    plain_log_ticks(panel.xaxis, steps=steps, numticks=4)


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


LOSSES = ("train_loss", "validation_loss")


@styled
def learning_curves(
    history: pd.DataFrame, *, score: str | None = None, title: str = ""
) -> "Figure":
    """Draw training and validation loss by epoch, and next to them a validation score.

    The best epoch by that score is marked: errors and losses are better when lower, anything else
    when higher.

    Args:
        history: Columns `epoch`, `train_loss`, `validation_loss`, and scores such as
            `validation_mae band_gap [eV]` or `validation_accuracy`.
        score: The column to draw; the first score if None, only the losses if there is none.
        title: Title of the figure.

    Returns:
        The figure.
    """
    _refuse_without(history, ("epoch", *LOSSES) if score is None else ("epoch", *LOSSES, score))
    drawable = [str(name) for name in history if history[name].notna().any()]
    scores = [name for name in drawable if name.startswith("validation_") and name not in LOSSES]
    if score is None and scores:
        score = scores[0]
    figure, axes = new_figure(PAGE_WIDTH if score else PAGE_WIDTH / 2, 2.8)
    if score:
        axes.remove()
        axes, right = figure.subplots(1, 2)
        _draw_score(right, history, score)
    names = ("training", "validation")
    for column, name, colour, dash in zip(LOSSES, names, SERIES, DASHES, strict=False):
        rows = history[["epoch", column]].dropna()
        axes.plot(rows["epoch"], rows[column], dash, color=colour, label=name)
    _scale_losses(axes, history)
    _name_epochs(axes)
    axes.set_ylabel("loss (standardised target)" if score and _is_error(score) else "loss")
    axes.legend()
    if title:
        figure.suptitle(title, fontsize=10, fontweight="bold", x=0.01, ha="left")
    return figure


def _is_error(score: str) -> bool:
    return any(word in score for word in ("mae", "error", "loss"))


def _draw_score(axes: "Axes", history: pd.DataFrame, score: str) -> None:
    header = read_target_header(score)
    rows = history[["epoch", score]].dropna()
    epochs, values = rows["epoch"].to_numpy(), rows[score].to_numpy()
    lower_is_better = _is_error(score)
    best = int(values.argmin() if lower_is_better else values.argmax())
    axes.plot(epochs, values, color=COLOURS["orange"])
    axes.plot(epochs[best], values[best], "o", color=COLOURS["black"])
    best_value = f"best: {values[best]:.4g} {header.unit}".rstrip()
    axes.set_title(f"{best_value}, epoch {epochs[best]:.0f}", fontweight="normal")
    if lower_is_better and (values > 0).all() and _spans(values):
        axes.set_yscale("log")
        plain_log_ticks(axes.yaxis)
    _name_epochs(axes)
    name = header.name.removeprefix("validation_").replace("mae ", "MAE of ")
    axes.set_ylabel(label(f"validation {name}", header.unit))


@styled
def compare_losses(histories: Mapping[str, pd.DataFrame], *, title: str = "") -> "Figure":
    """Draw training losses (left) and validation losses (right) of several runs on one scale.

    Args:
        histories: History of each run, by name, as for `learning_curves`.
        title: Title of the figure.

    Returns:
        The figure.
    """
    figure, axes = new_figure(PAGE_WIDTH, 3.1)
    axes.remove()
    pair = figure.subplots(1, 2, sharey=True)
    for panel, column, name in zip(pair, LOSSES, ("training", "validation"), strict=True):
        for number, (run, history) in enumerate(histories.items()):
            _refuse_without(history, ("epoch", *LOSSES))
            rows = history[["epoch", column]].dropna()
            panel.plot(rows["epoch"], rows[column], label=run, **series(number))
        panel.set_title(name)
        _name_epochs(panel)
    _scale_losses(pair[0], pd.concat(list(histories.values())))
    pair[0].set_ylabel("loss (standardised target)")
    handles, names = pair[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=min(4, len(names)))
    if title:
        figure.suptitle(title, fontsize=10, fontweight="bold", x=0.01, ha="left")
    return figure


def _scale_losses(axes: "Axes", history: pd.DataFrame) -> None:
    losses = history[list(LOSSES)].to_numpy(dtype=np.float64)
    losses = losses[~np.isnan(losses)]
    if (losses > 0).all() and _spans(losses):
        axes.set_yscale("log")
        plain_log_ticks(axes.yaxis)


def _name_epochs(axes: "Axes") -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))


def _spans(values: np.ndarray) -> bool:
    """Whether a logarithmic axis shows more than a linear one."""
    return bool(values.max() > 4 * values.min())


def _refuse_without(history: pd.DataFrame, columns: tuple[str, ...]) -> None:
    missing = [column for column in columns if column not in history]
    if missing or history.empty:
        raise BadDataset(
            f"a training history needs rows and the columns {', '.join(columns)}; "
            f"missing: {', '.join(missing) or 'every row'}. Give the history.csv of a run."
        )
