"""Crystals: reading, writing, checking, and holding many of them."""

from xtalgraph.structures.checks import refuse_overlap
from xtalgraph.structures.crystal import Crystal, lattice_from_parameters
from xtalgraph.structures.reading import read_crystal, read_crystals
from xtalgraph.structures.store import CrystalStore, pack
from xtalgraph.structures.symmetry import (
    crystal_system,
    find_orbits,
    find_space_group,
    niggli_cell,
    primitive_cell,
)
from xtalgraph.structures.writing import format_cif, write_crystal

__all__ = [
    "Crystal",
    "CrystalStore",
    "crystal_system",
    "find_orbits",
    "find_space_group",
    "format_cif",
    "lattice_from_parameters",
    "niggli_cell",
    "pack",
    "primitive_cell",
    "read_crystal",
    "read_crystals",
    "refuse_overlap",
    "write_crystal",
]
