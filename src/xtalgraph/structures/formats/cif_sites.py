"""The rows of the atom table of a CIF: element, position and occupancy of each site."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan
from typing import NoReturn

from gemmi import cif

from xtalgraph.errors import BadCrystal
from xtalgraph.structures.elements import (
    DISORDERED,
    FULL_TOLERANCE,
    SYMBOLS,
    atomic_number,
    read_label,
)

COORDINATES = ("_atom_site_fract_x", "_atom_site_fract_y", "_atom_site_fract_z")
_TYPE, _LABEL, _OCCUPANCY = "_atom_site_type_symbol", "_atom_site_label", "_atom_site_occupancy"
_FLAG, _HYDROGENS = "_atom_site_calc_flag", "_atom_site_attached_hydrogens"
_GROUP, _ASSEMBLY = "_atom_site_disorder_group", "_atom_site_disorder_assembly"
ODD = frozenset({_FLAG, _HYDROGENS, _GROUP, _ASSEMBLY})
"""Columns that only the thorough way understands."""

_NEARLY_FULL = 0.97  # an occupancy of at least this is full where 1 is within its uncertainty
_UNCERTAINTY = re.compile(r"\d*\.?(\d*)\((\d+)\)$")
_THIRDS = (1 / 3, 2 / 3)
_THIRD_TOLERANCE = 1e-4  # relative, as in pymatgen: 0.3333 is a third, 0.333 is not


@dataclass(frozen=True)
class Site:
    """One row of the atom table, or several of one element that share a place."""

    label: str
    number: int
    position: tuple[float, float, float]
    row: int
    occupancy: float = 1.0
    said: str = "1"  # the words of the file for the occupancy


def read_sites(
    values: Mapping[str, list[str]], known: frozenset[int], id: str
) -> tuple[list[Site], list[str]]:
    """Return the occupied sites of an atom table, and what was guessed.

    Args:
        values: The columns by their tags in small letters.
        known: Atomic numbers in the formula of the file, which decide doubtful labels.
        id: The id of the crystal, for messages.

    Raises:
        BadCrystal: A row is not an atom of one element at one place.
    """
    if not all(tag in values for tag in COORDINATES):
        raise no_atoms(id, "it has no atoms with fractional coordinates")
    notes: list[str] = []
    rows = range(len(values[COORDINATES[0]]))
    read = [_read_row(values, row, known, id, notes) for row in rows]
    _refuse_alternatives(values, read, id)
    sites = _join_shared([site for site in read if site is not None], id, notes)
    if not sites:
        raise no_atoms(id, "all its sites are empty (occupancy 0)")
    return sites, notes


def no_atoms(id: str, problem: str) -> BadCrystal:
    """Return the error for a CIF in which there is no structure."""
    return BadCrystal(
        problem,
        id=id,
        remedy="A structure has _atom_site_fract_x, _y, _z; Cartesian sites must be converted.",
    )


def _read_row(
    values: Mapping[str, list[str]], row: int, known: frozenset[int], id: str, notes: list[str]
) -> Site | None:
    def word(tag: str) -> str:
        text = cif.as_string(values[tag][row]) if tag in values else ""
        return "" if text in "?." else text

    symbol, label = word(_TYPE), word(_LABEL)
    name = label or symbol

    def refuse(problem: str, remedy: str) -> NoReturn:
        raise BadCrystal(f"{name}: {problem}", id=id, site=row, remedy=remedy)

    occupancy = _read_occupancy(word(_OCCUPANCY), name, notes)
    if isnan(occupancy) or occupancy < 0 or occupancy > 1 + FULL_TOLERANCE:
        refuse(f"the site has occupancy {word(_OCCUPANCY)}", DISORDERED)
    if occupancy == 0:
        return None
    if word(_FLAG) == "dum":
        refuse("the site is a dummy atom", "Remove its row.")
    if cif.as_number(word(_HYDROGENS), 0.0) > 0:
        refuse("it has hydrogens without positions", "Give the hydrogens rows of their own.")
    position = [cif.as_number(word(tag)) for tag in COORDINATES]
    if any(map(isnan, position)):
        refuse("a coordinate is missing or is not a number", "Complete or remove its row.")
    if max(map(abs, position)) > 1e6:
        refuse("a coordinate is beyond 1e6", "Give fractional coordinates.")
    try:
        number, doubt = (atomic_number(symbol), "") if symbol else _element_of(label, known)
    except BadCrystal as problem:
        refuse(problem.problem, problem.remedy)
    if doubt:
        notes.append(doubt)
    x, y, z = map(_exact_third, position)
    return Site(name, number, (x, y, z), row, occupancy, word(_OCCUPANCY))


def _element_of(label: str, known: frozenset[int]) -> tuple[int, str]:
    try:
        return read_label(label, known)
    except BadCrystal:
        return read_label(label)  # the formula is compared with all atoms later


def _read_occupancy(text: str, name: str, notes: list[str]) -> float:
    """Return the occupancy, 1 where it is full within 0.001 or within its uncertainty."""
    if not text:
        return 1.0
    occupancy = cif.as_number(text)
    if abs(occupancy - 1) <= FULL_TOLERANCE:
        return 1.0
    match = _UNCERTAINTY.match(text)
    uncertainty = int(match[2][:9]) * 10.0 ** -len(match[1]) if match else 0.0
    if abs(occupancy - 1) <= min(uncertainty, 1 - _NEARLY_FULL):
        notes.append(f"the occupancy {text} of {name} is read as 1")
        return 1.0
    return occupancy


def _exact_third(value: float) -> float:
    for third in _THIRDS:
        if abs(abs(value) / third - 1) <= _THIRD_TOLERANCE:
            return third if value > 0 else -third
    return value


def _refuse_alternatives(
    values: Mapping[str, list[str]], sites: Sequence[Site | None], id: str
) -> None:
    """Raise `BadCrystal` where full sites are alternatives of each other (disorder groups)."""
    if _GROUP not in values:
        return
    groups: dict[str, set[str]] = {}
    for row, site in enumerate(sites):
        group = values[_GROUP][row].strip("'\"")
        if site is None or group in ("", ".", "?", "0"):
            continue
        assembly = values[_ASSEMBLY][row] if _ASSEMBLY in values else ""
        groups.setdefault(assembly, set()).add(group)
        if len(groups[assembly]) > 1 or group.startswith("-"):
            raise BadCrystal(
                f"{site.label}: the site is one of several alternatives (disorder group {group})",
                id=id,
                site=row,
                remedy="Keep the rows of one disorder group of each assembly.",
            )


def _join_shared(sites: list[Site], id: str, notes: list[str]) -> list[Site]:
    """Return the sites, rows of one element that share a place (Fe2+ and Fe3+, H and D) as one."""
    if all(site.occupancy == 1 for site in sites):
        return sites
    joined: dict[object, Site] = {}
    for site in sites:
        x, y, z = (round(value % 1, 3) % 1 for value in site.position)
        key = (site.number, x, y, z) if site.occupancy < 1 else site.row
        if key not in joined:
            joined[key] = site
            continue
        other = joined[key]
        total = other.occupancy + site.occupancy
        total = 1.0 if abs(total - 1) <= 2 * FULL_TOLERANCE else total
        joined[key] = replace(other, occupancy=total, said=f"{total:.6g}")
        if total == 1:
            names = f"{other.label} and {site.label}"
            notes.append(f"{names} share one site and are read as one {SYMBOLS[site.number]}")
    for site in joined.values():
        if site.occupancy != 1:
            raise BadCrystal(
                f"{site.label}: the site has occupancy {site.said}",
                id=id,
                site=site.row,
                remedy=DISORDERED,
            )
    return list(joined.values())
