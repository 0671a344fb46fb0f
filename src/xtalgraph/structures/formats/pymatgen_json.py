"""JSON of pymatgen, the Materials Project, JARVIS and OPTIMADE, read without their packages."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from xtalgraph.errors import BadCrystal
from xtalgraph.structures.checks import (
    note,
    note_periodicity,
    number_ids,
    read_each,
    refuse_overlap,
)
from xtalgraph.structures.crystal import Crystal, lattice_rows
from xtalgraph.structures.elements import DISORDERED, FULL_TOLERANCE, atomic_number

if TYPE_CHECKING:
    from xtalgraph.errors import Rejected

OPTIMADE = ("lattice_vectors", "species_at_sites", "cartesian_site_positions")
"""What OPTIMADE calls the cell, the elements and the positions in Å."""

_JARVIS = ("lattice_mat", "coords", "elements")
_REMEDY = (
    "Give pymatgen's Structure.as_dict(), JARVIS's Atoms.to_dict() or a structure of OPTIMADE: "
    "one, a list of them, or one a line."
)
# where a structure lies within what services and programs write around it
_WITHIN = ("structure", "atoms", "attributes", "final_structure")
_LISTS = ("data", "structures", "entries", "docs")
_OWN_IDS = ("material_id", "jid", "task_id", "entry_id", "id")
_DEEPEST = 4  # steps from the file to a structure


def read_structure_json(
    text: str, id: str = "", rejected: list[Rejected] | None = None
) -> list[Crystal]:
    """Return the crystals of JSON text: one dict, a list or a dict of dicts, or one on each line.

    Each is a structure of pymatgen (Slab and SymmetrizedStructure too), an entry or a document of
    the Materials Project around one, atoms of JARVIS, or a structure of OPTIMADE; also a response
    of it. Those of a dict get its keys as ids: `id#key`.
    """
    try:
        content = json.loads(text)
    except json.JSONDecodeError as whole:
        content = _read_lines(text, whole, id)
    except ValueError as many:
        remedy = "Look for a misprint."
        raise BadCrystal("a number in the JSON has too many digits", id=id, remedy=remedy) from many
    found = _find_structures(content)
    if not found:
        problem = "the JSON holds no structure"
        raise BadCrystal(problem, id=id, remedy=_REMEDY)
    keys = [key for key, _ in found]
    names = number_ids(id, len(found))
    if len(found) > 1 and all(keys) and len(set(keys)) == len(keys):
        names = [f"{id}#{key}" if id else key for key in keys]
    pending = [
        (name, partial(read_structure_dict, one, name))
        for (_, one), name in zip(found, names, strict=True)
    ]
    return read_each(pending, rejected if len(found) > 1 else None)


def _read_lines(text: str, whole: json.JSONDecodeError, id: str) -> list[Any]:
    """Return the values of JSON lines; `whole` says what is wrong where they are none."""
    try:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError:
        where = f"line {whole.lineno}, column {whole.colno}"
        problem = f"the JSON cannot be read ({where}: {whole.msg})"
        raise BadCrystal(problem, id=id, remedy=_REMEDY) from whole


def _find_structures(content: Any) -> list[tuple[str, Any]]:
    """Return each structure, or what stands in the place of one, with its key in a dict or ""."""
    if isinstance(content, list):
        return [("", one) for one in content]
    if not isinstance(content, dict) or not content or _unwrap(content) is not None:
        return [("", content)] if content else []
    for name in _LISTS:
        if isinstance(content.get(name), list | dict):
            return _find_structures(content[name])
    if all(isinstance(one, dict) and _unwrap(one) is not None for one in content.values()):
        return [(str(key), one) for key, one in content.items()]
    return [("", content)]


def _unwrap(content: Any, depth: int = 0) -> dict[str, Any] | None:
    """Return the dict of the structure itself within an entry or a document, or None."""
    if not isinstance(content, dict) or depth > _DEEPEST:
        return None
    if {"lattice", "sites"} <= content.keys() or any(
        set(names) <= content.keys() for names in (_JARVIS, OPTIMADE)
    ):
        return content
    for name in _WITHIN:
        found = _unwrap(content.get(name), depth + 1)
        if found is not None:
            return found
    return None


def read_structure_dict(content: Any, id: str = "") -> Crystal:
    """Return the crystal of a dict of pymatgen, JARVIS or OPTIMADE, or of an entry around it.

    A sheet or a wire is read with a warning. Refused: a molecule, partial occupancy.
    """
    found = _unwrap(content)
    if found is None:
        if not isinstance(content, dict):
            said = f"it is {_name_kind(content)}"
        elif "@class" in content:
            said = f"@class {str(content['@class'])[:80]}"
        else:
            said = f"its keys are {', '.join(map(str, list(content)[:5])) or 'none'}"[:200]
        problem = f"the JSON is no periodic structure ({said})"
        raise BadCrystal(problem, id=id, remedy=_REMEDY)
    crystal = _read_pymatgen(found, id) if "sites" in found else _read_columns(found, id)
    refuse_overlap(crystal)
    return crystal


def _name_kind(content: Any) -> str:
    names = {list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return names.get(type(content), "a number")


def _read_pymatgen(content: dict[str, Any], id: str) -> Crystal:
    lattice, sites = content["lattice"], content["sites"]
    if not isinstance(lattice, dict) or not isinstance(sites, list):
        raise _incomplete("lattice or sites", id)
    if isinstance(lattice.get("pbc"), list):
        note_periodicity([bool(flag) for flag in lattice["pbc"]], id)
    rows = _floats(
        lattice["matrix"] if "matrix" in lattice else _rows_of(lattice, id), "lattice", id
    )
    numbers, positions = [], []
    for index, site in enumerate(sites):
        if not isinstance(site, dict):
            raise _incomplete(f"site {index}", id)
        numbers.append(_number_of(site.get("species"), index, id))
        positions.append(site.get("abc"))
    if sites and all(position is None for position in positions):
        places = _floats([site.get("xyz") for site in sites], "positions (abc)", id)
        return Crystal(rows, _to_fractional(places, rows, id), numbers, id)
    return Crystal(rows, _floats(positions, "positions (abc)", id).reshape(-1, 3), numbers, id)


def _read_columns(content: dict[str, Any], id: str) -> Crystal:
    """Return the crystal of JARVIS's `Atoms` or of OPTIMADE."""
    is_jarvis = set(_JARVIS) <= content.keys()
    names = _JARVIS if is_jarvis else (OPTIMADE[0], OPTIMADE[2], OPTIMADE[1])
    rows, positions, species = (content[name] for name in names)
    if not isinstance(species, list):
        raise _incomplete(names[2], id)
    rows, positions = _floats(rows, names[0], id), _floats(positions, names[1], id)
    held = {
        one["name"]: one
        for one in content.get("species") or ()
        if isinstance(one, dict) and isinstance(one.get("name"), str)
    }
    if isinstance(content.get("dimension_types"), list):
        note_periodicity([bool(flag) for flag in content["dimension_types"]], id)
    numbers = [
        _number_of(_species_of(symbol, held), index, id) for index, symbol in enumerate(species)
    ]
    if not is_jarvis or content.get("cartesian"):
        positions = _to_fractional(positions, rows, id)
    return Crystal(rows, positions, numbers, id)


def _species_of(symbol: Any, held: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a site of OPTIMADE holds, as pymatgen writes it."""
    one = held.get(symbol) if isinstance(symbol, str) else None
    if one is None or not isinstance(one.get("chemical_symbols"), list):
        return [{"element": symbol}]
    symbols = one["chemical_symbols"]
    shares = one.get("concentration") or [1.0] * len(symbols)
    return [{"element": name, "occu": share} for name, share in zip(symbols, shares, strict=False)]


def _floats(value: Any, name: str, id: str) -> np.ndarray:
    """Return rows of three numbers, whatever the JSON has in their place."""
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise _incomplete(name, id) from None
    if array.size and array.shape[1:] != (3,):
        raise _incomplete(name, id)
    return array


def _incomplete(name: str, id: str) -> BadCrystal:
    problem = f"the dict of the structure is incomplete: {name} cannot be read"
    return BadCrystal(problem, id=id, remedy=_REMEDY)


def _to_fractional(positions: np.ndarray, rows: np.ndarray, id: str) -> np.ndarray:
    with np.errstate(all="ignore"):  # Crystal refuses what is not finite
        if rows.shape != (3, 3) or not abs(np.linalg.det(rows)) > 0:
            remedy = "Check the cell; a molecule needs a box around it."
            raise BadCrystal("the cell has no volume", id=id, remedy=remedy)
        return np.linalg.solve(rows.T, positions.T).T


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


def _rows_of(lattice: dict[str, Any], id: str) -> Any:
    names = ("a", "b", "c", "alpha", "beta", "gamma")
    values = [value for name in names if isinstance(value := lattice.get(name), int | float)]
    if len(values) < len(names) or max(map(abs, values)) > 1e9:
        raise _incomplete("lattice", id)
    return lattice_rows(*values)


def _number_of(species: Any, index: int, id: str) -> int:
    """Return the atomic number of a site that holds exactly one atom."""
    species = [{"element": species}] if isinstance(species, str) else species
    shares: dict[int, float] = {}
    try:
        for one in species:
            number = atomic_number(str(one["element"]))
            shares[number] = shares.get(number, 0.0) + float(one.get("occu", 1))
        text = ", ".join(f"{one['element']} {float(one.get('occu', 1)):g}" for one in species)
    except BadCrystal as error:
        raise BadCrystal(error.problem, id=id, site=index, remedy=error.remedy) from None
    except (TypeError, KeyError, AttributeError, ValueError, OverflowError):
        raise _incomplete(f"the species of site {index}", id) from None
    if len(shares) != 1 or abs(sum(shares.values()) - 1) > FULL_TOLERANCE:
        problem = f"the site holds {text}: partial occupancy" if text else "the site holds no atom"
        raise BadCrystal(problem, id=id, site=index, remedy=DISORDERED)
    if len(species) > 1:
        note(id, f"site {index} holds {text}, read as one atom")
    return next(iter(shares))
