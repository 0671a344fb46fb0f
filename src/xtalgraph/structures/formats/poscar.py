"""POSCAR and CONTCAR files of VASP, read and written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from xtalgraph.errors import BadCrystal
from xtalgraph.structures.checks import note, refuse_overlap
from xtalgraph.structures.crystal import Crystal
from xtalgraph.structures.elements import SYMBOLS, atomic_number

if TYPE_CHECKING:
    from xtalgraph.errors import Rejected

_REMEDY = (
    "A POSCAR has a comment, a scale, three lattice vectors, the elements, their counts, "
    "'Direct' or 'Cartesian', and a line for each atom."
)
_PART = re.compile(r"([A-Z][a-z]?)(\d{0,6})")
_COMMENT = re.compile(r"[!#]")
_FLAGS = frozenset({"T", "F", ".TRUE.", ".FALSE.", "t", "f"})


def read_poscar_text(
    text: str, id: str = "", rejected: list[Rejected] | None = None
) -> list[Crystal]:
    """Return the one crystal of a POSCAR as a list."""
    return [read_poscar(text, id)]


def read_poscar(text: str, id: str = "") -> Crystal:
    """Return the crystal of a POSCAR or CONTCAR.

    Read are version 5 and later (lines of elements), version 4 with the elements after each
    position or in the title (where each word is a symbol, or one is a formula that fits the
    numbers; with a warning), selective dynamics, direct and Cartesian positions, one or three
    scales and a negative scale (the volume in Å³). Velocities after the atoms are passed over.
    """

    def refuse(problem: str, site: int | None = None) -> NoReturn:
        raise BadCrystal(problem, id=id, site=site, remedy=_REMEDY)

    lines = text.splitlines()
    lines[1:] = [_COMMENT.split(line, maxsplit=1)[0] for line in lines[1:]]
    if len(lines) < 8:
        refuse(f"the POSCAR has only {len(lines)} lines")
    try:
        with np.errstate(all="ignore"):  # Crystal refuses what is not finite
            lattice, scales = _read_lattice(lines)
    except ValueError as problem:
        refuse(f"the scale or the lattice cannot be read ({problem})")
    words, counts, start = _read_composition(lines)
    if not counts:
        refuse("the line with the numbers of atoms cannot be read")
    if lines[start].strip()[:1] in ("S", "s"):
        start += 1
    if len(_leading_numbers(lines[start])) == 3:
        refuse("the line 'Direct' or 'Cartesian' is missing")
    end = start + 1 + sum(counts)
    rows = [line.split() for line in lines[start + 1 : end]]
    if len(rows) < sum(counts):
        refuse(f"it announces {sum(counts)} atoms and lists {len(rows)}")
    positions = np.empty((len(rows), 3))
    for site, row in enumerate(rows):
        try:
            positions[site] = [_number(word) for word in row[:3]]
        except ValueError:
            refuse(f"the position {' '.join(row)!r} cannot be read", site)
    if lines[start].strip()[:1] in ("C", "c", "K", "k"):
        with np.errstate(all="ignore"):
            if not abs(np.linalg.det(lattice)) > 0:
                refuse("the cell has no volume")
            positions = (positions * scales) @ np.linalg.inv(lattice)
    notes: list[str] = []
    if not words:
        words = _read_old_symbols(lines[0], counts, rows, notes)
    if len(words) not in (len(counts), len(rows)) or not words:
        refuse(f"it has {len(counts)} numbers of atoms, and the elements {words}")
    if end < len(lines) and len(_leading_numbers(lines[end])) == 3:
        notes.append(f"there are more positions than the {len(rows)} atoms that it announces")
    per_atom = np.repeat(words, counts) if len(words) == len(counts) else words
    try:
        numbers = [atomic_number(re.split(r"[_/]", str(name))[0]) for name in per_atom]
        crystal = Crystal(lattice, positions, numbers, id)
    except BadCrystal as problem:
        raise BadCrystal(problem.problem, id=id, remedy=problem.remedy) from None
    refuse_overlap(crystal)
    for text in notes:
        note(id, text)
    return crystal


def _read_composition(lines: list[str]) -> tuple[list[str], list[int], int]:
    """Return the elements (none in version 4), their numbers, and the line that follows.

    Both may go on over several lines, as VASP writes them for many groups.
    """
    line = 5
    words: list[str] = []
    while line < len(lines) - 2 and lines[line].strip()[:1].isalpha():
        words += lines[line].split()
        line += 1
    counts = _read_counts(lines[line])
    line += 1
    while (
        len(counts) < len(words) and line < len(lines) - 1 and (more := _read_counts(lines[line]))
    ):
        counts += more
        line += 1
    return words, counts, line


def format_poscar(crystal: Crystal) -> str:
    """Return the text of a POSCAR: version 5, direct positions, atoms grouped by element.

    The order of atoms changes where atoms of one element do not follow one another.
    """
    numbers = crystal.atomic_numbers
    symbols = list(dict.fromkeys(crystal.symbols))
    order = np.argsort([symbols.index(symbol) for symbol in crystal.symbols], kind="stable")
    counts = [crystal.composition[symbol] for symbol in symbols]
    rows = [*crystal.lattice, None, *crystal.fractional_positions[order]]
    lines = [f"{'  '.join(f'{value:21.16f}' for value in row)}" for row in rows if row is not None]
    title = " ".join(crystal.id.split()) or crystal.formula
    head = [title, "1.0", *lines[:3], " ".join(symbols), " ".join(map(str, counts)), "Direct"]
    return "\n".join(head + lines[3 : 3 + len(numbers)]) + "\n"


def _read_lattice(lines: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the lattice in Å and the factors of the Cartesian components."""
    factors = [_number(word) for word in _leading_numbers(lines[1])]
    lattice = np.array([[_number(word) for word in line.split()[:3]] for line in lines[2:5]])
    if lattice.shape != (3, 3):
        raise ValueError("a lattice vector has not three components")
    if len(factors) == 3 and min(factors) > 0:
        scales = np.array(factors)
    elif len(factors) == 1 and factors[0] > 0:
        scales = np.full(3, factors[0])
    elif len(factors) == 1 and factors[0] < 0:
        volume = abs(np.linalg.det(lattice))
        if volume == 0:
            raise ValueError("the cell has no volume")
        scales = np.full(3, (-factors[0] / volume) ** (1 / 3))
    else:
        raise ValueError(f"the scale is {lines[1].strip()!r}")
    return lattice * scales, scales


def _leading_numbers(line: str) -> list[str]:
    words = line.split()
    for count, word in enumerate(words):
        try:
            _number(word)
        except ValueError:
            return words[:count]
    return words[:3]


def _read_counts(line: str) -> list[int]:
    counts = []
    for word in line.split():
        if not word.isdecimal():
            break  # a comment
        counts.append(int(word))
    return counts if sum(counts) else []


def _read_old_symbols(
    title: str, counts: list[int], rows: list[list[str]], notes: list[str]
) -> list[str]:
    """Return the elements of a version 4 file: after each position, or in the title."""
    tails = [row[6:] if _FLAGS.issuperset(row[3:6]) and len(row) > 5 else row[3:] for row in rows]
    after = [tail[0] for tail in tails if tail and tail[0][0].isalpha()]
    if len(after) == len(rows):
        return after
    title_words = title.split()
    parts = [_PART.fullmatch(word) for word in title_words]
    if len(parts) == len(counts) and all(
        part and part[1] in SYMBOLS[1:] and int(part[2] or count) == count
        for part, count in zip(parts, counts, strict=True)
    ):
        return [part[1] for part in parts if part]
    fitting = [word for word in title_words if _fits(word, counts, len(title_words) == 1)]
    found = [part[1] for part in _PART.finditer(fitting[0])] if len(fitting) == 1 else []
    if found and len(title_words) > 1:
        notes.append(f"its elements {', '.join(found)} are taken from its title {title.strip()!r}")
    return found


def _fits(word: str, counts: list[int], is_alone: bool) -> bool:
    """Return whether a word is a formula of the elements in these numbers; `In` may be English."""
    parts = list(_PART.finditer(word))
    if "".join(part[0] for part in parts) != word or len(parts) != len(counts):
        return False
    amounts = [int(part[2] or 1) for part in parts]
    return (
        all(part[1] in SYMBOLS[1:] for part in parts)
        and len({part[1] for part in parts}) == len(parts)
        and all(
            amount * counts[0] == count * amounts[0]
            for amount, count in zip(amounts, counts, strict=True)
        )
        and (len(parts) > 1 or is_alone)
    )


def _number(word: str) -> float:
    return float(word.replace("D", "E").replace("d", "e"))
