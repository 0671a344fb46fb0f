"""Nine properties of the elements, and how the 2018 paper cuts them into 92 components.

An element vector says with zeros and ones in which bin of each property an element lies, so that
elements of one column or one size begin alike and the network need not learn chemistry from none.
Their bins are in `element_properties.toml`; `elements.csv` holds the properties of the elements 1
to 100:

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
import tomllib
from collections.abc import Iterator
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
    reason: str
    unit: str = ""
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


NO_GROUP = "none"


def _read_properties() -> Iterator[ElementProperty]:
    text = files("xtalgraph.nn").joinpath("element_properties.toml").read_text("utf-8")
    for name, entry in tomllib.loads(text).items():
        categories = tuple(entry.pop("categories", ()))
        yield ElementProperty(name, categories=categories, **entry)


PROPERTIES = tuple(_read_properties())

N_COMPONENTS = sum(element_property.n_components for element_property in PROPERTIES)

DEVIATIONS_2018 = {("Pd", "valence_electrons"): "12"}
"""Where the vectors of 2018 rest on another value than the table: Pd has ten valence electrons
(4d¹⁰), and the software behind those vectors counted an empty 5s² as full. It stays so here,
because the networks trained with these vectors know palladium by it."""


@dataclass(frozen=True)
class Component:
    """The meaning of one component of an element vector.

    Attributes:
        index: Its position in the vector.
        property: The property of the element.
        unit: The unit of the property.
        category: The category for which it is 1, for a property with categories.
        bin: Otherwise the lower and upper edge of the range for which it is 1.

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
    """Return the meaning of each component of the paper's element vectors.

    Returns:
        92 components, in order.

    >>> [str(component) for component in describe_components()[18:20]]
    ['18: group 18', '19: period 1']
    """
    found = [(each, position) for each in PROPERTIES for position in range(each.n_components)]
    return [
        Component(
            index,
            each.name,
            each.unit,
            each.categories[position] if each.categories else None,
            None if each.categories else each.edges(position),
        )
        for index, (each, position) in enumerate(found)
    ]


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
    """Return the properties of the elements.

    Returns:
        One row per element, indexed by atomic number. Numbers are floats, NaN where unknown;
        `symbol` and `block` are strings.

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
