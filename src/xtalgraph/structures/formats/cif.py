"""CIF files, read through gemmi, and written.

Most files have no symmetry and no oddities, and are read by the quick way; the thorough way knows
symmetry, uncertainties, odd columns and refusals. What gemmi cannot read, or what contradicts
itself, goes to pymatgen's parser.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from dataclasses import dataclass
from functools import partial
from math import acos, degrees, isnan
from typing import TYPE_CHECKING, NoReturn

import numpy as np
from gemmi import cif

from xtalgraph.errors import BadCrystal, MissingExtra
from xtalgraph.extras import import_extra
from xtalgraph.structures.checks import (
    READER_ERRORS,
    find_overlap,
    number_ids,
    read_each,
    refuse_overlap,
)
from xtalgraph.structures.crystal import Crystal, lattice_rows
from xtalgraph.structures.elements import SYMBOLS, atomic_number
from xtalgraph.structures.formats.cif_symmetry import (
    LISTED,
    Operations,
    expand_site,
    find_settings,
)

if TYPE_CHECKING:
    from xtalgraph.errors import Rejected

_CELL = (
    "_cell_length_a",
    "_cell_length_b",
    "_cell_length_c",
    "_cell_angle_alpha",
    "_cell_angle_beta",
    "_cell_angle_gamma",
)
_FRACTIONS = ("_atom_site_fract_x", "_atom_site_fract_y", "_atom_site_fract_z")
_TYPE, _OCCUPANCY = "_atom_site_type_symbol", "_atom_site_occupancy"
_HYDROGENS, _FLAG = "_atom_site_attached_hydrogens", "_atom_site_calc_flag"
_FULL = {"1", "1.", "1.0", "1.00", "1.000", "1.0000", "1.00000", "1.000000", "1.0000000"}
_IDENTITY = {f"{quote}{xyz}{quote}" for quote in ("'", '"') for xyz in ("x, y, z", "x,y,z")}
_IDENTITY |= {"x,y,z", "+x,+y,+z", "'+x,+y,+z'", "'X,Y,Z'", "X,Y,Z", "'X, Y, Z'"}
_COLUMNS = ["fract_x", "fract_y", "fract_z", "?type_symbol", "?label", "?occupancy"]
_COLUMNS += ["?calc_flag", "?attached_hydrogens"]
_READ = ("_cell_", "_atom_site_", "_symmetry_", "_space_group_")  # what a structure is read from
_FULL_TOLERANCE = 1e-3  # an occupancy nearer to 1 than this is full
_THIRDS = (1 / 3, 2 / 3)
_THIRD_TOLERANCE = 1e-4  # relative, as in pymatgen: 0.3333 is a third, 0.333 is not
_PART = re.compile(r"([A-Z][a-z]?)(\d*\.?\d*)$")
_RATIO_TOLERANCE = 0.01  # relative, as in pymatgen


def format_cif(crystal: Crystal) -> str:
    """Return the text of a CIF without symmetry, with 12 digits after the point.

    The block is named after the id. A CIF keeps lengths and angles of the cell, not its
    orientation in space; a left-handed cell comes back as its mirror image.
    """
    lengths = np.linalg.norm(crystal.lattice, axis=1)
    a, b, c = crystal.lattice / lengths[:, None]
    angles = [degrees(acos(float(np.clip(u @ v, -1, 1)))) for u, v in ((b, c), (a, c), (a, b))]
    name = "_".join(crystal.id.split()) or crystal.formula
    formula = " ".join(f"{symbol}{count}" for symbol, count in crystal.composition.items())
    lines = [f"data_{name}", "_symmetry_space_group_name_H-M 'P 1'"]
    lines += [f"_cell_length_{n} {x:.12f}" for n, x in zip("abc", lengths, strict=True)]
    greek = ("alpha", "beta", "gamma")
    lines += [f"_cell_angle_{n} {x:.12f}" for n, x in zip(greek, angles, strict=True)]
    lines += ["_symmetry_Int_Tables_number 1", f"_chemical_formula_sum '{formula}'"]
    lines += ["_cell_formula_units_Z 1"]
    lines += ["loop_", " _symmetry_equiv_pos_site_id", " _symmetry_equiv_pos_as_xyz"]
    lines += [" 1 'x, y, z'", "loop_", " _atom_site_type_symbol", " _atom_site_label"]
    lines += [f" _atom_site_fract_{axis}" for axis in "xyz"] + [" _atom_site_occupancy"]
    rows = zip(crystal.symbols, crystal.fractional_positions.tolist(), strict=True)
    lines += [
        f" {symbol} {symbol}{index} {x:.12f} {y:.12f} {z:.12f} 1"
        for index, (symbol, (x, y, z)) in enumerate(rows)
    ]
    return "\n".join(lines) + "\n"


def read_cif(text: str, id: str = "", rejected: list[Rejected] | None = None) -> list[Crystal]:
    """Return the crystals of a CIF, one for each block that has atoms.

    One crystal gets `id`, or the block's name where that is empty; several get `id#block`. Costs
    about 15 µs for a file without symmetry of 5 atoms. With a list `rejected`, bad blocks are
    added to it where there are several.
    """
    try:
        blocks = cif.read_string(text, 0)  # 0: no search for duplicates, which takes half the time
    except ValueError as problem:
        return _read_unusual(text, id, problem)
    if len(blocks) == 1:  # nearly every file
        if text.count(_FRACTIONS[0]) != 1 or text.count(_CELL[0]) != 1:
            _refuse_duplicates(blocks[0], id or blocks[0].name.strip())
        return [_read_block(blocks[0], id or blocks[0].name.strip())]
    with_atoms = [block for block in blocks if _has_atoms(block)]
    if not with_atoms:
        raise _no_atoms(id, f"none of its {len(blocks)} data blocks has atoms")
    names = [block.name.strip() for block in with_atoms]
    if len(with_atoms) > 1 and len(set(names)) < len(names):
        names = [str(index) for index in range(len(names))]
    for block, name in zip(with_atoms, names, strict=True):
        _refuse_duplicates(block, name)
    if len(with_atoms) == 1:
        return [_read_block(with_atoms[0], id or names[0])]
    prefix = f"{id}#" if id else ""
    pending = [
        (prefix + name, partial(_read_block, block, prefix + name))
        for block, name in zip(with_atoms, names, strict=True)
    ]
    return read_each(pending, rejected)


def _has_atoms(block: cif.Block) -> bool:
    return bool(block.find_values(_FRACTIONS[0]))


def _read_unusual(text: str, id: str, problem: Exception) -> list[Crystal]:
    """Read what gemmi refuses: letters beyond ASCII between items, and other people's dialects."""
    if "data_" not in text.lower():
        raise BadCrystal(
            "it is no CIF: there is no line that begins with data_",
            id=id,
            remedy="Give the format, or check that the file is what its name says.",
        ) from problem
    if not text.isascii():
        return read_cif(text.encode("ascii", "replace").decode("ascii"), id)
    return _read_with_pymatgen(text, id, why=str(problem))


def _read_block(block: cif.Block, id: str) -> Crystal:
    crystal = _read_plain(block, id)
    if crystal is None:
        return _read_thoroughly(block, id)
    refuse_overlap(crystal)
    return crystal


def _read_plain(block: cif.Block, id: str) -> Crystal | None:
    """Return the crystal of a block without symmetry and without oddities, else None.

    This path is for speed (most data sets are such files), so it asks gemmi for as little as
    possible: one list of all values of the atom loop.
    """
    loop = block.find_loop(_FRACTIONS[0]).get_loop()
    if loop is None or not _lists_only_identity(block):
        return None
    tags, values = loop.tags, loop.values
    width = len(tags)
    if _HYDROGENS in tags or _FLAG in tags:
        return None
    try:
        if _OCCUPANCY in tags and not _FULL.issuperset(values[tags.index(_OCCUPANCY) :: width]):
            return None
        x, y, z = (values[tags.index(tag) :: width] for tag in _FRACTIONS)
        # one flat list: numpy takes as long for a row of three as for the numbers in it
        positions = np.array(list(map(float, x + y + z))).reshape(3, -1).T
        numbers = bytes(map(atomic_number, values[tags.index(_TYPE) :: width]))
        a, b, c, alpha, beta, gamma = map(float, map(block.find_value, _CELL))
        rows = lattice_rows(a, b, c, alpha, beta, gamma)
        return Crystal(rows, positions, np.frombuffer(numbers, np.uint8), id)
    except (ValueError, TypeError, BadCrystal):
        return None  # a missing column, uncertainties, `?`: the thorough way says what is wrong


def _lists_only_identity(block: cif.Block) -> bool:
    for tag in LISTED:
        operations = block.find_loop(tag)
        if operations:
            return len(operations) == 1 and operations[0] in _IDENTITY
    return False


@dataclass(frozen=True)
class _Site:
    """One row of the atom table."""

    label: str
    number: int
    position: tuple[float, float, float]


def _read_thoroughly(block: cif.Block, id: str) -> Crystal:
    """Return the crystal of a block.

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
    formula = _read_formula(block)
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


def _read_sites(block: cif.Block, id: str) -> list[_Site]:
    table = block.find("_atom_site_", _COLUMNS)
    if not table:
        raise _no_atoms(id, "it has no atoms with fractional coordinates")
    rows = [_read_site(row, index, id) for index, row in enumerate(table)]
    sites = [site for site in rows if site is not None]
    if not sites:
        raise _no_atoms(id, "all its sites are empty (occupancy 0)")
    return sites


def _read_site(row: cif.Table.Row, index: int, id: str) -> _Site | None:
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
    return _Site(label, number, (x, y, z))


def _exact_third(value: float) -> float:
    for third in _THIRDS:
        if abs(abs(value) / third - 1) <= _THIRD_TOLERANCE:
            return third if value > 0 else -third
    return value


def _build(sites: list[_Site], cell: list[float], operations: Operations, id: str) -> Crystal:
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
    crystal: Crystal, sites: list[_Site], operations: Operations, cell: list[float]
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


def _choose(crystals: list[Crystal], formula: _Formula | None, said: str) -> Crystal:
    """Return the one crystal that makes sense, of those that an ambiguous name can mean."""
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


def _settle_with_pymatgen(block: cif.Block, crystal: Crystal, formula: _Formula) -> Crystal:
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
    return _read_with_pymatgen(block.as_string(), id)[0]


def _no_atoms(id: str, problem: str) -> BadCrystal:
    """Return the error for a CIF in which there is no structure."""
    return BadCrystal(
        problem,
        id=id,
        remedy="A structure has _atom_site_fract_x, _y, _z; Cartesian sites must be converted.",
    )


def _refuse_duplicates(block: cif.Block, id: str) -> None:
    """Raise `BadCrystal` where a tag of the structure stands twice in one block."""
    counts = Counter(tag.lower() for item in block for tag in _tags_of(item))
    twice = [tag for tag, count in counts.items() if count > 1 and tag.startswith(_READ)]
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


@dataclass(frozen=True)
class _Formula:
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
        """Return whether the crystal has exactly as many atoms as the formula units have."""
        return self.n_units is None or crystal.n_atoms == round(
            sum(self.counts.values()) * self.n_units
        )


def _read_formula(block: cif.Block) -> _Formula | None:
    """Return the formula of a block, or None where it has none that can be compared with atoms."""
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
    return _Formula(text, counts, n_units) if counts else None


def _read_with_pymatgen(text: str, id: str, why: str = "") -> list[Crystal]:
    """Return the crystals that pymatgen finds in a CIF; `why` is what gemmi said against it.

    pymatgen takes a file whose space group it does not know for P1. That guess is refused here.
    """
    try:  # imported here: it takes half a second
        pymatgen_cif = import_extra("pymatgen.io.cif", "pymatgen's reader, which would be asked,")
    except MissingExtra as missing:  # one file of many
        raise _refusal(f"{why or 'gemmi cannot read it'} ({missing})", id) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            parser = pymatgen_cif.CifParser.from_str(text)
            structures = parser.parse_structures(primitive=False, on_error="raise")
        except READER_ERRORS as problem:
            raise _refusal(why or str(problem), id) from problem
    if any("Defaulting to P1" in message for message in parser.warnings) and not why:
        raise _refusal("its space group or its symmetry operations are unknown", id)
    names = number_ids(id, len(structures))
    crystals = [
        Crystal.from_pymatgen(structure, name)
        for structure, name in zip(structures, names, strict=True)
    ]
    for crystal in crystals:
        refuse_overlap(crystal)
    return crystals


def _refusal(problem: str, id: str) -> BadCrystal:
    return BadCrystal(
        f"the CIF cannot be read ({problem})",
        id=id,
        remedy="Repair the file, or write it anew with a program that reads it (VESTA, pymatgen).",
    )
