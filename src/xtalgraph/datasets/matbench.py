"""Matbench's tables: pymatgen structures as JSON objects, and the ids of the leaderboard."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from xtalgraph.errors import BadCrystal
from xtalgraph.structures.crystal import Crystal
from xtalgraph.structures.elements import atomic_number

_FILE_NAME = re.compile(r"matbench_(?P<task>\w+)\.json(\.gz)?")


def matbench_ids(file_name: str, n_rows: int) -> np.ndarray | None:
    """Give the ids by which the leaderboard calls the rows of one of its files; None for others.

    Rows are counted from 1, in as many digits as the number of rows has.

    >>> matbench_ids("matbench_steels.json.gz", 312)[0]
    'mb-steels-001'
    """
    match = _FILE_NAME.fullmatch(file_name)
    if match is None:
        return None
    task, digits = match["task"].replace("_", "-"), len(str(n_rows))
    ids = [f"mb-{task}-{row:0{digits}d}" for row in range(1, n_rows + 1)]
    return np.array(ids, dtype=np.dtypes.StringDType())


def read_structure_object(structure: dict[str, Any]) -> Crystal:
    """Give the crystal of pymatgen's `Structure.as_dict()`, without building the `Structure`.

    About 50 times faster than through pymatgen, which matters for tables of 100,000 of them.
    Refused: partial occupancy, and objects that are no such dict.
    """
    try:
        lattice = structure["lattice"]["matrix"]
        sites = structure["sites"]
        positions = [site["abc"] for site in sites]
        occupants = [site["species"] for site in sites]
        numbers = [_read_occupants(species, site) for site, species in enumerate(occupants)]
        return Crystal(lattice, positions, numbers)
    except (KeyError, TypeError, ValueError) as error:
        raise BadCrystal(
            f"it is no pymatgen structure ({type(error).__name__}: {error})",
            remedy="Write it with Structure.as_dict(), or as CIF text.",
        ) from error


def _read_occupants(species: list[dict[str, Any]], site: int) -> int:
    if len(species) != 1 or abs(species[0]["occu"] - 1) > 1e-6:
        written = ", ".join(f"{one['element']} {one['occu']:g}" for one in species)
        raise BadCrystal(
            f"the site is partly occupied ({written or 'nothing'})",
            site=site,
            remedy="Order the structure first, or leave it out.",
        )
    return atomic_number(species[0]["element"])
