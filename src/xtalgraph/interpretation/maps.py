"""What a network has learned, on a map: its element vectors, and the vectors of crystals.

Both are many components wide; the map has the two directions in which they differ most (principal
components). Near on the map is near in these two directions alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float64

from xtalgraph.errors import BadConfig
from xtalgraph.nn import SavedModel, element_table
from xtalgraph.report.figures.style import (
    COLOURS,
    COLUMN_WIDTH,
    DENSITY_MAP,
    label,
    new_figure,
    styled,
)
from xtalgraph.structures.elements import atomic_number
from xtalgraph.units import Target

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BLOCKS = {"s": "blue", "p": "orange", "d": "green", "f": "purple"}


@styled
def draw_element_map(saved: SavedModel) -> Figure:
    """Draw the vectors with which the network begins, of the elements that it was trained on."""
    numbers = torch.tensor([atomic_number(symbol) for symbol in saved.elements])
    device = next(saved.network.parameters()).device
    first = getattr(saved.network, "element_vectors", None)
    if first is None:
        raise BadConfig("this model has no element vectors to draw.")
    with torch.inference_mode():
        vectors = first(numbers.to(device)).double().cpu().numpy()
    places, shares = _project(vectors)
    figure, axes = new_figure(COLUMN_WIDTH + 1.2, 3.8)
    blocks = element_table()["block"]
    axes.scatter(places[:, 0], places[:, 1], s=0)  # for the limits alone
    for symbol, number, place in zip(saved.elements, numbers.tolist(), places, strict=True):
        colour = COLOURS[_BLOCKS[blocks[number]]]
        x, y = place.tolist()
        axes.text(x, y, symbol, ha="center", va="center", fontsize=8, color=colour)
    for block, colour in _BLOCKS.items():
        axes.plot([], [], "s", color=COLOURS[colour], label=f"{block} block")
    axes.legend(loc="best", fontsize=7)
    _name_axes(axes, shares)
    return figure


@styled
def draw_crystal_map(
    fingerprints: Float64[np.ndarray, "n_crystals width"],
    values: Float64[np.ndarray, "n_crystals"],
    target: Target,
) -> Figure:
    """Draw the vectors of crystals, each in the colour of its prediction."""
    places, shares = _project(fingerprints)
    figure, axes = new_figure(COLUMN_WIDTH + 1.2, 3.8)
    size = float(np.clip(4000 / len(values), 2, 20))
    points = axes.scatter(places[:, 0], places[:, 1], s=size, c=values, cmap=DENSITY_MAP,
                          linewidth=0, rasterized=True)  # fmt: skip
    bar = figure.colorbar(points, ax=axes)
    bar.set_label(label(f"predicted {target.name}", target.unit))
    bar.outline.set_visible(False)
    _name_axes(axes, shares)
    return figure


def _project(
    vectors: Float64[np.ndarray, "n_rows width"],
) -> tuple[np.ndarray, np.ndarray]:
    """Give the places on the map, and the share of the variance that each direction has."""
    from sklearn.decomposition import PCA

    pca = PCA(2, svd_solver="full")
    places = pca.fit_transform(vectors)
    return places, pca.explained_variance_ratio_


def _name_axes(axes: Axes, shares: np.ndarray) -> None:
    axes.set_xlabel(f"first principal component ({100 * shares[0]:.0f} % of the variance)")
    axes.set_ylabel(f"second ({100 * shares[1]:.0f} %)")
