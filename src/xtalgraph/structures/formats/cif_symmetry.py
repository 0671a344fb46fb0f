"""The symmetry of a CIF: which operations it means, and the atoms that they make."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import gemmi
import numpy as np
from jaxtyping import Float64

from xtalgraph.errors import BadCrystal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
NAMES = ("_symmetry_space_group_name_H-M", "_space_group_name_H-M_alt")
NUMBERS = ("_symmetry_Int_Tables_number", "_space_group_IT_number")
HALL = ("_symmetry_space_group_name_Hall", "_space_group_name_Hall")

# Tags by what they say, however the dictionaries of the years spell them (points are made `_`).
_MAGNETIC_OPERATION = re.compile(r"magn.*(symop|equiv|operation).*(xyz|algebraic)$")
_MAGNETIC_CENTRING = re.compile(r"magn.*(centering|centring|lattice).*xyz$")
_MAGNETIC_NAME = re.compile(r"_space_group_?magn_(name|number)|_magnetic_space_group")
_SUPERSPACE = re.compile(r"_ssg|superspace|cell_modulation_dimension|cell_wave_vector")
_NAME = re.compile(r"name_h-m(_alt|_ref|_full)?$")
_HALL_NAME = re.compile(r"name_hall$")
_NUMBER = re.compile(r"_(it|int_tables)_number$")
_SYSTEM = re.compile(r"(crystal_system|cell_setting)$")
_SYMMETRY = re.compile(r"_(symmetry|space_group|magnetic_space_group)")
_NOTHING_SAID = re.compile(r"_(id|details|coordinate_system_code)$")
_ICSD_ORIGINS = {"S": "1", "Z": "2"}  # ICSD marks origin choices so, after the name
# Of translations that gemmi does not read, and how far they may be rounded: 0.33 is a third; 840
# parts are for fifths and sevenths
_DENOMINATORS = {gemmi.Op.DEN: 0.005 * gemmi.Op.DEN, 840: 0.25}
_TERM = re.compile(r"([+-]?)(\d+\.?\d*|\.\d+)?(?:/(\d+))?\*?([xyz]?)")
_PLACES = np.array([1, 10**6, 10**12])
_METRIC_TOLERANCE = 4e-3  # of the squared lengths and products of lengths: 0.2 %, 0.2 degrees


def _op(rotation: np.ndarray, shift: np.ndarray) -> gemmi.Op:
    operation = gemmi.Op()
    operation.rot = (rotation * gemmi.Op.DEN).tolist()
    operation.tran = shift.tolist()
    return operation


@dataclass(frozen=True, eq=False)
class Operations:
    """Symmetry operations x' = rotation @ x + translation, in fractional coordinates."""

    rotations: np.ndarray  # (operations, 3, 3), whole numbers
    translations: np.ndarray  # (operations, 3)
    closed: bool  # the product of any two is again one of them, as it must be

    def __len__(self) -> int:
        return len(self.rotations)

    @cached_property
    def keys(self) -> frozenset[tuple[int, ...]]:
        """The operations as whole numbers, to compare two sets of them."""
        shifts = np.round(self.translations * 840).astype(int) % 840
        rows = np.hstack([self.rotations.reshape(-1, 9).astype(int), shifts])
        return frozenset(map(tuple, rows.tolist()))

    @cached_property
    def n_centrings(self) -> int:
        """Number of pure translations, the identity included."""
        return int((self.rotations == np.eye(3)).all(axis=(1, 2)).sum())

    @cached_property
    def point_group(self) -> tuple[tuple[int, int], ...]:
        """How many rotations there are of each kind, which no choice of the cell changes."""
        traces = np.trace(self.rotations, axis1=1, axis2=2)
        kinds = 4 * np.round(np.linalg.det(self.rotations)) + traces
        names, counts = np.unique(kinds, return_counts=True)
        pairs = zip(names.tolist(), (counts // self.n_centrings).tolist(), strict=True)
        return tuple((int(name), count) for name, count in pairs)

    @cached_property
    def kind(self) -> int:
        """The number of the space group, 0 where the setting is in no table."""
        shifts = np.round(self.translations * gemmi.Op.DEN).astype(int)
        group = gemmi.GroupOps(
            [
                _op(rotation, shift)
                for rotation, shift in zip(self.rotations.astype(int), shifts, strict=True)
            ]
        )
        found = gemmi.find_spacegroup_by_ops(group)
        return found.number if found else 0


_NO_SYMMETRY = Operations(np.eye(3)[None], np.zeros((1, 3)), closed=True)


@dataclass(frozen=True)
class Settings:
    """What a CIF says of its symmetry: the operations, or several sets where it is ambiguous.

    Attributes:
        choices: The sets of operations that it can mean.
        said: The words of the file, empty where it says nothing and P1 is assumed.
        doubt: What does not fit together in these words, or an empty text.
    """

    choices: tuple[Operations, ...]
    said: str
    doubt: str = ""


def find_settings(values: Mapping[str, list[str]], alpha: float, gamma: float) -> Settings:
    """Return the symmetry of a block: listed operations, else the names, else the number.

    A name with two origin choices and no word on which gives both; a rhombohedral group without
    `:R` or `:H` is decided by the angles of the cell. What contradicts itself is refused, or where
    the list is complete and only the name is of another group, read with a doubt.

    Args:
        values: The tags of the block in small letters with `.` as `_`, and what they say.
        alpha: Angle of the cell in degrees.
        gamma: Angle of the cell in degrees.

    Raises:
        BadCrystal: The symmetry is unknown, contradicts itself, or is that of a superspace.
    """
    said = {tag: words for tag, words in values.items() if any(map(_is_value, words))}
    if any(_SUPERSPACE.search(tag) and words[0] != "0" for tag, words in said.items()):
        raise BadCrystal(
            "it is a modulated structure, described in superspace",
            remedy="Give a commensurate approximant with a cell of three dimensions.",
        )
    named, unknown = _read_names(said, alpha, gamma)
    lists = {tag: _split_triplets(words) for tag, words in said.items() if tag in LISTED}
    magnetic = _magnetic_triplets(said)
    if magnetic:
        lists["magnetic operations"] = magnetic
    if lists:
        return _from_lists(lists, named)
    if any(_MAGNETIC_NAME.search(tag) for tag in said):
        raise _unknown("it names a magnetic space group without listing its operations")
    if named is not None and named.doubt:
        raise _unknown(named.doubt)
    if named is not None:
        return named
    if unknown:
        raise _unknown(f"its {unknown} is not known")
    systems = [words[0] for tag, words in said.items() if _SYSTEM.search(tag)]
    if any(word.strip("'\"").lower() != "triclinic" for word in systems):
        raise _unknown(f"of its symmetry it says only {systems[0]}")
    other = [
        tag
        for tag in said
        if _SYMMETRY.match(tag) and not (_SYSTEM.search(tag) or _NOTHING_SAID.search(tag))
    ]
    if other:
        raise _unknown(f"its symmetry is described by {other[0]}, which is not read")
    return Settings((_NO_SYMMETRY,), "")


def _unknown(problem: str) -> BadCrystal:
    return BadCrystal(
        problem,
        remedy="List the symmetry operations (_space_group_symop_operation_xyz), or write the file "
        "anew in P1.",
    )


def _read_names(
    said: Mapping[str, list[str]], alpha: float, gamma: float
) -> tuple[Settings | None, str]:
    """Return what names and numbers of the space group say, and the first name not understood."""
    found: list[tuple[str, tuple[Operations, ...], int]] = []
    unknown = []
    for tag, words in said.items():
        text = gemmi.cif.as_string(words[0]).strip()
        if _HALL_NAME.search(tag):
            choices, words_of = _operations_of_hall(text), f"Hall symbol {text!r}"
        elif _NAME.search(tag):
            choices, words_of = _choices_of_name(text, alpha, gamma), f"space group {text!r}"
        elif _NUMBER.search(tag):
            choices = _choices_of_number(text, alpha, gamma)
            words_of = f"space group number {text}"
        else:
            continue
        if choices:
            found.append((words_of, choices, _NUMBER.search(tag) is not None))
        else:
            unknown.append(words_of)
    first_unknown = unknown[0] if unknown else ""
    if not found or (unknown and all(entry[2] for entry in found)):
        return None, first_unknown  # the number alone would lose the setting that the name says
    # a Hall symbol says the origin and the setting, a name only the setting, a number neither
    order = sorted(found, key=lambda entry: (entry[2], not entry[0].startswith("Hall")))
    words_of, choices, _ = order[0]
    for other_words, other, _ in order[1:]:
        if not {one.kind for one in choices} & {one.kind for one in other}:
            return Settings(choices, words_of, f"{words_of} contradicts {other_words}"), ""
    return Settings(choices, words_of), first_unknown


def _from_lists(lists: dict[str, tuple[str, ...]], named: Settings | None) -> Settings:
    """Return the symmetry of listed operations, compared with the names beside them."""
    read = {}
    for tag, triplets in lists.items():
        operations = parse_operations(triplets)
        if operations is None:
            raise _unknown(f"its symmetry operations cannot be read ({triplets[0]}, …)")
        read[tag] = operations
    first = next(iter(read.values()))
    if any(one.keys != first.keys for one in read.values()):
        raise _unknown(f"it has two lists of symmetry operations that differ: {', '.join(read)}")
    said = f"{len(first)} listed operations"
    if named is None or not first.closed:
        return Settings((first,), said)
    if named.doubt:
        return Settings((first,), said, named.doubt)
    if first.keys in {one.keys for one in named.choices}:
        return Settings((first,), said)
    is_other = first.kind and all(one.kind != first.kind for one in named.choices)
    if is_other or all(one.point_group != first.point_group for one in named.choices):
        return Settings((first,), said, f"the {said} are not those of {named.said}")
    if all(first.n_centrings < one.n_centrings for one in named.choices):
        return Settings((first,), said, f"the {said} lack the centring of {named.said}")
    return Settings((first,), said)


def _magnetic_triplets(said: Mapping[str, list[str]]) -> tuple[str, ...]:
    """Return the operations of a magnetic group without time reversal, centrings included."""
    operations: list[str] = []
    centrings: list[str] = []
    for tag, words in said.items():
        if _MAGNETIC_CENTRING.search(tag):
            centrings += map(_without_time, words)
        elif _MAGNETIC_OPERATION.search(tag):
            operations += map(_without_time, words)
    if not operations:
        return ()
    combined = []
    for centring in centrings or ["x,y,z"]:
        shift = [part.strip("xyz+ ") for part in centring.lower().split(",")]
        for operation in operations:
            parts = operation.split(",")
            if len(shift) != 3 or len(parts) != 3:
                raise _unknown(f"its symmetry operations cannot be read ({operation})")
            joined = (
                part + ("+" if add and add[0] not in "+-" else "") + add
                for part, add in zip(parts, shift, strict=True)
            )
            combined.append(",".join(joined))
            if len(combined) > 4 * MAX_OPERATIONS:
                raise _too_many(len(operations) * len(centrings))
    return tuple(dict.fromkeys(combined))


def _without_time(word: str) -> str:
    text = gemmi.cif.as_string(word).replace(" ", "")
    head, _, last = text.rpartition(",")
    return head if last in ("1", "+1", "-1") else text


def _split_triplets(words: list[str]) -> tuple[str, ...]:
    """Return the operations of a column; `x, y, z` without quotes fell into three words."""
    texts = [gemmi.cif.as_string(word) for word in words]
    if any("," not in text.strip().strip(",") for text in texts):
        joined = " ".join(texts)
        parts = [part for part in re.split(r"\s*,\s*|\s+(?![+-]?\s*[\d.])", joined) if part]
        if len(parts) % 3 == 0:
            texts = [",".join(parts[row : row + 3]) for row in range(0, len(parts), 3)]
    return tuple(texts)


def _too_many(n_operations: int) -> BadCrystal:
    return BadCrystal(
        f"it lists {n_operations} symmetry operations, more than {MAX_OPERATIONS}",
        remedy="Give the operations of the space group only.",
    )


@lru_cache(maxsize=1024)
def parse_operations(triplets: tuple[str, ...]) -> Operations | None:
    """Return the operations of `x, y, z` triplets, or None where one cannot be read."""
    if len(triplets) > 4 * MAX_OPERATIONS:
        raise _too_many(len(triplets))
    try:
        pairs = [(op.rot, op.tran) for op in (gemmi.Op(triplet).wrap() for triplet in triplets)]
        denominator = gemmi.Op.DEN
        if any(entry % denominator for rotation, _ in pairs for row in rotation for entry in row):
            return None
        rotations = np.array([rotation for rotation, _ in pairs]) // denominator
        translations = np.array([translation for _, translation in pairs])
    except (RuntimeError, ValueError):
        for denominator, tolerance in _DENOMINATORS.items():
            parsed = [_parse_triplet(triplet, denominator, tolerance) for triplet in triplets]
            if None not in parsed:
                break
        else:
            return None
        rotations = np.array([one[0] for one in parsed if one])
        translations = np.array([one[1] for one in parsed if one])
    return _unique(rotations, translations, denominator)


def _parse_triplet(
    triplet: str, denominator: int, tolerance: float
) -> tuple[list[list[int]], list[int]] | None:
    """Return the rotation and the translation (in parts of `denominator`) of one operation."""
    parts = triplet.lower().replace(" ", "").split(",")
    if len(parts) != 3:
        return None
    rotation, translation = [], []
    for part in parts:
        row, shift, end = [0, 0, 0], 0.0, 0
        for match in _TERM.finditer(part):
            if match.start() != end or (match.end() == end and end < len(part)):
                return None
            end = match.end()
            sign = -1.0 if match[1] == "-" else 1.0
            size = float(match[2] or 1) / float(match[3] or 1)
            if match[4]:
                if size != 1:
                    return None
                row["xyz".index(match[4])] += int(sign)
            elif match[2]:
                shift += sign * size
        rotation.append(row)
        whole = round(shift * denominator)
        if abs(shift * denominator - whole) > tolerance:
            return None
        translation.append(whole % denominator)
    return rotation, translation


def _unique(rotations: np.ndarray, translations: np.ndarray, denominator: int) -> Operations:
    if np.abs(rotations).max() > 1:  # no operation of a lattice in a reduced basis has others
        return Operations(rotations.astype(float), translations / denominator, closed=False)
    keys = _keys(rotations, translations, denominator)
    _, first = np.unique(keys, return_index=True)
    first.sort()
    if len(first) > MAX_OPERATIONS:
        raise _too_many(len(first))
    return _make(rotations[first], translations[first], denominator)


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
    # moved to the middle, equal images differ by rounding only, and one of a coset stands for it
    cells = np.round(images * 1e6).astype(np.int64) % 1_000_000
    _, first = np.unique(cells @ _PLACES, return_index=True)
    if len(first) * n_same == len(images):
        return images[np.sort(first)]
    between = images[:, None] - images[None]
    between -= np.round(between)
    near = (between @ lattice / MERGE_DISTANCE) ** 2
    first_equal = (near.sum(axis=2) < 1).argmax(axis=1)
    return images[first_equal == np.arange(len(images))]


def keeps_metric(operations: Operations, lattice: np.ndarray) -> bool:
    """Return whether every rotation keeps lengths and angles of the cell, as a symmetry must."""
    metric = lattice @ lattice.T
    rotated = operations.rotations.transpose(0, 2, 1) @ (metric @ operations.rotations)
    lengths = np.sqrt(np.diag(metric))
    return bool((np.abs(rotated - metric) <= _METRIC_TOLERANCE * np.outer(lengths, lengths)).all())


def _from_gemmi(operations: Sequence[gemmi.Op]) -> Operations:
    rotations = np.array([operation.rot for operation in operations]) // gemmi.Op.DEN
    translations = np.array([operation.tran for operation in operations])
    return _make(rotations, translations, gemmi.Op.DEN)


def _make(rotations: np.ndarray, translations: np.ndarray, denominator: int) -> Operations:
    closed = _is_closed(rotations, translations, denominator)
    return Operations(rotations.astype(float), translations / denominator, closed)


def _is_closed(rotations: np.ndarray, translations: np.ndarray, denominator: int) -> bool:
    products = np.einsum("aij,bjk->abik", rotations, rotations)
    if np.abs(products).max() > 1:
        return False
    shifts = np.einsum("aij,bj->abi", rotations, translations) + translations[:, None]
    keys = _keys(rotations, translations, denominator)
    found = _keys(products.reshape(-1, 3, 3), shifts.reshape(-1, 3), denominator)
    return bool(np.isin(found, keys).all())


def _keys(rotations: np.ndarray, translations: np.ndarray, denominator: int) -> np.ndarray:
    """Return one whole number for each operation, of rotations with entries -1, 0 and 1."""
    rotation_keys = (rotations.reshape(-1, 9) + 1) @ 3 ** np.arange(9)
    wrapped = translations % denominator
    return rotation_keys * denominator**3 + wrapped @ denominator ** np.arange(3)


@lru_cache(maxsize=1024)
def _operations_of_hall(name: str) -> tuple[Operations, ...]:
    try:
        return (_from_gemmi(list(gemmi.symops_from_hall(name))),)
    except (RuntimeError, ValueError):
        return ()


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


def _choices_of_number(text: str, alpha: float, gamma: float) -> tuple[Operations, ...]:
    try:
        number = int(float(text))
    except (ValueError, OverflowError):
        return ()
    group = gemmi.find_spacegroup_by_number(number) if 1 <= number <= 230 else None
    return _choices_of_name(group.hm, alpha, gamma) if group else ()


def _is_value(word: str) -> bool:
    return word.strip("'\" ") not in ("", "?", ".")
