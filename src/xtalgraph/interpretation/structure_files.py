"""Crystals with a contribution at each site, in files that other programs open."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from xtalgraph.structures import Crystal, format_cif
from xtalgraph.units import Target

CIF_COLUMNS = ("_atom_site_xtalgraph_role", "_atom_site_xtalgraph_contribution")


def format_contributions_cif(
    crystal: Crystal,
    values: Float64[np.ndarray, "n_atoms"],
    roles: Sequence[str],
    target: Target,
) -> str:
    """Give a CIF with the role and the contribution of each atom as further columns.

    The columns are `_atom_site_xtalgraph_role` and `_atom_site_xtalgraph_contribution`; what the
    contributions are of, and their unit, stand before the cell. Other programs pass over them.
    """
    lines = format_cif(crystal).splitlines()
    head = [
        f"_xtalgraph_target '{target.name}'",
        f"_xtalgraph_contribution_unit '{target.unit or '1'}'",
    ]
    columns = [f" {name}" for name in CIF_COLUMNS]
    n_atoms = crystal.n_atoms
    rows = [
        f"{line} {role} {value:.9g}"
        for line, role, value in zip(lines[-n_atoms:], roles, values.tolist(), strict=True)
    ]
    return "\n".join([lines[0], *head, *lines[1:-n_atoms], *columns, *rows]) + "\n"


def format_contributions_xyz(
    crystal: Crystal,
    values: Float64[np.ndarray, "n_atoms"],
    roles: Sequence[str],
    target: Target,
) -> str:
    """Give a frame of extended xyz with the columns `role` and `contribution`, positions in Å."""
    lattice = " ".join(f"{value:.16g}" for value in crystal.lattice.ravel())
    words = {"id": crystal.id, "target": target.name, "unit": target.unit}
    notes = " ".join(f'{key}="{_unquoted(text)}"' for key, text in words.items() if text)
    properties = "species:S:1:pos:R:3:role:S:1:contribution:R:1"
    lines = [str(crystal.n_atoms)]
    lines.append(f'Lattice="{lattice}" Properties={properties} {notes} pbc="T T T"')
    sites = zip(
        crystal.symbols, crystal.cartesian_positions.tolist(), roles, values.tolist(), strict=True
    )
    lines += [
        f"{symbol:<2} {x:21.14f} {y:21.14f} {z:21.14f} {role:<3} {value:16.9g}"
        for symbol, (x, y, z), role, value in sites
    ]
    return "\n".join(lines) + "\n"


def _unquoted(text: str) -> str:
    return text.replace('"', "'").replace("\\", "/").replace("\n", " ")
