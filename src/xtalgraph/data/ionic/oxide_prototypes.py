"""Structure types of oxides that are no perovskites, from rock salt to pyrochlore.

Coordinates that no ratio of radii decides are those of the named mineral, rounded. References:
Wyckoff, Crystal Structures (1963 to 1968); International Tables for Crystallography, volume A.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

from xtalgraph.data.ionic.orbits import Point
from xtalgraph.data.ionic.prototypes import Prototype, Shape, Sites, balance_bonds
from xtalgraph.data.shannon import Ion, find_ion, list_cations

_ORIGIN: Point = (0.0, 0.0, 0.0)
_CENTRE: Point = (0.5, 0.5, 0.5)
_QUARTER: Point = (0.25, 0.25, 0.25)


def _cube(size: float, sites: Sites) -> Shape:
    """A cubic cell of about the size that the radii ask for; the exact one is found later."""
    return Shape(size, size, size, 90.0, sites)


def _tetragon(size: float, ratio: float, sites: Sites) -> Shape:
    return Shape(size, size, size * ratio, 90.0, sites)


def _hexagon(size: float, ratio: float, sites: Sites) -> Shape:
    return Shape(size, size, size * ratio, 120.0, sites)


def _rock_salt(bonds: Mapping[str, float]) -> Shape:
    return _cube(2 * bonds["A"], [("A", _ORIGIN), ("X", _CENTRE)])


def _zinc_blende(bonds: Mapping[str, float]) -> Shape:
    return _cube(4 / math.sqrt(3) * bonds["A"], [("A", _ORIGIN), ("X", _QUARTER)])


def _wurtzite(bonds: Mapping[str, float]) -> Shape:
    sites = [("A", (1 / 3, 2 / 3, 0.0)), ("X", (1 / 3, 2 / 3, 0.375))]
    return _hexagon(math.sqrt(8 / 3) * bonds["A"], math.sqrt(8 / 3), sites)


def _nickel_arsenide(bonds: Mapping[str, float]) -> Shape:
    sites = [("A", _ORIGIN), ("X", (1 / 3, 2 / 3, 0.25))]
    return _hexagon(math.sqrt(2) * bonds["A"], math.sqrt(8 / 3), sites)


def _fluorite(bonds: Mapping[str, float]) -> Shape:
    return _cube(4 / math.sqrt(3) * bonds["A"], [("A", _ORIGIN), ("X", _QUARTER)])


def _antifluorite(bonds: Mapping[str, float]) -> Shape:
    return _cube(4 / math.sqrt(3) * bonds["A"], [("X", _ORIGIN), ("A", _QUARTER)])


def _cristobalite(bonds: Mapping[str, float]) -> Shape:
    return _cube(8 / math.sqrt(3) * bonds["A"], [("A", (0.125, 0.125, 0.125)), ("X", _ORIGIN)])


def _cuprite(bonds: Mapping[str, float]) -> Shape:
    return _cube(4 / math.sqrt(3) * bonds["A"], [("X", _ORIGIN), ("A", _QUARTER)])


def _rutile(bonds: Mapping[str, float]) -> Shape:
    return _tetragon(2.34 * bonds["A"], 0.65, [("A", _ORIGIN), ("X", (0.305, 0.305, 0.0))])


def _anatase(bonds: Mapping[str, float]) -> Shape:
    return _tetragon(1.94 * bonds["A"], 2.51, [("A", _ORIGIN), ("X", (0.0, 0.0, 0.208))])


def _corundum(bonds: Mapping[str, float]) -> Shape:
    sites = [("A", (0.0, 0.0, 0.352)), ("X", (0.306, 0.0, 0.25))]
    return _hexagon(2.49 * bonds["A"], 2.73, sites)


def _lanthana(bonds: Mapping[str, float]) -> Shape:
    sites = [("A", (1 / 3, 2 / 3, 0.245)), ("X", (1 / 3, 2 / 3, 0.645)), ("X", _ORIGIN)]
    return _hexagon(1.57 * bonds["A"], 1.557, sites)


def _bixbyite(bonds: Mapping[str, float]) -> Shape:
    sites = [("A", _QUARTER), ("A", (0.9685, 0.0, 0.25)), ("X", (0.391, 0.152, 0.380))]
    return _cube(4.65 * bonds["A"], sites)


def _ilmenite(bonds: Mapping[str, float]) -> Shape | None:
    """The anion layer lies along c between the two cations so that both bonds fit."""
    a, b = (0.0, 0.0, 0.355), (0.0, 0.0, 0.146)
    cell = _hexagon(1.21 * (bonds["A"] + bonds["B"]), 2.76, [("A", a), ("B", b)])
    return _add_anion(cell, bonds, a, b, (0.317, 0.023, 0.25), (0.0, 0.0, 1.0))


def _spinel(bonds: Mapping[str, float]) -> Shape | None:
    a, b = (0.125, 0.125, 0.125), _CENTRE
    cell = _cube(4.2 * bonds["B"], [("A", a), ("B", b)])
    next_b = (0.25, 0.25, 0.5)
    return _add_anion(cell, bonds, a, next_b, (0.2625, 0.2625, 0.2625), (1.0, 1.0, 1.0))


def _pyrochlore(bonds: Mapping[str, float]) -> Shape | None:
    sites = [("A", _CENTRE), ("B", _ORIGIN), ("X", (0.375, 0.375, 0.375))]
    cell = _cube(5.1 * bonds["B"], sites)
    next_a, next_b = (0.5, 0.25, 0.25), (0.25, 0.25, 0.0)
    return _add_anion(cell, bonds, next_a, next_b, (0.33, 0.125, 0.125), (1.0, 0.0, 0.0))


def _zircon(bonds: Mapping[str, float]) -> Shape | None:
    a, b, anion = (0.0, 0.75, 0.125), (0.0, 0.25, 0.375), (0.0, 0.067, 0.198)
    cell = _tetragon(2.95 * bonds["A"], 0.905, [("A", a), ("B", b)])
    return _add_anion(cell, bonds, (0.0, -0.25, 0.125), b, anion, _difference(anion, b))


def _scheelite(bonds: Mapping[str, float]) -> Shape | None:
    a, b, anion = (0.0, 0.25, 0.625), (0.0, 0.25, 0.125), (0.151, 0.009, 0.211)
    cell = _tetragon(2.1 * bonds["A"], 2.17, [("A", a), ("B", b)])
    return _add_anion(cell, bonds, (0.5, -0.25, 0.125), b, anion, _difference(anion, b))


def _add_anion(
    cell: Shape,
    bonds: Mapping[str, float],
    next_a: Point,
    next_b: Point,
    anion: Point,
    direction: Point,
) -> Shape | None:
    """Add an anion at about `anion`, where its bonds to the A and B next to it fit both radii."""
    moved = balance_bonds(cell, bonds["A"] / bonds["B"], next_a, next_b, anion, direction)
    return moved and replace(cell, sites=[*cell.sites, ("X", moved)])


def _difference(end: Point, start: Point) -> Point:
    return (end[0] - start[0], end[1] - start[1], end[2] - start[2])


def _delafossite(bonds: Mapping[str, float]) -> Shape:
    """Regular BX₆ octahedra in layers, joined by straight X-A-X bridges."""
    height = bonds["B"] / math.sqrt(3)
    a = math.sqrt(2) * bonds["B"]
    c = 6 * (bonds["A"] + height)
    sites = [("A", _ORIGIN), ("B", (0.0, 0.0, 0.5)), ("X", (0.0, 0.0, bonds["A"] / c))]
    return Shape(a, a, c, 120.0, sites)


def _layered_rock_salt(bonds: Mapping[str, float]) -> Shape | None:
    """α-NaFeO₂: regular BX₆ octahedra; the AX₆ layer takes the height that its bonds need."""
    spread = bonds["B"] * math.sqrt(2 / 3)
    if bonds["A"] <= 1.02 * bonds["B"]:
        return None
    low, high = bonds["B"] / math.sqrt(3), math.sqrt(bonds["A"] ** 2 - spread**2)
    a, c = math.sqrt(2) * bonds["B"], 6 * (low + high)
    sites = [("B", _ORIGIN), ("A", (0.0, 0.0, 0.5)), ("X", (0.0, 0.0, 1 / 3 - low / c))]
    return Shape(a, a, c, 120.0, sites)


_INVERSION = "-x,-y,-z"
_DIAMOND = ("-x+3/4,-y+1/4,z+1/2", "z,x,y", "y+3/4,x+1/4,-z+1/2", _INVERSION)
_THREEFOLD = ("-y,x-y,z", _INVERSION)
_SCREW = ("-x,-y,z+1/2",)

ROCK_SALT = Prototype("rock salt", 225, "F", (), {"A": 6}, _rock_salt)
ZINC_BLENDE = Prototype("zinc blende", 216, "F", (), {"A": 4}, _zinc_blende)
WURTZITE = Prototype("wurtzite", 186, "P", _SCREW, {"A": 4}, _wurtzite)
NICKEL_ARSENIDE = Prototype("nickel arsenide", 194, "P", _SCREW, {"A": 6}, _nickel_arsenide)
FLUORITE = Prototype("fluorite", 225, "F", (_INVERSION,), {"A": 8}, _fluorite)
ANTIFLUORITE = Prototype("antifluorite", 225, "F", (_INVERSION,), {"A": 4}, _antifluorite)
CRISTOBALITE = Prototype("cristobalite", 227, "F", _DIAMOND, {"A": 4}, _cristobalite)
CUPRITE = Prototype(
    "cuprite", 224, "P", ("-x,-y,z", "z,x,y", "-x+1/2,-y+1/2,-z+1/2"), {"A": 2}, _cuprite
)
RUTILE = Prototype("rutile", 136, "P", ("-x,-y,z", "-y+1/2,x+1/2,z+1/2"), {"A": 6}, _rutile)
ANATASE = Prototype(
    "anatase",
    141,
    "I",
    ("-y,x+1/2,z+1/4", "-x+1/2,y,-z+3/4", "-x,-y+1/2,-z+1/4"),
    {"A": 6},
    _anatase,
)
CORUNDUM = Prototype("corundum", 167, "R", (*_THREEFOLD, "y,x,-z+1/2"), {"A": 6}, _corundum)
LANTHANA = Prototype("A-lanthana", 164, "P", (_INVERSION,), {"A": 7}, _lanthana)
BIXBYITE = Prototype(
    "bixbyite",
    206,
    "I",
    ("-x+1/2,-y,z+1/2", "-x,y+1/2,-z+1/2", "z,x,y", _INVERSION),
    {"A": 6},
    _bixbyite,
)
ILMENITE = Prototype("ilmenite", 148, "R", _THREEFOLD, {"A": 6, "B": 6}, _ilmenite)
SPINEL = Prototype("spinel", 227, "F", _DIAMOND, {"A": 4, "B": 6}, _spinel)
PYROCHLORE = Prototype("pyrochlore", 227, "F", _DIAMOND, {"A": 8, "B": 6}, _pyrochlore)
ZIRCON = Prototype(
    "zircon",
    141,
    "I",
    ("-x+1/2,-y,z+1/2", "-y+1/4,x+3/4,z+1/4", "-x+1/2,y,-z+1/2", _INVERSION),
    {"A": 8, "B": 4},
    _zircon,
)
SCHEELITE = Prototype(
    "scheelite",
    88,
    "I",
    ("-x+1/2,-y,z+1/2", "-y+3/4,x+1/4,z+1/4", _INVERSION),
    {"A": 8, "B": 4},
    _scheelite,
)
DELAFOSSITE = Prototype("delafossite", 166, "R", (_INVERSION,), {"A": 2, "B": 6}, _delafossite)
LAYERED_ROCK_SALT = Prototype(
    "layered rock salt", 166, "R", (_INVERSION,), {"A": 6, "B": 6}, _layered_rock_salt
)


# Cations that are common in oxides, by charge; the radius bounds below choose among them.
_COMMON = {
    1: "Li Na K Rb Cs Cu Ag Tl",
    2: "Be Mg Ca Sr Ba V Mn Fe Co Ni Cu Zn Cd Eu Hg Pb",
    3: "Al Sc Ti V Cr Mn Fe Co Ga Y Rh In La Ce Pr Nd Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Bi",
    4: "Si Ti V Cr Mn Ge Zr Nb Mo Ru Sn Hf Ir Pt Pb Ce Th U",
    5: "P V As Nb Sb Ta",
    6: "S Cr Se Mo W",
    7: "Mn Tc Re I",
}


@dataclass(frozen=True)
class Role:
    """Which cations may take a role: their charge, and bounds on their radius there, in Å."""

    charge: int
    smallest: float = 0.0
    largest: float = 2.0


OXIDES: tuple[tuple[Prototype, dict[str, Role]], ...] = (
    (ROCK_SALT, {"A": Role(2)}),
    (ZINC_BLENDE, {"A": Role(2)}),
    (WURTZITE, {"A": Role(2)}),
    (NICKEL_ARSENIDE, {"A": Role(2)}),
    (FLUORITE, {"A": Role(4)}),
    (ANTIFLUORITE, {"A": Role(1)}),
    (CRISTOBALITE, {"A": Role(4)}),
    (CUPRITE, {"A": Role(1)}),
    (RUTILE, {"A": Role(4, 0.5, 0.8)}),
    (ANATASE, {"A": Role(4, 0.5, 0.8)}),
    (CORUNDUM, {"A": Role(3, 0.5, 0.85)}),
    (LANTHANA, {"A": Role(3, 0.9)}),
    (BIXBYITE, {"A": Role(3, 0.64, 0.95)}),
    (ILMENITE, {"A": Role(2, 0.6, 1.0), "B": Role(4, 0.5, 0.75)}),
    (ILMENITE, {"A": Role(1, 0.7, 1.1), "B": Role(5, 0.5, 0.7)}),
    (SPINEL, {"A": Role(2, 0.5, 0.8), "B": Role(3, 0.5, 0.8)}),
    (SPINEL, {"A": Role(4, 0.25, 0.6), "B": Role(2, 0.65, 0.85)}),
    (SPINEL, {"A": Role(6, 0.4, 0.5), "B": Role(1, 0.7, 1.05)}),
    (PYROCHLORE, {"A": Role(3, 0.95, 1.2), "B": Role(4, 0.5, 0.75)}),
    (ZIRCON, {"A": Role(3, 0.85, 1.2), "B": Role(5, 0.15, 0.4)}),
    (ZIRCON, {"A": Role(4, 0.8, 1.1), "B": Role(4, 0.25, 0.4)}),
    (SCHEELITE, {"A": Role(2, 1.0, 1.5), "B": Role(6, 0.2, 0.45)}),
    (SCHEELITE, {"A": Role(1, 1.1, 1.6), "B": Role(7, 0.2, 0.5)}),
    (SCHEELITE, {"A": Role(3, 0.95, 1.2), "B": Role(5, 0.3, 0.5)}),
    (DELAFOSSITE, {"A": Role(1), "B": Role(3, 0.5, 1.0)}),
    (LAYERED_ROCK_SALT, {"A": Role(1, 0.7, 1.5), "B": Role(3, 0.5, 0.9)}),
)
"""Prototypes with the cations of each role: every pair within the bounds is taken."""


def list_oxides() -> Iterator[tuple[Prototype, dict[str, Ion]]]:
    """Give every oxide of `OXIDES` whose radii fit its structure: prototype and ions by role.

    Where two sets of charges give the same formula in the same structure (Mn²⁺Fe³⁺₂O₄ and
    Mn⁴⁺Fe²⁺₂O₄), the first counts: one structure has one energy.
    """
    oxygen = find_ion("O", -2)
    taken: set[tuple[str, tuple[str, ...]]] = set()
    for prototype, roles in OXIDES:
        choices = [
            list_cations(
                _COMMON[role.charge].split(),
                role.charge,
                prototype.coordination[name],
                (role.smallest, role.largest),
            )
            for name, role in roles.items()
        ]
        for cations in product(*choices):
            elements = tuple(ion.element for ion in cations)
            ions = dict(zip(roles, cations, strict=True)) | {"X": oxygen}
            is_new = len(set(elements)) == len(elements) and (prototype.name, elements) not in taken
            if is_new and prototype.fits(ions):
                taken.add((prototype.name, elements))
                yield prototype, ions
