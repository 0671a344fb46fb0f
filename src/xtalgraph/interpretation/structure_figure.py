"""A picture of a crystal whose atoms have the colours of their contributions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from xtalgraph.graphs import nearest_distances
from xtalgraph.interpretation.colours import Scale, find_scale, ink_on
from xtalgraph.nn import element_table
from xtalgraph.report.figures.style import label, new_figure, styled
from xtalgraph.structures import Crystal, pack
from xtalgraph.structures.elements import SYMBOLS
from xtalgraph.units import Target

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TURN, TILT = np.radians(24.0), np.radians(16.0)  # of the view: about c, and from above
ON_THE_FACE = 0.35  # Å; an atom this near to a face of the cell is drawn on the other side too
AROUND = 3.5  # Å; atoms farther from the cell are bound to none in it
BOND = 1.25  # a bond is no longer than this times the shortest distance at either end
SIZE = 0.0042  # radius of a circle in Å, for each pm of the covalent radius
MOST_LABELLED = 60  # atoms; with more of them symbols would cover each other
PIECE = 0.12  # Å, of a line
SHADES = 6  # steps of the light on a ball


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
    """Draw the cell with its bonds, each atom in the colour of its contribution.

    Seen from the front and a little from above, a to the right and c upwards, without perspective.
    Give the `scale` that several pictures share.
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
    bar.set_label(label(f"contribution to {target.name}", target.unit), fontsize=8)
    bar.outline.set_visible(False)
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
    """Give the atoms of the cell, those on its faces again, and anions that complete a polyhedron.

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
    """Give which atoms are bound, unlike atoms alone where there are such bonds."""
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
