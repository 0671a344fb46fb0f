"""The thorough way to read a block of a CIF: symmetry, uncertainties, odd columns, and refusals."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from math import isnan
from typing import NoReturn

import numpy as np
from gemmi import cif

from xtalgraph.errors import BadCrystal
from xtalgraph.structures.checks import find_overlap
from xtalgraph.structures.crystal import Crystal, lattice_rows
from xtalgraph.structures.elements import atomic_number
from xtalgraph.structures.formats.cif_formula import Formula, read_formula
from xtalgraph.structures.formats.cif_pymatgen import read_with_pymatgen
from xtalgraph.structures.formats.cif_symmetry import Operations, expand_site, find_settings

_CELL = [f"_cell_{name}" for name in ("length_a", "length_b", "length_c")]
_CELL += [f"_cell_angle_{name}" for name in ("alpha", "beta", "gamma")]
_COLUMNS = ["fract_x", "fract_y", "fract_z", "?type_symbol", "?label", "?occupancy"]
_COLUMNS += ["?calc_flag", "?attached_hydrogens"]
_READ = ("_cell_", "_atom_site_", "_symmetry_", "_space_group_")  # what a structure is read from
_FULL_TOLERANCE = 1e-3  # an occupancy nearer to 1 than this is full
_THIRDS = (1 / 3, 2 / 3)
_THIRD_TOLERANCE = 1e-4  # relative, as in pymatgen: 0.3333 is a third, 0.333 is not


@dataclass(frozen=True)
class Site:
    """One row of the atom table."""

    label: str
    number: int
    position: tuple[float, float, float]


def read_block(block: cif.Block, id: str) -> Crystal:
    """Give the crystal of a block.

    Agrees with pymatgen where a file is clear. Where it is not: a name with two origin choices is
    decided by the formula and the overlap of atoms, and refused where they do not decide; a file
    that says nothing of symmetry is P1, but one whose space group nobody knows is refused.
    """
    sites = _read_sites(block, id)
    cell = _read_cell(block, id)
    if cell is None:
        return _ask_pymatgen(block, id)
    settings = find_settings(block, cell[3], cell[5])
    if not settings.choices:
        return _ask_pymatgen(block, id)
    crystals = [_build(sites, cell, choice, id) for choice in settings.choices]
    formula = read_formula(block)
    if len(crystals) > 1:
        return _choose(crystals, formula, settings.said)
    _refuse_overlapping_sites(crystals[0], sites, settings.choices[0], cell)
    if formula is None or formula.has_ratio(crystals[0]):
        return crystals[0]
    return _settle_with_pymatgen(block, crystals[0], formula)


def _read_cell(block: cif.Block, id: str) -> list[float] | None:
    values = [block.find_value(tag) for tag in _CELL]
    if None in values:
        return None  # pymatgen completes cells of which only the crystal system's part is given
    cell = [cif.as_number(value) for value in values]
    lengths_are_bad = not all(length > 0 for length in cell[:3])
    if lengths_are_bad or not all(0 < angle < 180 for angle in cell[3:]):
        raise BadCrystal(
            f"its cell is {' '.join(values)}",
            id=id,
            remedy="Give three lengths in Å above 0 and three angles in degrees within (0, 180).",
        )
    return cell


def _read_sites(block: cif.Block, id: str) -> list[Site]:
    table = block.find("_atom_site_", _COLUMNS)
    if not table:
        raise no_atoms(id, "it has no atoms with fractional coordinates")
    rows = [_read_site(row, index, id) for index, row in enumerate(table)]
    sites = [site for site in rows if site is not None]
    if not sites:
        raise no_atoms(id, "all its sites are empty (occupancy 0)")
    return sites


def _read_site(row: cif.Table.Row, index: int, id: str) -> Site | None:
    words = {
        name.lstrip("?"): row.str(column) if row.has(column) else ""
        for column, name in enumerate(_COLUMNS)
    }
    words = {name: "" if word in "?." else word for name, word in words.items()}
    symbol = words["type_symbol"] or words["label"]
    label = words["label"] or symbol

    def refuse(problem: str, remedy: str) -> NoReturn:
        raise BadCrystal(f"{label}: {problem}", id=id, site=index, remedy=remedy)

    occupancy = cif.as_number(words["occupancy"], 1.0)
    if occupancy == 0:
        return None
    if abs(occupancy - 1) > _FULL_TOLERANCE:
        refuse(
            f"the site has occupancy {words['occupancy']}",
            "A disordered crystal has no single graph: choose an ordered approximant.",
        )
    if words["calc_flag"] == "dum":
        refuse("the site is a dummy atom", "Remove its row.")
    if cif.as_number(words["attached_hydrogens"], 0.0) > 0:
        refuse("it has hydrogens without positions", "Give the hydrogens rows of their own.")
    position = [cif.as_number(words[name]) for name in _COLUMNS[:3]]
    if any(map(isnan, position)):
        refuse("a coordinate is missing or is not a number", "Complete or remove its row.")
    try:
        number = atomic_number(symbol)
    except BadCrystal as problem:
        refuse(problem.problem, problem.remedy)
    x, y, z = map(_exact_third, position)
    return Site(label, number, (x, y, z))


def _exact_third(value: float) -> float:
    for third in _THIRDS:
        if abs(abs(value) / third - 1) <= _THIRD_TOLERANCE:
            return third if value > 0 else -third
    return value


def _build(sites: list[Site], cell: list[float], operations: Operations, id: str) -> Crystal:
    if not operations.closed:
        raise BadCrystal(
            f"its {len(operations)} symmetry operations are no group: the list is incomplete or "
            "has a misprint",
            id=id,
            remedy="Give all operations of the space group, or only its name.",
        )
    lattice = np.array(lattice_rows(*cell))
    groups = [expand_site(site.position, operations, lattice) for site in sites]
    numbers = np.repeat([site.number for site in sites], [len(group) for group in groups])
    return Crystal(lattice, np.concatenate(groups), numbers.astype(np.uint8), id)


def _refuse_overlapping_sites(
    crystal: Crystal, sites: list[Site], operations: Operations, cell: list[float]
) -> None:
    overlap = find_overlap(crystal)
    if overlap is None:
        return
    first, second, distance = overlap
    lattice = np.array(lattice_rows(*cell))
    counts = [len(expand_site(site.position, operations, lattice)) for site in sites]
    rows = np.repeat(np.arange(len(sites)), counts)
    row, other = int(rows[first]), int(rows[second])
    partner = "an image of itself" if row == other else f"{sites[other].label} (site {other})"
    raise BadCrystal(
        f"{sites[row].label} and {partner} are {distance:.3f} Å apart after symmetry is applied",
        id=crystal.id,
        site=row,
        remedy="Give each atom of the asymmetric unit once, and one position of a disordered atom.",
    )


def _choose(crystals: list[Crystal], formula: Formula | None, said: str) -> Crystal:
    """Give the one crystal that makes sense, of those that an ambiguous name can mean."""
    sensible = [crystal for crystal in crystals if find_overlap(crystal) is None]
    if formula is not None:
        sensible = [crystal for crystal in sensible if formula.has_ratio(crystal)]
        sensible = [crystal for crystal in sensible if formula.has_count(crystal)]
    if len(sensible) == 1:
        return sensible[0]
    raise BadCrystal(
        f"{said} has {len(crystals)} origin choices, and the atoms fit {len(sensible) or 'none'} of"
        " them",
        id=crystals[0].id,
        remedy="Add ':1' or ':2' to the name, or list the symmetry operations.",
    )


def _settle_with_pymatgen(block: cif.Block, crystal: Crystal, formula: Formula) -> Crystal:
    """Ask a second parser where the atoms do not make the formula that the file gives."""
    other = _ask_pymatgen(block, crystal.id)
    if formula.has_ratio(other):
        return other
    said = f"its atoms make {crystal.reduced_formula}, its formula says {formula.text}"
    if other.composition != crystal.composition or not formula.has_elements(crystal):
        raise BadCrystal(
            said,
            id=crystal.id,
            remedy="Correct the symmetry, the atom table or _chemical_formula_sum.",
        )
    warnings.warn(
        f"crystal {crystal.id!r}: {said}; atoms may be missing from the file",
        stacklevel=2,
    )
    return crystal


def _ask_pymatgen(block: cif.Block, id: str) -> Crystal:
    return read_with_pymatgen(block.as_string(), id)[0]


def no_atoms(id: str, problem: str) -> BadCrystal:
    """Give the error for a CIF in which there is no structure."""
    return BadCrystal(
        problem,
        id=id,
        remedy="A structure has _atom_site_fract_x, _y, _z; Cartesian sites must be converted.",
    )


def refuse_duplicates(block: cif.Block, id: str) -> None:
    """Raise `BadCrystal` where a tag of the structure stands twice in one block."""
    tags = [tag.lower() for item in block for tag in _tags_of(item)]
    twice = {tag for tag in tags if tag.startswith(_READ) and tags.count(tag) > 1}
    if twice:
        raise BadCrystal(
            f"{min(twice)} stands more than once in one data block",
            id=id,
            remedy="Give each structure a data block of its own, begun by a line data_NAME.",
        )


def _tags_of(item: cif.Item) -> list[str]:
    if item.loop is not None:
        return list(item.loop.tags)
    return [item.pair[0]] if item.pair is not None else []
