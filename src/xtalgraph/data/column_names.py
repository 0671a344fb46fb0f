"""What columns are called that hold ids and structures."""

from __future__ import annotations

from collections.abc import Sequence

ID_NAMES = ("material_id", "id", "name", "cif_id")
"""Names of the column of ids, in the order in which they are looked for."""

TEXT_NAMES = ("cif", "structure", "cif_text", "cif_string", "poscar")
"""Names of a column that holds whole structures: CIF text, or pymatgen's JSON."""

LATTICE_NAMES = ("lattice",)
SPECIES_NAMES = ("species", "symbols", "atomic_numbers")
POSITION_NAMES = ("frac", "frac_coords", "fractional_positions")


def find_structure_columns(names: Sequence[str]) -> tuple[str, ...]:
    """Give the one column of whole structures, or the three of lattice, species and positions.

    Nothing where the table has neither. The three win over the one, being cheaper to read.

    >>> find_structure_columns(["id", "CIF", "gap"])
    ('CIF',)
    >>> find_structure_columns(["frac", "lattice", "species", "cif"])
    ('lattice', 'species', 'frac')
    """
    three = [_find(names, legal) for legal in (LATTICE_NAMES, SPECIES_NAMES, POSITION_NAMES)]
    if all(three):
        return tuple(name for name in three if name)
    text = _find(names, TEXT_NAMES)
    return (text,) if text else ()


def _find(names: Sequence[str], legal: Sequence[str]) -> str | None:
    lower = {str(name).strip().lower(): name for name in reversed(names)}
    return next((lower[name] for name in legal if name in lower), None)
