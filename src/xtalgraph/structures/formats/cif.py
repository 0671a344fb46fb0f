"""CIF files, read through gemmi; what gemmi cannot be trusted with goes to pymatgen's parser."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from gemmi import cif

from xtalgraph.errors import BadCrystal
from xtalgraph.structures.checks import refuse_overlap
from xtalgraph.structures.crystal import Crystal, lattice_rows
from xtalgraph.structures.elements import atomic_number
from xtalgraph.structures.formats.cif_sites import no_atoms, read_block, refuse_duplicates
from xtalgraph.structures.formats.cif_symmetry import LISTED
from xtalgraph.structures.several import read_each

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


def read_cif(text: str, id: str = "", rejected: list[Rejected] | None = None) -> list[Crystal]:
    """Give the crystals of a CIF, one for each block that has atoms.

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
            refuse_duplicates(blocks[0], id or blocks[0].name.strip())
        return [_read_block(blocks[0], id or blocks[0].name.strip())]
    with_atoms = [block for block in blocks if _has_atoms(block)]
    if not with_atoms:
        raise no_atoms(id, f"none of its {len(blocks)} data blocks has atoms")
    names = [block.name.strip() for block in with_atoms]
    if len(with_atoms) > 1 and len(set(names)) < len(names):
        names = [str(index) for index in range(len(names))]
    for block, name in zip(with_atoms, names, strict=True):
        refuse_duplicates(block, name)
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
    from xtalgraph.structures.formats.cif_pymatgen import read_with_pymatgen

    return read_with_pymatgen(text, id, why=str(problem))


def _read_block(block: cif.Block, id: str) -> Crystal:
    crystal = _read_plain(block, id)
    if crystal is None:
        return read_block(block, id)
    refuse_overlap(crystal)
    return crystal


def _read_plain(block: cif.Block, id: str) -> Crystal | None:
    """Give the crystal of a block without symmetry and without oddities, else None.

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
