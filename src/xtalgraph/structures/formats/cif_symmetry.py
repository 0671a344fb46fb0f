"""The symmetry of a CIF: which operations it means, and the atoms that they make."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import gemmi
import numpy as np
from jaxtyping import Float64

from xtalgraph.errors import BadCrystal

if TYPE_CHECKING:
    from collections.abc import Sequence

MERGE_DISTANCE = 0.1
"""Images of one site nearer than this, in Å, are one atom: the site is meant to be special, and its
coordinates are rounded (0.333 for 1/3)."""

MAX_OPERATIONS = 768
"""A list of more operations is refused: a space group has at most 192, a larger cell of it a few
times as many, and their products are looked at in pairs."""

LISTED = (
    "_symmetry_equiv_pos_as_xyz",
    "_space_group_symop_operation_xyz",
    "_symmetry_equiv_pos_as_xyz_",
    "_space_group_symop_operation_xyz_",
)
_HALL = ("_space_group_name_Hall", "_symmetry_space_group_name_Hall")
_HERMANN_MAUGUIN = (
    "_space_group_name_H-M_alt",
    "_symmetry_space_group_name_H-M",
    "_space_group_name_H-M_ref",
    "_space_group_name_H-M",
)
_NUMBER = ("_space_group_IT_number", "_symmetry_Int_Tables_number")
_MAGNETIC = ("_space_group_symop_magn_operation.xyz", "_space_group_symop_magn_operation_xyz")
_ICSD_ORIGINS = {"S": "1", "Z": "2"}  # ICSD marks origin choices so, after the name


@dataclass(frozen=True, eq=False)
class Operations:
    """Symmetry operations x' = rotation @ x + translation, in fractional coordinates."""

    rotations: np.ndarray  # (operations, 3, 3), whole numbers
    translations: np.ndarray  # (operations, 3)
    closed: bool  # the product of any two is again one of them, as it must be

    def __len__(self) -> int:
        return len(self.rotations)


_NO_SYMMETRY = Operations(np.eye(3)[None], np.zeros((1, 3)), closed=True)


@dataclass(frozen=True)
class Settings:
    """What a CIF says of its symmetry: the operations, or several sets where it is ambiguous.

    No set at all means that gemmi does not understand the file. `said` is the words of the file,
    empty where it says nothing and P1 is assumed.
    """

    choices: tuple[Operations, ...]
    said: str


def find_settings(block: gemmi.cif.Block, alpha: float, gamma: float) -> Settings:
    """Return the symmetry of a block: its operations, else the Hall or H-M name, else the number.

    A name with two origin choices and no word on which gives both; a rhombohedral group without
    `:R` or `:H` is decided by the angles of the cell.
    """
    for tag in LISTED:
        triplets = tuple(block.find_values(tag).str(i) for i in range(len(block.find_values(tag))))
        if triplets and _is_value(triplets[0]):
            operations = parse_operations(triplets)
            return Settings((operations,) if operations else (), f"{len(triplets)} operations")
    if any(block.find_values(tag) for tag in _MAGNETIC):
        return Settings((), "magnetic operations")
    if name := _first_value(block, _HALL):
        operations = _operations_of_hall(name)
        if operations:
            return Settings((operations,), f"Hall symbol {name!r}")
    if name := _first_value(block, _HERMANN_MAUGUIN):
        choices = _choices_of_name(name, alpha, gamma)
        if choices:
            return Settings(choices, f"space group {name!r}")
    if number := _first_value(block, _NUMBER):
        group = gemmi.find_spacegroup_by_number(int(number)) if number.isdecimal() else None
        choices = _choices_of_name(group.hm, alpha, gamma) if group else ()
        return Settings(choices, f"space group number {number}")
    words = name or _first_value(block, _HALL)
    return Settings((), f"space group {words!r}") if words else Settings((_NO_SYMMETRY,), "")


@lru_cache(maxsize=1024)
def parse_operations(triplets: tuple[str, ...]) -> Operations | None:
    """Return the operations of `x, y, z` triplets, or None where gemmi cannot read one."""
    if len(triplets) > MAX_OPERATIONS:
        raise BadCrystal(
            f"it lists {len(triplets)} symmetry operations, more than {MAX_OPERATIONS}",
            remedy="Give the operations of the space group only.",
        )
    try:
        operations = [gemmi.Op(triplet).wrap() for triplet in triplets]
    except (RuntimeError, ValueError):
        return None
    rotations = np.array([operation.rot for operation in operations])
    if (rotations % gemmi.Op.DEN).any():
        return None
    unique = {operation.triplet(): operation for operation in operations}
    return _from_gemmi(list(unique.values()))


def expand_site(
    position: Sequence[float], operations: Operations, lattice: np.ndarray
) -> Float64[np.ndarray, "n_atoms 3"]:
    """Return all atoms of one site, in [0, 1), a special position counted once.

    Images within `MERGE_DISTANCE` of the site make it special; it is moved to the middle of them,
    which turns 0.3333 into the exact third.
    """
    site = np.array(position)
    images = operations.rotations @ site + operations.translations
    apart = images - site
    apart -= np.round(apart)
    same = np.linalg.norm(apart @ lattice, axis=1) < MERGE_DISTANCE
    n_same = int(same.sum())
    if n_same > 1:
        site = site + apart[same].mean(axis=0)
        images = operations.rotations @ site + operations.translations
    images %= 1.0
    if n_same == 1 and same[0]:  # a general position: as many atoms as operations
        return images
    between = images[:, None] - images[None]
    between -= np.round(between)
    near = (between @ lattice / MERGE_DISTANCE) ** 2
    first_equal = (near.sum(axis=2) < 1).argmax(axis=1)
    return images[first_equal == np.arange(len(images))]


def _from_gemmi(operations: Sequence[gemmi.Op]) -> Operations:
    rotations = np.array([operation.rot for operation in operations]) // gemmi.Op.DEN
    translations = np.array([operation.tran for operation in operations])
    closed = _is_closed(rotations, translations)
    return Operations(rotations.astype(float), translations / gemmi.Op.DEN, closed)


def _is_closed(rotations: np.ndarray, translations: np.ndarray) -> bool:
    products = np.einsum("aij,bjk->abik", rotations, rotations)
    shifts = np.einsum("aij,bj->abi", rotations, translations) + translations[:, None]
    keys = _keys(rotations, translations)
    return bool(np.isin(_keys(products.reshape(-1, 3, 3), shifts.reshape(-1, 3)), keys).all())


def _keys(rotations: np.ndarray, translations: np.ndarray) -> np.ndarray:
    """Return one whole number for each operation; products of entries -1 to 1 lie in -3 to 3."""
    rotation_keys = (rotations.reshape(-1, 9) + 3) @ 7 ** np.arange(9)
    wrapped = translations % gemmi.Op.DEN
    return rotation_keys * gemmi.Op.DEN**3 + wrapped @ gemmi.Op.DEN ** np.arange(3)


@lru_cache(maxsize=1024)
def _operations_of_hall(name: str) -> Operations | None:
    try:
        return _from_gemmi(list(gemmi.symops_from_hall(name)))
    except (RuntimeError, ValueError):
        return None


@lru_cache(maxsize=1024)
def _choices_of_name(name: str, alpha: float, gamma: float) -> tuple[Operations, ...]:
    words = name.replace("_", "").split()
    prefer = _ICSD_ORIGINS.get(words[-1], "") if len(words) > 1 else ""
    group = gemmi.find_spacegroup_by_name(" ".join(words[:-1]) if prefer else name, alpha, gamma)
    if group is None:
        return ()
    groups = [group]
    if group.ext in "12" and ":" not in name:
        table = list(gemmi.spacegroup_table())
        groups = [g for g in table if g.hm == group.hm and g.ext == prefer]
        groups = groups or [g for g in table if g.hm == group.hm and g.number == group.number]
    return tuple(_from_gemmi(list(g.operations())) for g in groups)


def _first_value(block: gemmi.cif.Block, tags: Sequence[str]) -> str:
    for tag in tags:
        value = block.find_value(tag)
        if value and _is_value(value):
            return gemmi.cif.as_string(value).strip()
    return ""


def _is_value(word: str) -> bool:
    return word.strip("'\" ") not in ("", "?", ".")
