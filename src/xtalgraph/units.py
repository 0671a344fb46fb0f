"""Quantities and their units.

A target carries its name, its unit, and what it is counted per, because an energy per cell doubles
with the cell and an energy per atom does not. Names are those of the Materials Project.
"""

import re
from dataclasses import dataclass

from xtalgraph.errors import BadConfig

_LOGARITHM = "log10 "  # how a unit begins that is of a logarithm
_NAMES_WITHOUT_LOGARITHM = {"log10_K_VRH": "bulk_modulus", "log10_G_VRH": "shear_modulus"}


@dataclass(frozen=True)
class Target:
    """A property to learn: its name, its unit, and what it is counted per.

    >>> Target("band_gap", "eV").column
    'band_gap [eV]'
    """

    name: str
    unit: str = ""
    per: str = ""  # "", "atom", "cell" or "formula"; "" is intensive by itself, like a band gap

    def __post_init__(self) -> None:
        if self.per not in ("", "atom", "cell", "formula"):
            raise BadConfig(
                f"target {self.name!r}: per={self.per!r}; it must be atom, cell, formula or empty."
            )

    @property
    def column(self) -> str:
        """The column header: name and unit, or the name alone where there is no unit."""
        return f"{self.name} [{self.unit}]" if self.unit else self.name

    @property
    def without_logarithm(self) -> "Target | None":
        """The quantity whose logarithm to the base 10 this is; None where this is none.

        >>> Target("log10_K_VRH", "log10 GPa").without_logarithm
        Target(name='bulk_modulus', unit='GPa', per='')
        """
        if not self.unit.startswith(_LOGARITHM):
            return None
        name = _NAMES_WITHOUT_LOGARITHM.get(self.name, self.name.removeprefix("log10_"))
        return Target(name, self.unit.removeprefix(_LOGARITHM), self.per)


KNOWN_TARGETS = {
    target.name: target
    for target in (
        Target("formation_energy_per_atom", "eV/atom", "atom"),
        Target("energy_per_atom", "eV/atom", "atom"),
        Target("energy_above_hull", "eV/atom", "atom"),
        Target("formation_energy", "eV/atom", "atom"),
        Target("total_energy", "eV", "cell"),
        Target("total_magnetization", "μB", "cell"),
        Target("band_gap", "eV"),
        Target("direct_gap", "eV"),
        Target("indirect_gap", "eV"),
        Target("fermi_energy", "eV"),
        Target("bulk_modulus", "GPa"),
        Target("shear_modulus", "GPa"),
        Target("log10_K_VRH", "log10 GPa"),
        Target("log10_G_VRH", "log10 GPa"),
        Target("poisson_ratio", ""),
        Target("is_metal", ""),
    )
}

_UNIT_WORDS = {
    *("eV", "meV", "keV", "J", "kJ", "kcal", "mol", "Ha", "Hartree", "hartree", "Ry", "K"),
    *("GPa", "MPa", "kPa", "Pa", "kbar", "bar", "Å", "Å3", "Å^3", "Ang", "Angstrom", "angstrom"),
    *("nm", "pm", "cm", "μm", "fs", "ps", "ns", "THz", "GHz", "μB", "µB", "uB", "muB", "kg"),
    *("%", "°", "deg", "atom", "cell", "formula", "f.u.", "fu", "log10", "1", "2", "3", "-1"),
}
"""What a unit in parentheses is made of; other words there belong to the name: `E (PBE)`."""

_PARENTHESES = re.compile(r"^\s*(?P<name>[^\[\]()]+?)\s*\((?P<unit>[^\[\]()]+)\)\s*$")
_HEADER = re.compile(r"^\s*(?P<name>[^\[\]]+?)\s*(?:\[(?P<unit>[^\[\]]*)\])?\s*$")


def _is_unit(text: str) -> bool:
    words = re.split(r"[\s/*·]+", text.strip())
    return all(word in _UNIT_WORDS or word.rstrip("0123456789-^") in _UNIT_WORDS for word in words)


def read_target_header(header: str) -> Target:
    """Read a column header, `name`, `name [unit]` or `name (unit)`, as a target.

    In parentheses only what is made of known units counts as one: `E (PBE)` is a name.

    A known name without a unit takes the unit of the table; a unit that is written wins. A unit
    that ends in `/atom` says that the target is counted per atom.

    >>> read_target_header("gap [eV]")
    Target(name='gap', unit='eV', per='')
    >>> read_target_header("gap (meV)").column, read_target_header("gap (PBE)").column
    ('gap [meV]', 'gap (PBE)')
    >>> read_target_header("energy_per_atom")
    Target(name='energy_per_atom', unit='eV/atom', per='atom')
    """
    match = _PARENTHESES.match(header)
    if match is None or not _is_unit(match["unit"]):
        match = _HEADER.match(header)
    if match is None:
        raise BadConfig(f"column header {header!r}: write 'name' or 'name [unit]'.")
    name, unit = match["name"], match["unit"]
    known = KNOWN_TARGETS.get(name)
    if known is not None and unit in (None, known.unit):
        return known
    unit = unit or ""
    per = next((per for per in ("atom", "cell", "formula") if unit.endswith("/" + per)), "")
    return Target(name, unit, per)
