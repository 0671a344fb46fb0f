"""From and to pymatgen's `Structure`, the only place where its objects come in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xtalgraph.errors import BadCrystal
from xtalgraph.structures.elements import atomic_number

if TYPE_CHECKING:
    import numpy as np
    from pymatgen.core import Structure


def from_pymatgen(structure: Any, id: str = "") -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Give lattice, fractional positions and atomic numbers of an ordered pymatgen `Structure`.

    Charges and isotopes are dropped.

    Refused: a molecule, a slab that is not periodic in three directions, partial occupancy and
    dummy species.
    """
    lattice = getattr(structure, "lattice", None)
    if lattice is None or not all(lattice.pbc):
        raise BadCrystal(
            f"a {type(structure).__name__} that is not periodic in three directions",
            id=id,
            remedy="Give a Structure with a three-dimensional lattice; a molecule needs a box.",
        )
    numbers = []
    for index, site in enumerate(structure):
        if not site.is_ordered:
            raise BadCrystal(
                f"the site holds {site.species_string}: partial occupancy",
                id=id,
                site=index,
                remedy="A disordered crystal has no single graph: choose an ordered approximant.",
            )
        try:
            numbers.append(atomic_number(site.specie.symbol))
        except BadCrystal as problem:
            raise BadCrystal(problem.problem, id=id, site=index, remedy=problem.remedy) from None
    return lattice.matrix, structure.frac_coords, numbers


def to_pymatgen(lattice: np.ndarray, positions: np.ndarray, numbers: np.ndarray) -> Structure:
    """Give the pymatgen `Structure` of fractional positions, as they are given."""
    from pymatgen.core import Lattice, Structure

    return Structure(Lattice(lattice), numbers.tolist(), positions)
