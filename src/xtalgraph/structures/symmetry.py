"""Space groups, reduced cells and primitive cells, by moyo."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from xtalgraph.errors import BadConfig, BadCrystal
from xtalgraph.structures.crystal import Crystal
from xtalgraph.tolerances import SYMMETRY

if TYPE_CHECKING:
    from moyopy import MoyoDataset

_LAST_NUMBERS = {
    "triclinic": 2,
    "monoclinic": 15,
    "orthorhombic": 74,
    "tetragonal": 142,
    "trigonal": 167,
    "hexagonal": 194,
    "cubic": 230,
}
CRYSTAL_SYSTEMS = tuple(_LAST_NUMBERS)
"""The seven crystal systems, from lowest to highest symmetry."""


def find_space_group(crystal: Crystal, tolerance: float = SYMMETRY) -> int:
    """Return the number of the space group.

    It takes between 0.02 and 0.7 ms for small cells.

    Args:
        crystal: The crystal.
        tolerance: Largest distance in Å between an atom and the image of another under an
            operation.

    Returns:
        1 to 230.

    Raises:
        BadCrystal: The symmetry cannot be found.
    """
    return int(_analyse(crystal, tolerance).number)


def crystal_system(space_group_number: int) -> str:
    """Return the crystal system of a space group; rhombohedral groups are trigonal.

    Args:
        space_group_number: 1 to 230.

    Returns:
        `triclinic`, `monoclinic`, `orthorhombic`, `tetragonal`, `trigonal`, `hexagonal` or `cubic`.

    Raises:
        BadConfig: There is no such space group.

    >>> crystal_system(221), crystal_system(167)
    ('cubic', 'trigonal')
    """
    for name, last in _LAST_NUMBERS.items():
        if 1 <= space_group_number <= last:
            return name
    raise BadConfig(f"space group number {space_group_number}; it must lie in 1 to 230.")


def find_orbits(crystal: Crystal, tolerance: float = SYMMETRY) -> list[int]:
    """Return for each atom the first of the atoms that are equivalent to it by the space group.

    Args:
        crystal: The crystal.
        tolerance: Distance in Å within which atoms are equivalent.

    Returns:
        One number per atom; atoms with the same number are in the same orbit.

    Raises:
        BadCrystal: The symmetry cannot be found.

    >>> cell = 2.87 * np.eye(3)
    >>> find_orbits(Crystal.from_symbols(cell, [[0, 0, 0], [0.5, 0.5, 0.5]], ["Fe", "Fe"]))
    [0, 0]
    """
    return [int(first) for first in _analyse(crystal, tolerance).orbits]


def primitive_cell(crystal: Crystal, tolerance: float = SYMMETRY) -> Crystal:
    """Return the standardised primitive cell: the same material with the fewest atoms.

    The cell is rotated to moyo's standard setting, atoms are moved by less than about `tolerance`
    onto exact symmetry, and their order changes.

    Args:
        crystal: The crystal.
        tolerance: Distance in Å within which atoms are equivalent.

    Returns:
        The primitive crystal.

    Raises:
        BadCrystal: The symmetry cannot be found.
    """
    cell = _analyse(crystal, tolerance).prim_std_cell
    return Crystal(cell.basis, cell.positions, cell.numbers, crystal.id)


def niggli_cell(crystal: Crystal) -> Crystal:
    """Return the same crystal in its Niggli-reduced cell, the most compact one.

    Atoms keep their order and their positions in space; a left-handed cell becomes right-handed.

    Args:
        crystal: The crystal.

    Returns:
        The reduced crystal.
    """
    import moyopy

    _refuse_extreme_cell(crystal)
    try:
        _, transformation = moyopy.niggli_reduce(crystal.lattice.tolist())
    except ValueError as problem:
        raise BadCrystal(
            f"its cell cannot be reduced ({problem})",
            id=crystal.id,
            remedy="Check the lattice vectors; they may be nearly in one plane.",
        ) from problem
    change = np.array(transformation, dtype=np.float64).T
    inverse = np.round(np.linalg.inv(change))  # whole numbers, for its determinant is 1 or -1
    positions = crystal.fractional_positions @ inverse
    return Crystal(change @ crystal.lattice, positions, crystal.atomic_numbers, crystal.id)


def _analyse(crystal: Crystal, tolerance: float) -> MoyoDataset:
    import moyopy

    if not 0 < tolerance <= 1:
        raise BadConfig(f"tolerance = {tolerance} Å; it must lie in (0, 1].")
    _refuse_extreme_cell(crystal)
    cell = moyopy.Cell(
        crystal.lattice.tolist(),
        (crystal.fractional_positions % 1.0).tolist(),
        crystal.atomic_numbers.tolist(),
    )
    logger = logging.getLogger("moyo")  # it remarks on operations that are not asked for here
    logger.addFilter(_drop)
    try:
        return moyopy.MoyoDataset(cell, symprec=tolerance)
    except ValueError as problem:
        raise BadCrystal(
            f"its symmetry cannot be found at a tolerance of {tolerance:g} Å ({problem})",
            id=crystal.id,
            remedy="Try another tolerance, and look for atoms that overlap.",
        ) from problem
    finally:
        logger.removeFilter(_drop)


def _drop(record: logging.LogRecord) -> bool:
    return False


def _refuse_extreme_cell(crystal: Crystal) -> None:
    # Cell reduction counts in whole numbers of lattice vectors and does not end on such cells.
    filled = crystal.volume / np.linalg.norm(crystal.lattice, axis=1).prod()
    if filled < 1e-6:
        raise BadCrystal(
            f"its lattice vectors are nearly in one plane: they fill {filled:.1e} of the box with "
            "edges as long",
            id=crystal.id,
            remedy="Choose a more compact cell of the same crystal.",
        )
