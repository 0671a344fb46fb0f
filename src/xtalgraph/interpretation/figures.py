"""Figures of contributions: crystals, periodic tables by role, and maps of learned vectors.

Vectors of elements and of crystals are many components wide; a map shows the two directions in
which they differ most (principal components).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float64

from xtalgraph.errors import BadConfig
from xtalgraph.graphs import nearest_distances
from xtalgraph.nn import SavedModel, element_table
from xtalgraph.report.figures.parity import LARGEST_NUMBER, draw_element, frame_table
from xtalgraph.report.figures.style import (
    COLOURS,
    COLUMN_WIDTH,
    DENSITY_MAP,
    label,
    name_bar,
    new_figure,
    styled,
)
from xtalgraph.structures import Crystal, pack
from xtalgraph.structures.elements import SYMBOLS, atomic_number
from xtalgraph.units import Target

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

TWO_SIDED, ONE_SIDED = "RdBu_r", "viridis"
OUTLIERS = 4.0  # percent of the values on each side that may lie beyond the ends of the scale
NARROW = 0.05  # of the value; a scale is no narrower, or it would show differences that are none

PANEL = (6.6, 3.9)  # inches, wide and high
_BLOCKS = {"s": "blue", "p": "orange", "d": "green", "f": "purple"}

TURN, TILT = np.radians(24.0), np.radians(16.0)  # of the view: about c, and from above
ON_THE_FACE = 0.35  # Å; an atom this near to a face of the cell is drawn on the other side too
AROUND = 3.5  # Å; atoms farther from the cell are bound to none in it
BOND = 1.25  # a bond is no longer than this times the shortest distance at either end
SIZE = 0.0042  # radius of a circle in Å, for each pm of the covalent radius
MOST_LABELLED = 60  # atoms; with more of them symbols would cover each other
PIECE = 0.12  # Å, of a line
SHADES = 6  # steps of the light on a ball


@dataclass(frozen=True)
class Scale:
    """A scale of colours from `low` to `high`, in the unit of the contributions."""

    low: float
    high: float
    colour_map: str

    def colour(self, value: float) -> tuple[float, ...]:
        """Return the colour of a contribution: red, green, blue, opacity."""
        return tuple(np.asarray(self.mappable().to_rgba(np.array([value])))[0].tolist())

    def mappable(self) -> ScalarMappable:
        """Return what matplotlib draws a colour bar of."""
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        return ScalarMappable(Normalize(self.low, self.high), self.colour_map)

    def extend(self, values: Float64[np.ndarray, "n_rows"]) -> str:
        """Return at which ends the values exceed the scale, as matplotlib's `extend`."""
        slack = 1e-9 * (self.high - self.low)
        ends = {(True, False): "min", (False, True): "max", (True, True): "both"}
        beyond = bool(values.min() < self.low - slack), bool(values.max() > self.high + slack)
        return ends.get(beyond, "neither")


def find_scale(values: Float64[np.ndarray, "n_rows"]) -> Scale:
    """Return the scale that suits some contributions.

    Where both signs occur, white is zero, blue lowers the prediction and red raises it.
    """
    low, high = np.percentile(values, [OUTLIERS, 100 - OUTLIERS]).tolist()
    if low < 0 < high:
        return Scale(-max(-low, high), max(-low, high), TWO_SIDED)
    margin = max(NARROW * abs(low + high) / 2 - (high - low) / 2, 1e-9)
    return Scale(low - margin, high + margin, ONE_SIDED)


def ink_on(colour: tuple[float, ...]) -> str:
    """Return black or white, whichever can be read on a colour."""
    brightness = 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2]
    return "white" if brightness < 0.5 else "#111111"


@dataclass(frozen=True, eq=False)
class _Balls:
    """The drawn atoms: those of the cell, and their images on its faces, one row each."""

    atom: np.ndarray  # index in the crystal
    place: np.ndarray  # on the picture: to the right, upwards, and towards the viewer, in Å
    radius: np.ndarray  # Å
    bound: np.ndarray  # which pairs of them


@styled
def draw_structure(
    crystal: Crystal,
    values: Float64[np.ndarray, "n_atoms"],
    target: Target,
    *,
    scale: Scale | None = None,
) -> Figure:
    """Draw the cell with its bonds, each atom coloured by its contribution.

    Seen from the front and slightly from above, a to the right and c upwards, without perspective.

    Args:
        crystal: The crystal.
        values: The contribution of each atom.
        target: The explained quantity.
        scale: A colour scale shared with other pictures; fitted to the values if None.

    Returns:
        The figure.
    """
    scale = scale or find_scale(values)
    figure, axes = new_figure(3.6, 3.0)
    balls = _find_balls(crystal)
    _draw_cell(axes, crystal, balls)
    _draw_bonds(axes, balls)
    for atom, place, radius in zip(balls.atom.tolist(), balls.place, balls.radius, strict=True):
        text = crystal.symbols[atom] if len(balls.atom) <= MOST_LABELLED else ""
        _draw_ball(axes, place, float(radius), scale.colour(float(values[atom])), text)
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.autoscale_view()
    bar = figure.colorbar(scale.mappable(), ax=axes, shrink=0.72, extend=scale.extend(values))
    name_bar(bar, label(f"contribution to {target.name}", target.unit))
    return figure


def _project(crystal: Crystal, positions: np.ndarray) -> np.ndarray:
    """Turn Cartesian positions so that a lies to the right, the ab plane flat, then tilt them."""
    a, b, _ = crystal.lattice
    right = a / np.linalg.norm(a)
    up = np.cross(a, b) / np.linalg.norm(np.cross(a, b))
    up = up if up @ crystal.lattice[2] > 0 else -up
    back = np.cross(up, right)
    x, y, z = positions @ right, positions @ back, positions @ up
    x, y = x * np.cos(TURN) + y * np.sin(TURN), -x * np.sin(TURN) + y * np.cos(TURN)
    z, y = z * np.cos(TILT) + y * np.sin(TILT), y * np.cos(TILT) - z * np.sin(TILT)
    return np.stack([x, z, -y], axis=-1)


def _find_balls(crystal: Crystal) -> _Balls:
    """Return the cell's atoms, periodic copies on its faces, and anions that complete a polyhedron.

    An anion is the more electronegative end of a bond.
    """
    inside = crystal.fractional_positions % 1.0
    spacing = crystal.volume / np.linalg.norm(
        np.cross(crystal.lattice[[1, 2, 0]], crystal.lattice[[2, 0, 1]]), axis=1
    )
    shifts = np.array(list(product((-1, 0, 1), repeat=3)))
    moved = (inside[None] + shifts[:, None]).reshape(-1, 3)
    atom = np.tile(np.arange(crystal.n_atoms), len(shifts))
    margin = ON_THE_FACE / spacing
    reach = AROUND / spacing
    around = ((moved > -reach) & (moved < 1 + reach)).all(axis=1)
    moved, atom = moved[around], atom[around]
    near = ((moved > -margin) & (moved < 1 + margin)).all(axis=1)
    place = _project(crystal, moved @ crystal.lattice)
    bound = _find_bonds(crystal, atom, place)
    numbers = crystal.atomic_numbers[atom]
    power = _property("electronegativity", 0.0)[numbers]
    completes = (bound & (power[:, None] > power[None]))[:, near].any(axis=1)
    shown = near | completes
    radius = SIZE * _property("covalent_radius", 150.0)[numbers]
    return _Balls(atom[shown], place[shown], radius[shown], bound[shown][:, shown])


def _find_bonds(crystal: Crystal, atom: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Return which atoms are bound, unlike atoms alone where there are such bonds."""
    shortest = nearest_distances(pack(crystal), 1)[:, 0][atom]
    between = np.linalg.norm(place[:, None] - place[None], axis=2)
    longest = BOND * np.minimum(shortest[:, None], shortest[None])
    bound = (between > 0.1) & (between < longest)
    numbers = crystal.atomic_numbers[atom]
    unlike = numbers[:, None] != numbers[None]
    return bound & unlike if (bound & unlike).any() else bound


@cache
def _property(name: str, default: float) -> Float64[np.ndarray, "n_elements"]:
    return element_table()[name].reindex(range(len(SYMBOLS))).fillna(default).to_numpy()


def _draw_cell(axes: Axes, crystal: Crystal, balls: _Balls) -> None:
    for axis in range(3):
        for first, second in product((0.0, 1.0), repeat=2):
            ends = np.zeros((2, 3))
            ends[1, axis] = 1.0
            ends[:, (axis + 1) % 3], ends[:, (axis + 2) % 3] = first, second
            start, end = _project(crystal, ends @ crystal.lattice)
            _draw_line(axes, start, end, balls, "#9A9A9A", 0.8)


def _draw_bonds(axes: Axes, balls: _Balls) -> None:
    for first, second in np.argwhere(np.triu(balls.bound)).tolist():
        _draw_line(axes, balls.place[first], balls.place[second], balls, "#6E6E6E", 2.2)


def _draw_line(
    axes: Axes, start: np.ndarray, end: np.ndarray, balls: _Balls, colour: str, width: float
) -> None:
    """Draw a line piece by piece, so that balls hide what is behind or within them."""
    points = np.linspace(start, end, 2 + int(np.linalg.norm(end - start) / PIECE))
    middles = (points[:-1] + points[1:]) / 2
    apart = np.linalg.norm(middles[:, None] - balls.place[None], axis=2)
    for piece in np.flatnonzero((apart > 0.92 * balls.radius).all(axis=1)).tolist():
        (x, y), depth = points[piece : piece + 2, :2].T, middles[piece, 2]
        axes.plot(x, y, color=colour, linewidth=width, zorder=depth, solid_capstyle="round")


def _draw_ball(axes: Axes, place: np.ndarray, radius: float, colour: tuple, text: str) -> None:
    """Draw a ball lit from the upper left; what is nearer lies over what is farther."""
    from matplotlib.patches import Circle

    x, y, depth = place
    rim = tuple(0.45 * part for part in colour[:3])
    axes.add_patch(Circle((x, y), radius, facecolor=colour, edgecolor=rim, linewidth=0.8,
                          zorder=depth))  # fmt: skip
    for step in range(1, SHADES):
        share = step / SHADES
        lit = tuple(part + (1 - part) * 0.42 * share**2 for part in colour[:3])
        centre = (x - 0.3 * radius * share, y + 0.3 * radius * share)
        size = radius * (0.97 - 0.75 * share)
        axes.add_patch(Circle(centre, size, color=lit, linewidth=0, zorder=depth + 1e-4 * step))
    if text:
        axes.text(x, y, text, ha="center", va="center", fontsize=7.5, color=ink_on(colour),
                  zorder=depth + 1e-3)  # fmt: skip


def mean_by_element(sites: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return mean, standard deviation and number of contributions by role and element.

    Args:
        sites: One row per site, with `role` and `element`.
        column: The column of contributions.

    Returns:
        One row per role and element.
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
    """Draw periodic tables side by side, one per role, coloured by the mean contribution.

    The small number counts the sites. All panels share one scale.

    Args:
        means: The result of `mean_by_element`.
        roles: The roles to draw.
        target: The explained quantity.
        min_sites: An element with fewer sites is grey.

    Returns:
        The figure.
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
    name_bar(bar, label(f"mean contribution to {target.name}", target.unit))
    return figure


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
    places, shares = _find_components(vectors)
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
    places, shares = _find_components(fingerprints)
    figure, axes = new_figure(COLUMN_WIDTH + 1.2, 3.8)
    size = float(np.clip(4000 / len(values), 2, 20))
    points = axes.scatter(places[:, 0], places[:, 1], s=size, c=values, cmap=DENSITY_MAP,
                          linewidth=0, rasterized=True)  # fmt: skip
    bar = figure.colorbar(points, ax=axes)
    name_bar(bar, label(f"predicted {target.name}", target.unit))
    _name_axes(axes, shares)
    return figure


def _find_components(
    vectors: Float64[np.ndarray, "n_rows width"],
) -> tuple[np.ndarray, np.ndarray]:
    """Return the places on the map, and the share of the variance that each direction has."""
    from sklearn.decomposition import PCA

    pca = PCA(2, svd_solver="full")
    places = pca.fit_transform(vectors)
    return places, pca.explained_variance_ratio_


def _name_axes(axes: Axes, shares: np.ndarray) -> None:
    axes.set_xlabel(f"first principal component ({100 * shares[0]:.0f} % of the variance)")
    axes.set_ylabel(f"second ({100 * shares[1]:.0f} %)")
