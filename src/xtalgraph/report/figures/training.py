"""Figures of training: losses and errors over epochs, of one run and of several side by side."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from xtalgraph.errors import BadDataset
from xtalgraph.report.figures.style import (
    COLOURS,
    DASHES,
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

LOSSES = ("train_loss", "validation_loss")


@styled
def learning_curves(
    history: pd.DataFrame, *, score: str | None = None, title: str = ""
) -> "Figure":
    """Draw the losses of training and validation over epochs, and beside them a validation score.

    `history` has the columns `epoch`, `train_loss`, `validation_loss`, and scores such as
    `validation_mae band_gap [eV]` or `validation_accuracy`. `score` is the column to draw, else the
    first one; without any the losses stand alone. The best epoch by that score is marked: an error
    or a loss is better when lower, anything else when higher.
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
    """Draw training losses (left) and validation losses (right) of several runs on one scale."""
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
