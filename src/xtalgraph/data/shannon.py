"""Effective ionic radii of Shannon, for common ions.

`shannon.csv` holds numbers of R. D. Shannon, Acta Cryst. A32, 751 (1976): the effective ionic
radius in Å by element, charge and coordination number, on the scale where O²⁻ with six neighbours
measures 1.40 Å. Where the paper lists two spin states the high-spin radius is taken, but for Co³⁺
and Ni³⁺ with six neighbours, which are low spin in oxides. Square-planar and pyramidal entries are
left out.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from xtalgraph.errors import UnknownName
from xtalgraph.structures.elements import SYMBOLS

# Born exponents by the noble-gas core, as Pauling gives them (The Nature of the Chemical Bond,
# table 13-2), here by the number of electrons: He 5, Ne 7, Ar and Cu⁺ 9, Kr and Ag⁺ 10, Xe and
# Au⁺ 12. An ion between two of them takes the value of the larger.
_BORN_EXPONENTS = ((2, 5.0), (10, 7.0), (28, 9.0), (46, 10.0))
_LARGEST_BORN_EXPONENT = 12.0


@dataclass(frozen=True, order=True)
class Ion:
    """An element with a formal charge (in e), with its radii by coordination number (in Å)."""

    element: str
    charge: int

    @property
    def radii(self) -> MappingProxyType[int, float]:
        """Effective radii in Å by coordination number."""
        return _read_radii()[self.element, self.charge]

    def radius(self, coordination: int) -> float:
        """Give the radius in Å at the tabulated coordination nearest to the wanted one.

        Of two equally near ones the larger coordination counts.

        >>> Ion("Sr", 2).radius(12), Ion("Gd", 3).radius(12)
        (1.44, 1.107)
        """
        radii = self.radii
        nearest = min(radii, key=lambda tabulated: (abs(tabulated - coordination), -tabulated))
        return radii[nearest]

    @property
    def born_exponent(self) -> float:
        """Exponent of the Born repulsion by the ion's number of electrons.

        >>> Ion("Li", 1).born_exponent, Ion("O", -2).born_exponent, Ion("Ba", 2).born_exponent
        (5.0, 7.0, 12.0)
        """
        electrons = SYMBOLS.index(self.element) - self.charge
        return next((n for most, n in _BORN_EXPONENTS if electrons <= most), _LARGEST_BORN_EXPONENT)


def find_ion(element: str, charge: int) -> Ion:
    """Give an ion of the table; one that is not there is answered with the nearest that is."""
    if (element, charge) not in _read_radii():
        raise UnknownName("ion", f"{element}{charge:+d}", [f"{e}{q:+d}" for e, q in _read_radii()])
    return Ion(element, charge)


def find_charges(element: str) -> tuple[int, ...]:
    """Give the charges of an element that the table has radii for, ascending; none for many.

    >>> find_charges("Fe"), find_charges("Au")
    ((2, 3, 4), ())
    """
    return tuple(sorted(charge for symbol, charge in _read_radii() if symbol == element))


def list_cations(
    elements: Iterable[str], charge: int, coordination: int, bounds: tuple[float, float]
) -> list[Ion]:
    """Give the ions of these elements and charge with a tabulated radius within `bounds` (Å).

    Only the radius at exactly this coordination counts: an ion that the paper does not know there
    is left out.

    >>> list_cations(["Be", "Mg", "Ba"], 2, 4, (0.0, 0.5))
    [Ion(element='Be', charge=2)]
    """
    ions = [find_ion(element, charge) for element in elements]
    low, high = bounds
    return [ion for ion in ions if low <= ion.radii.get(coordination, -1.0) <= high]


@cache
def _read_radii() -> MappingProxyType[tuple[str, int], MappingProxyType[int, float]]:
    radii: dict[tuple[str, int], dict[int, float]] = {}
    with (files("xtalgraph.data") / "shannon.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            ion = row["element"], int(row["charge"])
            radii.setdefault(ion, {})[int(row["coordination"])] = float(row["radius"])
    return MappingProxyType({ion: MappingProxyType(table) for ion, table in radii.items()})
