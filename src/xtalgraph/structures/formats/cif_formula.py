"""The formula that a CIF gives beside its atoms: the check on symmetry and multiplicities."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from gemmi import cif

from xtalgraph.structures.elements import SYMBOLS, atomic_number

if TYPE_CHECKING:
    from xtalgraph.structures.crystal import Crystal

_PART = re.compile(r"([A-Z][a-z]?)(\d*\.?\d*)$")
_TOLERANCE = 0.01  # relative, as in pymatgen


@dataclass(frozen=True)
class Formula:
    """What a CIF says it contains: atoms of each element in a formula unit, and the units."""

    text: str
    counts: dict[int, float]
    n_units: int | None

    def has_elements(self, crystal: Crystal) -> bool:
        """Tell whether no atom of the crystal is of an element that the formula lacks."""
        return set(crystal.atomic_numbers.tolist()) <= set(self.counts)

    def has_ratio(self, crystal: Crystal) -> bool:
        """Tell whether the crystal has the elements of the formula in its proportions."""
        numbers, counts = np.unique(crystal.atomic_numbers, return_counts=True)
        if set(numbers.tolist()) != set(self.counts):
            return False
        factors = counts / np.array([self.counts[number] for number in numbers.tolist()])
        return bool(np.ptp(factors) <= _TOLERANCE * factors.max())

    def has_count(self, crystal: Crystal) -> bool:
        """Tell whether the crystal has exactly as many atoms as the formula units have."""
        return self.n_units is None or crystal.n_atoms == round(
            sum(self.counts.values()) * self.n_units
        )


def read_formula(block: cif.Block) -> Formula | None:
    """Give the formula of a block, or None where it has none that can be compared with atoms."""
    value = block.find_value("_chemical_formula_sum")
    if not value:
        return None
    text = cif.as_string(value)
    counts: dict[int, float] = {}
    for part in text.replace(",", " ").split():
        match = _PART.match(part)
        symbol = match.group(1) if match else ""
        if match is None or (symbol not in SYMBOLS and symbol != "D") or symbol == "X":
            return None  # unknowns in it (`x`), brackets, a name: nothing to compare with
        number = atomic_number(symbol)
        counts[number] = counts.get(number, 0.0) + float(match.group(2) or 1)
    units = block.find_value("_cell_formula_units_Z")
    n_units = int(units) if units and units.isdecimal() else None
    return Formula(text, counts, n_units) if counts else None
