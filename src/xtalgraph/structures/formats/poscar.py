"""POSCAR and CONTCAR files of VASP, read and written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from xtalgraph.errors import BadCrystal
from xtalgraph.structures.checks import refuse_overlap
from xtalgraph.structures.crystal import Crystal
from xtalgraph.structures.elements import atomic_number

if TYPE_CHECKING:
    from xtalgraph.errors import Rejected

_REMEDY = (
    "A POSCAR has a comment, a scale, three lattice vectors, the elements, their counts, "
    "'Direct' or 'Cartesian', and a line for each atom."
)
_SYMBOL = re.compile(r"[A-Z][a-z]?(?![a-z])")


def read_poscar_text(
    text: str, id: str = "", rejected: list[Rejected] | None = None
) -> list[Crystal]:
    """Return the one crystal of a POSCAR as a list."""
    return [read_poscar(text, id)]


def read_poscar(text: str, id: str = "") -> Crystal:
    """Return the crystal of a POSCAR or CONTCAR.

    Read are version 5 and later (a line of elements), version 4 with the elements in the comment
    or after each position, selective dynamics, direct and Cartesian positions, one or three scales
    and a negative scale (the volume in Å³). Velocities after the atoms are passed over.
    """

    def refuse(problem: str, site: int | None = None) -> NoReturn:
        raise BadCrystal(problem, id=id, site=site, remedy=_REMEDY)

    lines = text.splitlines()
    if len(lines) < 8:
        refuse(f"the POSCAR has only {len(lines)} lines")
    try:
        lattice, scales = _read_lattice(lines)
    except ValueError as problem:
        refuse(f"the scale or the lattice cannot be read ({problem})")
    words = lines[5].split()
    has_symbols = bool(words) and not words[0].isdecimal()
    counts = _read_counts(lines[6] if has_symbols else lines[5])
    if not counts:
        refuse("the line with the numbers of atoms cannot be read")
    start = 7 if has_symbols else 6
    if lines[start].strip()[:1] in ("S", "s"):
        start += 1
    rows = [line.split() for line in lines[start + 1 : start + 1 + sum(counts)]]
    if len(rows) < sum(counts):
        refuse(f"it announces {sum(counts)} atoms and lists {len(rows)}")
    positions = np.empty((len(rows), 3))
    for site, row in enumerate(rows):
        try:
            positions[site] = [_number(word) for word in row[:3]]
        except ValueError:
            refuse(f"the position {' '.join(row)!r} cannot be read", site)
    if lines[start].strip()[:1] in ("C", "c", "K", "k"):
        positions = (positions * scales) @ np.linalg.inv(lattice)
    names = words if has_symbols else _find_old_symbols(lines[0], counts, rows)
    if len(names) not in (len(counts), len(rows)) or not names:
        refuse(f"it has {len(counts)} numbers of atoms, and the elements {names}")
    per_atom = np.repeat(names, counts) if len(names) == len(counts) else names
    try:
        numbers = [atomic_number(re.split(r"[_/]", str(name))[0]) for name in per_atom]
        crystal = Crystal(lattice, positions, numbers, id)
    except BadCrystal as problem:
        raise BadCrystal(problem.problem, id=id, remedy=problem.remedy) from None
    refuse_overlap(crystal)
    return crystal


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


def _find_old_symbols(comment: str, counts: list[int], rows: list[list[str]]) -> list[str]:
    """Return the elements of a version 4 file: after each position, or in the comment."""
    after = [row[-1] for row in rows if len(row) > 3 and row[-1][0].isalpha()]
    after = [word for word in after if word not in ("T", "F")]
    if len(after) == len(rows):
        return after
    named = [word for word in comment.split() if word[0].isalpha()]
    if len(named) == len(counts):
        return named
    found = _SYMBOL.findall(comment)
    return found if len(found) == len(counts) else named


def _number(word: str) -> float:
    return float(word.replace("D", "E").replace("d", "e"))
