"""What a CIF says beside its atoms, to compare them with: formula, formula units, volume."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd

import numpy as np
from gemmi import cif

from xtalgraph.errors import BadCrystal
from xtalgraph.structures.crystal import Crystal
from xtalgraph.structures.elements import SYMBOLS

FORMULA, UNITS, VOLUME = "_chemical_formula_sum", "_cell_formula_units_Z", "_cell_volume"
_PART = re.compile(r"([A-Z][a-z]?)(\d*\.?\d*)$")
_RATIO_TOLERANCE = 0.01  # relative, as in pymatgen
VOLUME_TOLERANCE = 0.01  # relative; cells are given with four digits or more
ROOMY = (
    1e5  # Å³ an atom; lengths in pm make a crystal of millions, an atom in a box of 46 Å is this
)


class _Parts(dict[str, tuple[int, float]]):
    """Atomic number and amount by the words of formulas that were met before; (0, 1) for others."""

    def __missing__(self, word: str) -> tuple[int, float]:
        match = _PART.match(word)
        symbol = match[1] if match else "X"
        number = 1 if symbol == "D" else SYMBOLS.index(symbol) if symbol in SYMBOLS else 0
        part = number, float(match[2] or 1) if match and match[2] != "." else 1.0
        if len(self) < 4096:
            self[word] = part
        return part


_part_of = _Parts().__getitem__


@dataclass(frozen=True)
class Formula:
    """What a CIF says it contains: atoms of each element in a formula unit, and the units."""

    text: str
    counts: dict[int, float]
    n_units: int | None

    def has_elements(self, crystal: Crystal) -> bool:
        """Return whether no atom of the crystal is of an element that the formula lacks."""
        return set(crystal.atomic_numbers.tolist()) <= set(self.counts)

    def has_ratio(self, crystal: Crystal) -> bool:
        """Return whether the crystal has the elements of the formula in its proportions."""
        numbers, counts = np.unique(crystal.atomic_numbers, return_counts=True)
        if set(numbers.tolist()) != set(self.counts):
            return False
        factors = counts / np.array([self.counts[number] for number in numbers.tolist()])
        return bool(np.ptp(factors) <= _RATIO_TOLERANCE * factors.max())

    def has_count(self, crystal: Crystal) -> bool:
        """Return whether the crystal has as many atoms as the formula units of the cell have.

        Z counts the formulas as they are written, or those reduced to the smallest whole numbers
        where the formula is that of the whole cell, as pymatgen writes it.
        """
        if self.n_units is None:
            return True
        n_atoms = sum(self.counts.values())
        expected = n_atoms * self.n_units
        if abs(crystal.n_atoms - expected) <= max(0.5, _RATIO_TOLERANCE * expected):
            return True
        return n_atoms == crystal.n_atoms and gcd(*map(int, self.counts.values())) == self.n_units


def read_formula(values: Mapping[str, list[str]]) -> Formula | None:
    """Return the formula of a block, or None where it has none that can be compared with atoms."""
    text = _word(values, FORMULA)
    counts: dict[int, float] = {}
    for number, amount in map(_part_of, text.replace(",", " ").split()):
        if not number:
            return None  # unknowns in it (`x`), brackets, a name: nothing to compare with
        counts[number] = counts.get(number, 0.0) + amount
    if not counts or not all(counts.values()):
        return None
    units = _word(values, UNITS)
    n_units = int(units) if units.isdecimal() and len(units) < 7 and int(units) else None
    return Formula(text, counts, n_units)


def find_contradictions(
    values: Mapping[str, list[str]], crystal: Crystal, formula: Formula | None
) -> list[str]:
    """Return what the file says that its atoms and its cell do not bear out.

    Raises:
        BadCrystal: The atoms are of elements that the formula does not have.
    """
    found = []
    if formula is not None and not formula.has_ratio(crystal):
        said = f"its atoms make {crystal.reduced_formula}, its formula says {formula.text}"
        if not formula.has_elements(crystal):
            raise BadCrystal(
                said,
                id=crystal.id,
                remedy="Correct the symmetry, the atom table or _chemical_formula_sum.",
            )
        found.append(f"{said}; atoms may be missing from the file")
    elif formula is not None and not formula.has_count(crystal):
        found.append(
            f"it says that the cell has {formula.n_units} formula units of {formula.text}, its "
            f"atoms make {crystal.formula}"
        )
    volume, said_volume = crystal.volume, cif.as_number(_word(values, VOLUME) or "?")
    if said_volume > 0 and abs(said_volume - volume) > VOLUME_TOLERANCE * volume:
        found.append(f"its cell has {volume:.5g} Å³, _cell_volume says {said_volume:.5g}")
    if volume > ROOMY * crystal.n_atoms:
        found.append(
            f"the cell has {volume / crystal.n_atoms:.3g} Å³ for each atom; lengths are "
            "in Å, not pm"
        )
    return found


def _word(values: Mapping[str, list[str]], tag: str) -> str:
    text = cif.as_string(values[tag.lower()][0]).strip() if values.get(tag.lower()) else ""
    return "" if text in ("?", ".") else text


def agrees(text: str, units: str | None, numbers: bytes) -> bool:
    """Return quickly whether formula and units match the atoms; False if in doubt."""
    ratio, n_left = 0.0, len(numbers)
    for number, amount in map(_part_of, text.strip("'\"").split()):
        count = numbers.count(number)
        if count != ratio * amount:
            if ratio or not amount:
                return False
            ratio = count / amount
        n_left -= count
    if n_left or not ratio:
        return False
    if units is None or not units.isdecimal() or ratio == float(units):
        return True
    return ratio == 1 and gcd(*map(numbers.count, set(numbers))) == float(units)
