"""From and to ASE's `Atoms`, the only place where its objects come in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xtalgraph.errors import BadCrystal, MissingExtra

if TYPE_CHECKING:
    import numpy as np
    from ase import Atoms


def from_ase(atoms: Any, id: str = "") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give lattice, fractional positions and atomic numbers of an ASE `Atoms`.

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
    """Give the ASE `Atoms` of fractional positions, periodic in three directions (extra `ase`)."""
    try:
        from ase import Atoms
    except ImportError:
        raise MissingExtra("Crystal.to_ase", "ase") from None
    return Atoms(numbers=numbers, scaled_positions=positions, cell=lattice, pbc=True)
