"""CIF files, read through gemmi, and written.

Most files have no symmetry and no oddities, and are read by the quick way, which agrees in all with
what they say of their formula and volume, or gives them to the thorough way (`cif_block.py`): that
knows symmetry, uncertainties, odd columns, guesses and refusals.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from math import acos, degrees
from typing import TYPE_CHECKING

import numpy as np
from gemmi import cif

from xtalgraph.errors import BadCrystal
from xtalgraph.structures.checks import read_each, refuse_overlap
from xtalgraph.structures.crystal import Crystal, lattice_rows
from xtalgraph.structures.elements import atomic_number
from xtalgraph.structures.formats.cif_block import ANGLES, LENGTHS, READ, read_block, twice
from xtalgraph.structures.formats.cif_formula import (
    FORMULA,
    ROOMY,
    UNITS,
    VOLUME,
    VOLUME_TOLERANCE,
    agrees,
)
from xtalgraph.structures.formats.cif_sites import COORDINATES, ODD, no_atoms
from xtalgraph.structures.formats.cif_symmetry import LISTED, NAMES, NUMBERS

if TYPE_CHECKING:
    from xtalgraph.errors import Rejected

_CELL = (*LENGTHS, *ANGLES)
_TYPE, _OCCUPANCY = "_atom_site_type_symbol", "_atom_site_occupancy"
_FULL = {"1", "1.", "1.0", "1.00", "1.000", "1.0000", "1.00000", "1.000000", "1.0000000"}
_IDENTITY = {f"{quote}{xyz}{quote}" for quote in ("'", '"') for xyz in ("x, y, z", "x,y,z")}
_IDENTITY |= {"x,y,z", "+x,+y,+z", "'+x,+y,+z'", "'X,Y,Z'", "X,Y,Z", "'X, Y, Z'"}
_P1 = {
    None,
    "?",
    ".",
    "P1",
    "p1",
    *(f"{q}{name}{q}" for q in "'\"" for name in ("P 1", "P1", "p 1")),
}
_USUAL_POSITIONS = 1e6  # the sum of the squares of fractional positions, nan excluded
_NUMBER_1 = {None, "?", ".", "1", "'1'"}


def format_cif(crystal: Crystal) -> str:
    """Return the text of a CIF without symmetry, with 12 decimal places.

    The block is named after the id. A CIF stores lengths and angles of the cell, not its
    orientation; a left-handed cell is read back as its mirror image.

    Args:
        crystal: The crystal.

    Returns:
        The text of the file.
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
        if text.count(COORDINATES[0]) != 1 or text.count(_CELL[0]) != 1:
            _refuse_duplicates(blocks[0], id or blocks[0].name.strip())
        return [_read_block(blocks[0], id or blocks[0].name.strip())]
    with_atoms = [block for block in blocks if _has_atoms(block)]
    if not with_atoms:
        raise no_atoms(id, f"none of its {len(blocks)} data blocks has atoms")
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
    return bool(block.find_values(COORDINATES[0]))


def _read_unusual(text: str, id: str, problem: Exception) -> list[Crystal]:
    """Read what gemmi refuses for letters beyond ASCII between items; refuse the rest."""
    if "data_" not in text.lower():
        raise BadCrystal(
            "it is no CIF: there is no line that begins with data_",
            id=id,
            remedy="Give the format, or check that the file is what its name says.",
        ) from problem
    if not text.isascii():
        return read_cif(text.encode("ascii", "replace").decode("ascii"), id)
    where = str(problem).removeprefix("string:").strip()
    raise BadCrystal(
        f"the CIF cannot be read (line {where[:200]})",
        id=id,
        remedy="Repair the file, or write it anew with a program that reads it (VESTA, pymatgen).",
    ) from problem


def _read_block(block: cif.Block, id: str) -> Crystal:
    crystal = _read_plain(block, id)
    if crystal is None:
        return read_block(block, id)
    refuse_overlap(crystal)
    return crystal


def _read_plain(block: cif.Block, id: str) -> Crystal | None:
    """Return the crystal of a block without symmetry and without oddities, else None.

    This path is for speed (most data sets are such files), so it asks gemmi for as little as
    possible: one list of all values of the atom loop.
    """
    loop = block.find_loop(COORDINATES[0]).get_loop()
    if loop is None or not _lists_only_identity(block):
        return None
    tags, values = loop.tags, loop.values
    width = len(tags)
    if not ODD.isdisjoint(tags):
        return None
    try:
        if _OCCUPANCY in tags and not _FULL.issuperset(values[tags.index(_OCCUPANCY) :: width]):
            return None
        x, y, z = (values[tags.index(tag) :: width] for tag in COORDINATES)
        # one flat list: numpy takes as long for a row of three as for the numbers in it
        flat = np.array(list(map(float, x + y + z)))
        numbers = bytes(map(_number_of, values[tags.index(_TYPE) :: width]))
        a, b, c, alpha, beta, gamma = map(float, map(block.find_value, _CELL))
        rows = lattice_rows(a, b, c, alpha, beta, gamma)
        volume = rows[0][0] * rows[1][1] * rows[2][2]  # as the lattice is laid, a triangle
        is_usual = len(flat) == 3 * len(numbers) > 0 and flat.dot(flat) < _USUAL_POSITIONS
        is_usual = is_usual and volume > 1e-2 * a * b * c > 1e-2 and max(a, b, c) < 1e3
        if not (is_usual and _is_borne_out(block, numbers, volume)):
            return None
        positions = np.ascontiguousarray(flat.reshape(3, -1).T)
        return Crystal.of_checked(np.array(rows), positions, np.frombuffer(numbers, np.uint8), id)
    except (ValueError, TypeError, BadCrystal):
        return None  # a missing column, uncertainties, `?`: the thorough way says what is wrong


def _is_borne_out(block: cif.Block, numbers: bytes, volume: float) -> bool:
    """Return whether what a block says of formula and volume is what its atoms and cell make."""
    find = block.find_value
    formula, said = find(FORMULA), find(VOLUME)
    return (
        (formula is None or agrees(formula, find(UNITS), numbers))
        and (said is None or abs(float(said) - volume) <= VOLUME_TOLERANCE * volume)
        and volume <= ROOMY * len(numbers)
    )


def _lists_only_identity(block: cif.Block) -> bool:
    """Return whether the one listed operation is the identity, and no name contradicts it."""
    for tag in LISTED:
        operations = block.find_loop(tag)
        if operations:
            if len(operations) != 1 or operations[0] not in _IDENTITY:
                return False
            if tag == LISTED[0] and block.find_loop(LISTED[1]):
                return False
            find = block.find_value
            name = find(NAMES[0])
            if name is None:
                name = find(NAMES[1])
            return name in _P1 and (name is not None or _NUMBER_1.issuperset(map(find, NUMBERS)))
    return False


class _Numbers(dict[str, int]):
    """Atomic numbers by symbols that were met before: quicker than any function."""

    def __missing__(self, symbol: str) -> int:
        number = atomic_number(symbol)
        if len(self) < 4096:
            self[symbol] = number
        return number


_number_of = _Numbers().__getitem__


def _refuse_duplicates(block: cif.Block, id: str) -> None:
    """Raise `BadCrystal` where a tag of the structure stands twice in one block."""
    counts = Counter(tag.lower() for item in block for tag in _tags_of(item))
    repeated = [tag for tag, count in counts.items() if count > 1 and tag.startswith(READ)]
    if repeated:
        raise twice(min(repeated), id)


def _tags_of(item: cif.Item) -> list[str]:
    if item.loop is not None:
        return list(item.loop.tags)
    return [item.pair[0]] if item.pair is not None else []
