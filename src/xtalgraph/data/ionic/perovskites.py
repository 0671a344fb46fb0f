"""Perovskites ABX₃ that Goldschmidt's and the octahedral rule allow, cubic and tilted."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import product

from xtalgraph.data.ionic.prototypes import Prototype, Shape
from xtalgraph.data.shannon import Ion

TOLERANCE_WINDOW = (0.84, 1.05)  # outside, other structures win (Goldschmidt 1926)
UPRIGHT_FROM, ONE_TILT_FROM = 0.985, 0.95  # tolerance factors at which tilts set in
# r_B/r_X. In a lattice of hard spheres the B ion rattles in its octahedron below √2 - 1 = 0.414;
# the limit is lower so that BaZrS₃ (0.391) and BaHfS₃ (0.386), which exist, are in.
OCTAHEDRAL_WINDOW = (0.38, 0.90)
_ANIONS = (("O", -2), ("F", -1), ("Cl", -1), ("Br", -1), ("I", -1), ("S", -2), ("N", -3))
# Ions that are found on these sites of perovskites, by charge; the rules choose the pairs.
_A_SITE = {
    1: "Na K Rb Cs Ag Tl",
    2: "Ca Sr Ba Cd Pb Eu",
    3: "Y La Pr Nd Sm Gd Dy Er Yb Bi",
    4: "Ce Th",
}
_B_SITE = {
    1: "Li Na Ag",
    2: "Mg Ca Mn Fe Co Ni Cu Zn Ge Cd Hg Pb",
    3: "Al Sc V Cr Mn Fe Co Ga Rh In",
    4: "Ti V Mn Ge Zr Mo Ru Sn Hf Ir Ce",
    5: "V Nb Sb Ta Bi",
    6: "Mo W Re",
    7: "Tc Re",
}


def tolerance_factor(ions: Mapping[str, Ion]) -> float:
    """Give Goldschmidt's factor (r_A + r_X) / √2 (r_B + r_X), with A twelvefold and B sixfold.

    >>> ions = {"A": Ion("Sr", 2), "B": Ion("Ti", 4), "X": Ion("O", -2)}
    >>> round(tolerance_factor(ions), 3)
    1.002
    """
    anion = ions["X"].radius(6)
    return (ions["A"].radius(12) + anion) / (math.sqrt(2) * (ions["B"].radius(6) + anion))


def octahedral_factor(ions: Mapping[str, Ion]) -> float:
    """Give r_B / r_X, both sixfold."""
    return ions["B"].radius(6) / ions["X"].radius(6)


def tilt_angle(tolerance: float) -> float:
    """Give the angle (radians) by which octahedra turn at a tolerance factor below 1.

    A rule of thumb: cos Φ = (1 + t) / 2, half of what would bring every A-X distance to the sum of
    the radii. It gives 11° for CaTiO₃ (measured about 14°) and 21° for GdFeO₃ (measured 20°).
    """
    return math.acos(min(1.0, (1.0 + tolerance) / 2.0))


def list_perovskites() -> Iterator[tuple[Prototype, dict[str, Ion]]]:
    """Give every perovskite, prototype and ions by role: the cubic form, then the tilted one.

    Octahedra tilt below t = 0.985: about one axis above 0.95, as GdFeO₃ does below.
    """
    for ions in list_perovskite_ions():
        tolerance = tolerance_factor(ions)
        yield CUBIC, ions
        if tolerance < UPRIGHT_FROM:
            yield (TETRAGONAL if tolerance >= ONE_TILT_FROM else ORTHORHOMBIC), ions


def list_perovskite_ions() -> Iterator[dict[str, Ion]]:
    """Give every neutral combination of common A, B and X ions that lies within both windows.

    A is the larger one; A⁴⁺ occurs in nitrides alone.
    """
    for element, charge in _ANIONS:
        for first, elements in _A_SITE.items():
            second = -3 * charge - first
            if second not in _B_SITE or (first == 4 and element != "N"):
                continue
            for a, b in product(elements.split(), _B_SITE[second].split()):
                ions = {"A": Ion(a, first), "B": Ion(b, second), "X": Ion(element, charge)}
                if _is_allowed(ions):
                    yield ions


def _is_allowed(ions: Mapping[str, Ion]) -> bool:
    a, b = ions["A"], ions["B"]
    if a.element == b.element or a.radius(12) <= b.radius(6):
        return False
    low, high = TOLERANCE_WINDOW
    lowest, highest = OCTAHEDRAL_WINDOW
    return low <= tolerance_factor(ions) <= high and lowest <= octahedral_factor(ions) <= highest


def _cubic(bonds: Mapping[str, float]) -> Shape:
    a = 2 * bonds["B"]
    corner = (0.0, 0.0, 0.0)
    return Shape(a, a, a, 90.0, [("A", corner), ("B", (0.5, 0.5, 0.5)), ("X", (0.5, 0.5, 0.0))])


def _tetragonal(bonds: Mapping[str, float]) -> Shape:
    """a⁰a⁰c⁻: octahedra turn about c alone, neighbours along c in opposite senses."""
    angle = tilt_angle(bonds["A"] / (math.sqrt(2) * bonds["B"]))
    edge = 2 * bonds["B"]
    a = math.sqrt(2) * edge * math.cos(angle)
    x = (1 - math.tan(angle)) / 4
    sites = [
        ("A", (0.0, 0.5, 0.25)),
        ("B", (0.0, 0.0, 0.0)),
        ("X", (0.0, 0.0, 0.25)),
        ("X", (x, x + 0.5, 0.0)),
    ]
    return Shape(a, a, 2 * edge, 90.0, sites)


def _orthorhombic(bonds: Mapping[str, float]) -> Shape:
    """a⁻a⁻c⁺ (GdFeO₃): a turn by Φ about a cube diagonal, as Φ√⅔ about b and Φ/√3 about c.

    Octahedra stay regular to first order in the angle. A moves by about as much as measured in
    GdFeO₃, growing with sin² Φ.
    """
    angle = tilt_angle(bonds["A"] / (math.sqrt(2) * bonds["B"]))
    about_b, about_c = angle * math.sqrt(2 / 3), angle / math.sqrt(3)
    edge = 2 * bonds["B"]
    lengths = (
        math.sqrt(2) * edge * math.cos(about_c) * math.cos(about_b),
        math.sqrt(2) * edge * math.cos(about_c),
        2 * edge * math.cos(about_b),
    )
    shift = math.sin(angle) ** 2 / 2
    turn, lean = math.tan(about_c) / 4, math.tan(about_b) / math.sqrt(8)
    sites = [
        ("A", (-shift / 4, shift, 0.25)),
        ("B", (0.5, 0.0, 0.0)),
        ("X", (lean, 0.5 - lean**2, 0.25)),
        ("X", (0.75 - turn, 0.25 + turn, lean / 2)),
    ]
    return Shape(*lengths, 90.0, sites)


_COORDINATION = {"A": 12, "B": 6}
CUBIC = Prototype("cubic perovskite", 221, "P", ("z,x,y",), _COORDINATION, _cubic)
TETRAGONAL = Prototype(
    "tetragonal perovskite",
    140,
    "I",
    ("-x,-y,z", "-y,x,z", "-x,y,-z+1/2", "-x,-y,-z"),
    _COORDINATION,
    _tetragonal,
)
ORTHORHOMBIC = Prototype(
    "orthorhombic perovskite",
    62,
    "P",
    ("-x+1/2,y+1/2,z", "x,y,-z+1/2", "-x,-y,-z"),
    _COORDINATION,
    _orthorhombic,
)
