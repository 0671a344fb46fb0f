"""From and to the structures of pymatgen and ASE: the only place where their objects come in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xtalgraph.errors import BadCrystal
from xtalgraph.extras import import_extra
from xtalgraph.structures.elements import DISORDERED, atomic_number

if TYPE_CHECKING:
    import numpy as np
    from ase import Atoms
    from pymatgen.core import Structure


def from_ase(atoms: Any, id: str = "") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return lattice, fractional positions and atomic numbers of an ASE `Atoms`.

    It must be periodic in three directions.
    """
    if not all(atoms.pbc):
        raise BadCrystal(
            f"pbc is {list(map(bool, atoms.pbc))}",
            id=id,
            remedy="Set atoms.pbc = True if the cell repeats in all three directions; give a "
            "molecule a box first.",
        )
    positions = atoms.get_scaled_positions(wrap=False) if atoms.cell.rank == 3 else atoms.positions
    return atoms.cell.array, positions, atoms.numbers


def to_ase(lattice: np.ndarray, positions: np.ndarray, numbers: np.ndarray) -> Atoms:
    """Return the ASE `Atoms`, periodic in three directions (extra `ase`)."""
    return import_extra("ase", "Crystal.to_ase").Atoms(
        numbers=numbers, scaled_positions=positions, cell=lattice, pbc=True
    )


def from_pymatgen(structure: Any, id: str = "") -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Return lattice, fractional positions and atomic numbers of an ordered pymatgen `Structure`.

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
                remedy=DISORDERED,
            )
        try:
            numbers.append(atomic_number(site.specie.symbol))
        except BadCrystal as problem:
            raise BadCrystal(problem.problem, id=id, site=index, remedy=problem.remedy) from None
    return lattice.matrix, structure.frac_coords, numbers


def to_pymatgen(lattice: np.ndarray, positions: np.ndarray, numbers: np.ndarray) -> Structure:
    """Return the pymatgen `Structure` of fractional positions, as they are given."""
    core = import_extra("pymatgen.core", "Crystal.to_pymatgen")
    return core.Structure(core.Lattice(lattice), numbers.tolist(), positions)
