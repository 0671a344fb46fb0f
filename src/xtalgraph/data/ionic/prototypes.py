"""Structure types of oxides and perovskites, built from ionic radii.

A prototype is a space group (generators as in the International Tables, in the setting that its
sites are given in), the shape of its cell, and its sites. Where a structure has one coordinate
that decides between two kinds of bonds, the coordinate follows from the ratio of the two sums of
radii; the others, and axial ratios, are typical values of the named mineral. The size of the cell
follows from the radii roughly; the exact one is found later, by least ionic energy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from xtalgraph.data.ionic.orbits import Point, find_orbit, primitive_lattice
from xtalgraph.data.shannon import Ion
from xtalgraph.errors import BadCrystal
from xtalgraph.structures.crystal import Crystal, lattice_from_parameters
from xtalgraph.structures.elements import atomic_number

Sites = list[tuple[str, Point]]
"""Role (A, B or X) and position of one site of each orbit, in the conventional cell."""

ANION_COORDINATION = 6  # the scale of Shannon's radii is fixed by O²⁻ with six neighbours


@dataclass(frozen=True)
class Shape:
    """Lengths and γ of a conventional cell (α and β are 90°), and its independent sites."""

    a: float
    b: float
    c: float
    gamma: float
    sites: Sites

    @property
    def lattice(self) -> Float64[np.ndarray, "3 3"]:
        """Rows of the conventional cell in Å."""
        return lattice_from_parameters(self.a, self.b, self.c, 90.0, 90.0, self.gamma)


@dataclass(frozen=True)
class Prototype:
    """A structure type: its symmetry, and its shape as a function of the sums of radii in Å."""

    name: str
    space_group: int
    centring: str
    generators: tuple[str, ...]
    coordination: Mapping[str, int]  # neighbours of each role; decides which radius counts
    shape: Callable[[Mapping[str, float]], Shape | None]  # from A-X and B-X; None: does not fit

    def fits(self, ions: Mapping[str, Ion]) -> bool:
        """Whether the radii of these ions, by role, can make the structure."""
        return self._find_shape(ions) is not None

    def build(self, ions: Mapping[str, Ion], id: str = "") -> tuple[Crystal, list[Ion]]:
        """Give the crystal of these ions by role, sized by their radii, and each atom's ion."""
        shape = self._find_shape(ions)
        if shape is None:
            names = ", ".join(f"{ion.element}{ion.charge:+d}" for ion in ions.values())
            raise BadCrystal(
                f"the radii of {names} do not fit the structure of {self.name}",
                id=id,
                remedy="Choose ions of other sizes, or another prototype.",
            )
        orbits = [find_orbit(p, self.generators, self.centring) for _, p in shape.sites]
        placed = [
            ions[role]
            for (role, _), orbit in zip(shape.sites, orbits, strict=True)
            for _ in range(len(orbit))
        ]
        crystal = Crystal(
            primitive_lattice(shape.lattice, self.centring),
            np.concatenate(orbits),
            [atomic_number(ion.element) for ion in placed],
            id,
        )
        return crystal, placed

    def _find_shape(self, ions: Mapping[str, Ion]) -> Shape | None:
        anion = ions["X"].radius(ANION_COORDINATION)
        return self.shape(
            {
                role: ions[role].radius(neighbours) + anion
                for role, neighbours in self.coordination.items()
            }
        )


def balance_bonds(
    cell: Shape, ratio: float, first: Point, second: Point, anion: Point, direction: Point
) -> Point | None:
    """Move an anion along a line until its distances to two cations have a given ratio.

    |p - first|² = ratio² |p - second|² is quadratic in the way along `direction`; of its solutions
    the one nearer to `anion` counts. None if there is none, or if it lies further off than a
    quarter of a bond: those radii do not fit the structure.
    """
    lattice = cell.lattice
    way = np.asarray(direction) @ lattice
    to_first = (np.asarray(anion) - np.asarray(first)) @ lattice
    to_second = (np.asarray(anion) - np.asarray(second)) @ lattice
    quadratic = (1 - ratio**2) * (way @ way)
    half = way @ to_first - ratio**2 * (way @ to_second)
    constant = to_first @ to_first - ratio**2 * (to_second @ to_second)
    if abs(quadratic) < 1e-9:
        steps = [-constant / (2 * half)]
    else:
        root = half**2 - quadratic * constant
        if root < 0:
            return None
        steps = [(-half + sign * math.sqrt(root)) / quadratic for sign in (1, -1)]
    step = float(min(steps, key=abs))
    if step**2 * (way @ way) > (to_first @ to_first) / 16:
        return None
    moved = np.asarray(anion) + step * np.asarray(direction)
    return (float(moved[0]), float(moved[1]), float(moved[2]))
