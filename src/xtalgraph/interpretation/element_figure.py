"""The mean contribution of each element, by the role of its site: a table and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from xtalgraph.interpretation.colours import find_scale
from xtalgraph.report.figures.errors_by import LARGEST_NUMBER, draw_element, frame_table
from xtalgraph.report.figures.style import label, new_figure, styled
from xtalgraph.structures.elements import SYMBOLS
from xtalgraph.units import Target

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANEL = (6.6, 3.9)  # inches, wide and high


def mean_by_element(sites: pd.DataFrame, column: str) -> pd.DataFrame:
    """Give mean, standard deviation and number of contributions of each element at each role.

    `sites` has a row a site, with `role`, `element` and the contributions in `column`.
    """
    grouped = sites.groupby(["role", "element"], sort=False)[column]
    table = grouped.agg(mean="mean", std="std", sites="count").reset_index()
    table["order"] = table["element"].map({symbol: z for z, symbol in enumerate(SYMBOLS)})
    return table.sort_values(["role", "order"], ignore_index=True).drop(columns="order")


@styled
def draw_by_element(
    means: pd.DataFrame,
    roles: Sequence[str],
    target: Target,
    *,
    min_sites: int = 5,
) -> Figure:
    """Draw periodic tables side by side, one a role, in the colours of the mean contribution.

    `means` is what `mean_by_element` gives. The small number counts the sites; an element with
    fewer than `min_sites` stays grey. All panels have one scale.
    """
    drawn = means[means["role"].isin(roles) & (means["sites"] >= min_sites)]
    shown = drawn["mean"].to_numpy(dtype=float)
    scale = find_scale(shown)
    figure, axes = new_figure(PANEL[0] * len(roles), PANEL[1])
    axes.remove()
    panels = figure.subplots(1, len(roles), squeeze=False)[0]
    for panel, role in zip(panels, roles, strict=True):
        rows = means[means["role"] == role].set_index("element")
        for number in range(1, LARGEST_NUMBER + 1):
            count = int(rows["sites"].get(SYMBOLS[number], 0))
            mean = float(rows["mean"].get(SYMBOLS[number], float("nan")))
            colour = scale.colour(mean) if count >= min_sites else None
            draw_element(panel, number, colour, mean, count)
        frame_table(panel)
        title = f"{role} site" if role in ("A", "B", "X") else role
        panel.text(2.3, 0.75, title, fontsize=13, weight="bold", va="center")
    place = panels[0].inset_axes((0.31, 0.86, 0.34, 0.03))
    bar = figure.colorbar(
        scale.mappable(), cax=place, orientation="horizontal", extend=scale.extend(shown)
    )
    bar.set_label(label(f"mean contribution to {target.name}", target.unit), fontsize=8)
    bar.outline.set_visible(False)
    return figure
