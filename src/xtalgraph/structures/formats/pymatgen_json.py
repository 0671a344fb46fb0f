"""The JSON of pymatgen structures (`Structure.as_dict`), read and written without pymatgen."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from xtalgraph.errors import BadCrystal
from xtalgraph.structures.checks import number_ids, read_each, refuse_overlap
from xtalgraph.structures.crystal import Crystal, lattice_rows
from xtalgraph.structures.elements import atomic_number

if TYPE_CHECKING:
    from xtalgraph.errors import Rejected

OPTIMADE = ("lattice_vectors", "species_at_sites", "cartesian_site_positions")
"""What OPTIMADE calls the cell, the elements and the positions in Å."""

_REMEDY = "Give the dict of pymatgen's Structure.as_dict(), a list of them, or one a line."


def read_structure_json(
    text: str, id: str = "", rejected: list[Rejected] | None = None
) -> list[Crystal]:
    """Return the crystals of JSON text: one dict, a list of dicts, or a dict on each line."""
    try:
        content = json.loads(text)
    except json.JSONDecodeError as whole:
        lines = [line for line in text.splitlines() if line.strip()]
        try:
            content = [json.loads(line) for line in lines]
        except json.JSONDecodeError:
            problem = f"the JSON cannot be read ({whole})"
            raise BadCrystal(problem, id=id, remedy=_REMEDY) from whole
    if isinstance(content, dict):
        return [read_structure_dict(content, id)]
    if not isinstance(content, list) or not content:
        problem = "the JSON holds no structure"
        raise BadCrystal(problem, id=id, remedy=_REMEDY)
    names = number_ids(id, len(content))
    pending = [
        (name, partial(read_structure_dict, one, name))
        for one, name in zip(content, names, strict=True)
    ]
    return read_each(pending, rejected)


def read_structure_dict(content: Any, id: str = "") -> Crystal:
    """Return the crystal of a dict as pymatgen's `Structure.as_dict` writes it.

    Refused: a molecule, a cell that is not periodic in three directions, partial occupancy.
    """
    if isinstance(content, dict) and "sites" not in content:
        content = _translate(content)
    kind = content.get("@class", "Structure") if isinstance(content, dict) else "no dict"
    if kind not in ("Structure", "IStructure") or not {"lattice", "sites"} <= set(content):
        problem = f"the JSON is no periodic structure (@class {kind})"
        raise BadCrystal(problem, id=id, remedy=_REMEDY)
    try:
        lattice = content["lattice"]
        if not all(lattice.get("pbc", (True,))):
            problem = f"the structure is not periodic in three directions (pbc {lattice['pbc']})"
            raise BadCrystal(problem, id=id, remedy="Give slabs and wires a cell with vacuum.")
        rows = lattice["matrix"] if "matrix" in lattice else _rows_of(lattice)
        sites = content["sites"]
        numbers = [_number_of(site["species"], index, id) for index, site in enumerate(sites)]
        crystal = Crystal(rows, [site["abc"] for site in sites], numbers, id)
    except BadCrystal as error:
        raise BadCrystal(error.problem, id=id, site=error.site, remedy=error.remedy) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"the dict of the structure is incomplete ({type(error).__name__}: {error})"
        raise BadCrystal(problem, id=id, remedy=_REMEDY) from error
    refuse_overlap(crystal)
    return crystal


def format_structure_json(crystal: Crystal) -> str:
    """Return the JSON that pymatgen's `Structure.from_dict` and `read_crystal` read."""
    sites = [
        {
            "species": [{"element": symbol, "occu": 1}],
            "abc": position.tolist(),
            "properties": {},
            "label": symbol,
            "xyz": cartesian.tolist(),
        }
        for symbol, position, cartesian in zip(
            crystal.symbols, crystal.fractional_positions, crystal.cartesian_positions, strict=True
        )
    ]
    structure = {
        "@module": "pymatgen.core.structure",
        "@class": "Structure",
        "lattice": {"matrix": crystal.lattice.tolist(), "pbc": [True, True, True]},
        "sites": sites,
    }
    return json.dumps(structure) + "\n"


def _translate(content: dict[str, Any]) -> dict[str, Any]:
    """Return the dict of JARVIS's `Atoms` or of OPTIMADE as pymatgen writes it."""
    if {"lattice_mat", "coords", "elements"} <= set(content):
        rows, symbols, positions = (content[k] for k in ("lattice_mat", "elements", "coords"))
        is_cartesian = bool(content.get("cartesian"))
    elif set(OPTIMADE) <= set(content):
        rows, symbols, positions = (content[name] for name in OPTIMADE)
        is_cartesian = True
    else:
        return content
    try:
        if is_cartesian:
            positions = np.linalg.solve(np.array(rows, float).T, np.array(positions, float).T).T
        sites = [
            {"species": [{"element": symbol.strip()}], "abc": position}
            for symbol, position in zip(symbols, positions, strict=True)
        ]
    except (TypeError, ValueError, AttributeError, np.linalg.LinAlgError):
        return content
    return {"lattice": {"matrix": rows}, "sites": sites}


def _rows_of(lattice: dict[str, Any]) -> Any:
    return lattice_rows(*(lattice[name] for name in ("a", "b", "c", "alpha", "beta", "gamma")))


def _number_of(species: list[dict[str, Any]], index: int, id: str) -> int:
    """Return the atomic number of a site that holds exactly one atom."""
    if len(species) != 1 or abs(species[0].get("occu", 1) - 1) > 1e-3:
        text = ", ".join(f"{one['element']} {one.get('occu', 1):g}" for one in species)
        raise BadCrystal(
            f"the site holds {text}: partial occupancy",
            id=id,
            site=index,
            remedy="A disordered crystal has no single graph: choose an ordered approximant.",
        )
    try:
        return atomic_number(species[0]["element"])
    except BadCrystal as error:
        raise BadCrystal(error.problem, id=id, site=index, remedy=error.remedy) from None
