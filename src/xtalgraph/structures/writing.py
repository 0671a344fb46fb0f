"""Writing crystals: CIF, POSCAR, extended xyz and pymatgen's JSON."""

from __future__ import annotations

import gzip
from math import acos, degrees
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xtalgraph.errors import BadCrystal, UnknownName
from xtalgraph.structures.formats.extended_xyz import format_extended_xyz
from xtalgraph.structures.formats.poscar import format_poscar
from xtalgraph.structures.formats.pymatgen_json import format_structure_json
from xtalgraph.structures.reading import format_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from xtalgraph.structures.crystal import Crystal


def write_crystal(crystal: Crystal, path: str | Path, format: str | None = None) -> None:
    """Write a crystal; the format is that of the name (`.cif`, `.vasp`, `.xyz`, `.json`, `.gz`).

    What `read_crystal` reads back is the same crystal to 1e-9 Å; a CIF has no orientation, and a
    POSCAR groups the atoms by element.
    """
    path = Path(path)
    format = format or format_of(path)
    if format is None:
        raise BadCrystal(
            "the name does not say the format",
            id=crystal.id,
            file=str(path),
            remedy=f"Use a suffix such as .cif, or format= one of {', '.join(WRITERS)}.",
        )
    if format not in WRITERS:
        raise UnknownName("structure format", format, WRITERS)
    data = WRITERS[format](crystal).encode()
    path.write_bytes(gzip.compress(data) if path.suffix.lower() == ".gz" else data)


def format_cif(crystal: Crystal) -> str:
    """Give the text of a CIF without symmetry, with 12 digits after the point.

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


WRITERS: dict[str, Callable[[Crystal], str]] = {
    "cif": format_cif,
    "extxyz": format_extended_xyz,
    "json": format_structure_json,
    "poscar": format_poscar,
}
"""The formats, by the name that `format=` takes."""
