"""One data block of a CIF, read thoroughly: symmetry, odd columns, guesses and refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from gemmi import cif

from xtalgraph.errors import BadCrystal
from xtalgraph.structures.checks import Overlap, find_overlap, note
from xtalgraph.structures.crystal import Crystal, lattice_rows
from xtalgraph.structures.formats.cif_formula import Formula, find_contradictions, read_formula
from xtalgraph.structures.formats.cif_sites import Site, read_sites
from xtalgraph.structures.formats.cif_symmetry import (
    Operations,
    expand_site,
    find_settings,
    keeps_metric,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LENGTHS = ("_cell_length_a", "_cell_length_b", "_cell_length_c")
ANGLES = ("_cell_angle_alpha", "_cell_angle_beta", "_cell_angle_gamma")
READ = ("_cell", "_atom_site", "_symmetry", "_space_group", "_magnetic", "_chemical_formula_sum")
"""What the tags begin with that a structure is read from."""

_SYSTEM_TAGS = ("_symmetry_cell_setting", "_space_group_crystal_system")
_Angles = tuple[float | None, float | None, float | None]
_COMPLETE: dict[str, tuple[str, _Angles]] = {  # which lengths equal a, and the angles
    "cubic": ("bc", (90.0, 90.0, 90.0)),
    "tetragonal": ("b", (90.0, 90.0, 90.0)),
    "orthorhombic": ("", (90.0, 90.0, 90.0)),
    "hexagonal": ("b", (90.0, 90.0, 120.0)),
    "trigonal": ("b", (90.0, 90.0, 120.0)),
    "monoclinic": ("", (90.0, None, 90.0)),
}
_MOST_ATOMS = 1_000_000  # that symmetry may make of the atoms of a file
_ONE_ATOM = 0.02  # Å; atoms of one element nearer than this are one atom that is listed twice


def read_values(block: cif.Block, id: str) -> dict[str, list[str]]:
    """Return what a block says of its structure, by tags in small letters, `.` written as `_`."""
    values: dict[str, list[str]] = {}

    def add(tag: str, words: list[str]) -> None:
        tag = tag.lower().replace(".", "_")
        if tag.startswith(READ):
            if tag in values:
                raise twice(tag, id)
            values[tag] = words

    for item in block:
        if item.pair is not None:
            tag, word = map(str, item.pair)  # type: ignore[call-overload]
            add(tag, [word])
        elif item.loop is not None:
            tags, words = item.loop.tags, item.loop.values
            for column, tag in enumerate(tags):
                add(tag, words[column :: len(tags)])
    return values


def twice(tag: str, id: str) -> BadCrystal:
    """Return the error for a tag that stands twice in one block."""
    return BadCrystal(
        f"{tag} stands more than once in one data block",
        id=id,
        remedy="Give each structure a data block of its own, begun by a line data_NAME.",
    )


def read_block(block: cif.Block, id: str) -> Crystal:
    """Return the crystal of a block, with a `CrystalWarning` for each guess and each doubt.

    A name with two origin choices is decided by the formula and the overlap of atoms, and refused
    where they do not decide; a file that says nothing of symmetry is P1; one whose space group
    nobody knows is refused.

    Raises:
        BadCrystal: The block is no crystal, contradicts itself, or its symmetry is unknown.
    """
    values = read_values(block, id)
    formula = read_formula(values)
    sites, notes = read_sites(values, frozenset(formula.counts) if formula else frozenset(), id)
    cell = _read_cell(values, id, notes)
    try:
        settings = find_settings(values, cell[3], cell[5])
    except BadCrystal as problem:
        raise BadCrystal(problem.problem, id=id, remedy=problem.remedy) from None
    lattice = np.array(lattice_rows(*cell))
    if not np.isfinite(lattice).all():
        raise _bad_cell(" ".join(f"{value:g}" for value in cell), id)
    fitting = [choice for choice in settings.choices if keeps_metric(choice, lattice)]
    if not fitting:
        raise BadCrystal(
            f"its cell ({' '.join(f'{value:g}' for value in cell)}) does not have the symmetry of "
            f"{settings.said}",
            id=id,
            remedy="Correct the cell, or name the setting (unique axis, cell choice) in full.",
        )
    built = [_build(sites, lattice, choice, id) for choice in fitting]
    crystal = built[0][0] if len(built) == 1 else _choose(built, formula, settings.said)
    if len(built) == 1:
        crystal = _merge_repeated(crystal, sites, built[0][1], notes)
    if not settings.said:
        notes.append("read as P1, because the file says nothing of symmetry")
    if settings.doubt:
        notes.append(settings.doubt)
    is_guess = bool(settings.doubt) or not settings.said
    if is_guess and formula is not None and not formula.has_count(crystal):
        raise BadCrystal(
            f"{notes[-1]}, and its atoms make {crystal.formula} where it says {formula.n_units} "
            f"formula units of {formula.text}",
            id=id,
            remedy="Give the symmetry operations that belong to the atoms.",
        )
    for text in dict.fromkeys([*notes, *find_contradictions(values, crystal, formula)]):
        note(id, text)
    return crystal


def _read_cell(values: Mapping[str, list[str]], id: str, notes: list[str]) -> list[float]:
    words = [values[tag][0] if tag in values else "" for tag in (*LENGTHS, *ANGLES)]
    cell = [cif.as_number(word) for word in words]
    if "" in words and words[0]:
        _complete_cell(cell, words, values, notes)
    lengths_are_bad = not all(length > 0 for length in cell[:3])
    if lengths_are_bad or not all(0 < angle < 180 for angle in cell[3:]):
        raise _bad_cell(" ".join(word or "?" for word in words), id)
    return cell


def _bad_cell(said: str, id: str) -> BadCrystal:
    return BadCrystal(
        f"its cell is {said}",
        id=id,
        remedy="Give three lengths in Å above 0, and three angles in degrees within (0, 180) that "
        "three vectors can have.",
    )


def _complete_cell(
    cell: list[float], words: list[str], values: Mapping[str, list[str]], notes: list[str]
) -> None:
    """Fill in the lengths and angles that the crystal system says, where it is given."""
    systems = [cif.as_string(values[tag][0]).lower() for tag in _SYSTEM_TAGS if tag in values]
    if not systems or systems[0] not in _COMPLETE:
        return
    equal, angles = _COMPLETE[systems[0]]
    for index, axis in enumerate("abc"):
        if not words[index] and axis in equal:
            cell[index] = cell[0]
    for index, angle in enumerate(angles):
        if not words[3 + index] and angle is not None:
            cell[3 + index] = angle
    notes.append(f"its cell is completed as {systems[0]}")


def _build(
    sites: Sequence[Site], lattice: np.ndarray, operations: Operations, id: str
) -> tuple[Crystal, np.ndarray]:
    """Return the crystal, and the site that each atom comes from."""
    if not operations.closed:
        raise BadCrystal(
            f"its {len(operations)} symmetry operations are no group: the list is incomplete or "
            "has a misprint",
            id=id,
            remedy="Give all operations of the space group, or only its name.",
        )
    if len(sites) * len(operations) > _MOST_ATOMS:
        raise BadCrystal(
            f"{len(operations)} symmetry operations would make over {_MOST_ATOMS} atoms of its "
            f"{len(sites)} sites",
            id=id,
            remedy="Give the atoms of the asymmetric unit only.",
        )
    groups = [expand_site(site.position, operations, lattice) for site in sites]
    counts = [len(group) for group in groups]
    numbers = np.repeat(np.array([site.number for site in sites], np.uint8), counts)
    origins = np.repeat(np.arange(len(sites)), counts)
    return Crystal(lattice, np.concatenate(groups), numbers, id), origins


def _merge_repeated(
    crystal: Crystal, sites: Sequence[Site], origins: np.ndarray, notes: list[str]
) -> Crystal:
    """Return the crystal without sites that symmetry makes of others; refused is any overlap.

    So a molecule is read of which all atoms are listed, and symmetry makes it once more.
    """
    overlap = find_overlap(crystal)
    if overlap is None:
        return crystal
    repeated: list[int] = []
    kept = np.ones(crystal.n_atoms, bool)
    if len(crystal.atomic_numbers) > len(sites):  # without symmetry the row itself is a duplicate
        for row, site in enumerate(sites):
            earlier = kept & (origins < row) & (crystal.atomic_numbers == site.number)
            own = crystal.fractional_positions[origins == row][0]
            apart = crystal.fractional_positions[earlier] - own
            apart -= np.round(apart)
            if (np.linalg.norm(apart @ crystal.lattice, axis=1) < _ONE_ATOM).any():
                repeated.append(row)
                kept &= origins != row
    if repeated:
        names = ", ".join(sites[row].label for row in repeated[:5])
        notes.append(f"{names} stand in the file and are made by its symmetry: read once")
        positions = crystal.fractional_positions[kept]
        crystal = Crystal(crystal.lattice, positions, crystal.atomic_numbers[kept], crystal.id)
        overlap, origins = find_overlap(crystal), origins[kept]
    if overlap is not None:
        raise _overlap_error(overlap, sites, origins, crystal.id)
    return crystal


def _overlap_error(
    overlap: Overlap, sites: Sequence[Site], origins: np.ndarray, id: str
) -> BadCrystal:
    first, second, distance = overlap
    one, other = sites[int(origins[first])], sites[int(origins[second])]
    partner = "an image of itself" if one is other else f"{other.label} (site {other.row})"
    return BadCrystal(
        f"{one.label} and {partner} are {distance:.3f} Å apart after symmetry is applied",
        id=id,
        site=one.row,
        remedy="Give each atom of the asymmetric unit once, and one position of a disordered atom; "
        "check also that the lengths are in Å.",
    )


def _choose(
    built: Sequence[tuple[Crystal, np.ndarray]], formula: Formula | None, said: str
) -> Crystal:
    """Return the one crystal that makes sense, of those that an ambiguous name can mean."""
    crystals = [crystal for crystal, _ in built]
    sensible = [crystal for crystal in crystals if find_overlap(crystal) is None]
    if formula is not None:
        sensible = [crystal for crystal in sensible if formula.has_ratio(crystal)]
        sensible = [crystal for crystal in sensible if formula.has_count(crystal)]
    if len(sensible) == 1:
        return sensible[0]
    raise BadCrystal(
        f"{said} has {len(crystals)} origin choices, and the atoms fit {len(sensible) or 'none'} of"
        " them",
        id=crystals[0].id,
        remedy="Add ':1' or ':2' to the name, or list the symmetry operations.",
    )
