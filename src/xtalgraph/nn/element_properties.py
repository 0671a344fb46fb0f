"""Nine properties of the elements, and how the paper of 2018 cuts them into 92 components.

An element vector says with zeros and ones in which bin of each property an element lies, so that
elements of one column or one size begin alike and the network need not learn chemistry from none.
`elements.csv` holds the properties of the elements 1 to 100:

- group, period, block: the place in the periodic table. Lanthanides and actinides have no group.
- electronegativity: Pauling's scale (CRC Handbook, 2014).
- covalent_radius, pm: single-bond radii of Pyykkö and Atsumi (2009).
- valence_electrons: s and p electrons of the outer shell, and in the d block the inner d as well
  (the group number up to 12, then the group number less 10; 2 for lanthanides and actinides).
- ionisation_energy, eV: of the neutral atom (NIST).
- electron_affinity, eV: CRC Handbook (2014); negative ones are those of metastable ions (Andersen,
  2004).
- atomic_volume, cm³/mol.

The numbers are those that the open table `mendeleev` (MIT licence) collected from these sources.
An empty field is a value that was not known; the element then has no component for that property.
Some numbers are older than today's best (electronegativity of W and Pb, affinities of lanthanides,
volumes of gases): they stay, because the vectors of 2018, and networks trained with them, rest on
them. For chemistry of its own sake, take a newer table.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ElementProperty:
    """One of the nine properties, with its unit, its bins, and why it is there.

    Either `categories` are its legal values, or `n_bins` equal bins lie between `low` and `high`
    (between their logarithms, where `logarithmic`).
    """

    name: str
    unit: str
    reason: str
    categories: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    n_bins: int = 0
    logarithmic: bool = False

    @property
    def n_components(self) -> int:
        """How many components of the element vector belong to this property."""
        return len(self.categories) or self.n_bins

    def edges(self, bin: int) -> tuple[float, float]:
        """Return the lower and the upper edge of a bin, in the unit of the property."""
        width = (self.high - self.low) / self.n_bins
        low, high = self.low + bin * width, self.low + (bin + 1) * width
        return (math.exp(low), math.exp(high)) if self.logarithmic else (low, high)

    def component(self, value: str) -> int | None:
        """Return the position of a value among this property's components; None where it has none.

        A value outside all bins has no component: the electron affinities of He (-19.7 eV) and Ar
        (-11.5 eV) are the only ones. A value on an edge, as the electronegativity 1.9 of copper,
        goes where this expression rounds it, and that is where the vectors of 2018 have it.
        """
        if self.categories:
            return self.categories.index(value)
        if not value:
            return None
        number = math.log(float(value)) if self.logarithmic else float(value)
        bin = math.floor((number - self.low) / (self.high - self.low) * self.n_bins)
        return bin if 0 <= bin < self.n_bins else None


def _count(first: int, last: int) -> tuple[str, ...]:
    return tuple(str(number) for number in range(first, last + 1))


NO_GROUP = "none"

PROPERTIES = (
    ElementProperty(
        "group",
        "",
        "Elements of a group share valence and chemistry.",
        categories=(NO_GROUP, *_count(1, 18)),
    ),
    ElementProperty(
        "period",
        "",
        "Along a group, size grows and bonds weaken with the period.",
        categories=_count(1, 7),
    ),
    ElementProperty(
        "electronegativity",
        "",
        "The difference between two neighbours says how ionic their bond is.",
        low=0.5,
        high=4.0,
        n_bins=10,
    ),
    ElementProperty(
        "covalent_radius",
        "pm",
        "With the distance it says whether two neighbours are bonded.",
        low=25.0,
        high=250.0,
        n_bins=10,
    ),
    ElementProperty(
        "valence_electrons",
        "",
        "How many electrons can take part in bonds.",
        categories=_count(1, 12),
    ),
    ElementProperty(
        "ionisation_energy",
        "eV",
        "What it costs to make a cation; in equal steps of the logarithm, e^1.3 to e^3.3 eV.",
        low=1.3,
        high=3.3,
        n_bins=10,
        logarithmic=True,
    ),
    ElementProperty(
        "electron_affinity",
        "eV",
        "What is gained by making an anion.",
        low=-3.0,
        high=3.7,
        n_bins=10,
    ),
    ElementProperty(
        "block",
        "",
        "Which orbitals are being filled: directed d and f bonds, or not.",
        categories=("s", "p", "d", "f"),
    ),
    ElementProperty(
        "atomic_volume",
        "cm³/mol",
        "The volume of the pure element; equal steps of the logarithm, e^1.5 to e^4.3 cm³/mol.",
        low=1.5,
        high=4.3,
        n_bins=10,
        logarithmic=True,
    ),
)

N_COMPONENTS = sum(element_property.n_components for element_property in PROPERTIES)

DEVIATIONS_2018 = {("Pd", "valence_electrons"): "12"}
"""Where the vectors of 2018 rest on another value than the table: Pd has ten valence electrons
(4d¹⁰), and the software behind those vectors counted an empty 5s² as full. It stays so here,
because the networks trained with these vectors know palladium by it."""


@dataclass(frozen=True)
class Component:
    """What one component of an element vector means when it is 1.

    >>> print(describe_components()[73])
    73: electron_affinity from 0.35 to 1.02 eV
    """

    index: int
    property: str
    unit: str
    category: str | None  # for a property with categories
    bin: tuple[float, float] | None  # lower and upper edge, else

    def __str__(self) -> str:
        if self.bin is None:
            return f"{self.index}: {self.property} {self.category}"
        low, high = self.bin
        return f"{self.index}: {self.property} from {low:.4g} to {high:.4g} {self.unit}".rstrip()


def describe_components() -> list[Component]:
    """Return the meaning of each of the 92 components, in order.

    >>> [str(component) for component in describe_components()[18:20]]
    ['18: group 18', '19: period 1']
    """
    components: list[Component] = []
    for element_property in PROPERTIES:
        for position in range(element_property.n_components):
            categories = element_property.categories
            components.append(
                Component(
                    index=len(components),
                    property=element_property.name,
                    unit=element_property.unit,
                    category=categories[position] if categories else None,
                    bin=None if categories else element_property.edges(position),
                )
            )
    return components


@lru_cache(maxsize=1)
def _rows() -> tuple[dict[str, str], ...]:
    text = files("xtalgraph.nn").joinpath("elements.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


def components_of_elements() -> dict[int, list[int]]:
    """Give, for each atomic number from 1 to 100, the components that are 1, in order.

    >>> components_of_elements()[26]  # Fe: group 8, period 4, …
    [8, 22, 29, 40, 53, 61, 72, 80, 83]
    """
    return {int(row["atomic_number"]): _components(row) for row in _rows()}


def _components(row: dict[str, str]) -> list[int]:
    found, first = [], 0
    for element_property in PROPERTIES:
        name = element_property.name
        value = DEVIATIONS_2018.get((row["symbol"], name), row[name])
        position = element_property.component(value or (NO_GROUP if name == "group" else ""))
        if position is not None:
            found.append(first + position)
        first += element_property.n_components
    return found


def element_table() -> pd.DataFrame:
    """Return the properties as a table, one row an element, the index the atomic number.

    Numbers are floats, NaN where a value is not known; `symbol` and `block` are text.

    >>> table = element_table()
    >>> table.symbol[26], float(table.electronegativity[26]), float(table.covalent_radius[26])
    ('Fe', 1.83, 116.0)
    """
    import pandas as pd

    table = pd.DataFrame(list(_rows())).set_index("atomic_number")
    table.index = table.index.astype(int)
    numeric = [name for name in table.columns if name not in ("symbol", "block")]
    table[numeric] = table[numeric].apply(pd.to_numeric).astype(float)
    return table
