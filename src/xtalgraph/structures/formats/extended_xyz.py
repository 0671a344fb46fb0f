"""Extended xyz files, read and written: frames with a `Lattice` in their comment line."""

from __future__ import annotations

import re
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from xtalgraph.errors import BadCrystal, Rejected
from xtalgraph.structures.checks import (
    note_periodicity,
    number_ids,
    read_each,
    refuse_overlap,
)
from xtalgraph.structures.crystal import Crystal
from xtalgraph.structures.elements import atomic_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


_KEY = re.compile(r"(?<![\w:.-])([\w:.-]+)\s*=\s*")
_CLOSING = {'"': '"', "'": "'", "{": "}", "[": "]"}
_WORD = re.compile(r"\S*")
_PLAIN_PROPERTIES = "species:S:1:pos:R:3"
_FALSE = {"F", "f", "0", "False", "false", "FALSE"}


def read_extended_xyz(
    text: str, id: str = "", rejected: list[Rejected] | None = None
) -> list[Crystal]:
    """Return the crystal of each frame: ids are `id`, or `id#0`, `id#1`, … where there are several.

    Rows of `Lattice` are the lattice vectors in Å. A sheet (`pbc="T T F"`) is read with a warning.
    Refused is a frame without lattice or periodic direction. Where a file breaks off, the frames
    before are read with a list `rejected`.
    """
    frames: list[tuple[str, list[str]]] = []
    broken: BadCrystal | None = None
    try:
        frames.extend(_iterate_frames(text.splitlines(), id))
    except BadCrystal as problem:
        if rejected is None or not frames:
            raise
        broken = problem
    if not frames:
        raise BadCrystal("there is no frame in it", id=id, remedy="Give a whole file.")
    names = number_ids(id, len(frames) + (broken is not None))
    pending = [
        (name, partial(_read_frame, comment, rows, name))
        for (comment, rows), name in zip(frames, names, strict=False)
    ]
    crystals = read_each(pending, rejected)
    if broken is not None and rejected is not None:
        rejected.append(Rejected(names[-1], str(broken)))
    return crystals


def split_frames(lines: Iterable[str]) -> Iterator[str]:
    """Yield the text of each frame; a file that breaks off is refused where it does."""
    for comment, rows in _iterate_frames(lines, ""):
        yield "\n".join([str(len(rows)), *(line.rstrip("\r\n") for line in (comment, *rows)), ""])


def _iterate_frames(lines: Iterable[str], id: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the comment and the lines of atoms of each frame."""
    remaining = enumerate(lines, start=1)
    for number, line in remaining:
        head = line.strip()
        if not head:
            continue
        n_atoms = int(head) if head.isdecimal() else 0
        following = [text for _, text in islice(remaining, n_atoms + 1)]
        if not head.isdecimal() or len(following) < n_atoms + 1:
            n_found = max(len(following) - 1, 0) if head.isdecimal() else 0
            problem = f"line {number} is {head!r}, and {n_found} lines of atoms follow"
            remedy = "A frame is the number of atoms, a comment with Lattice=, and their lines."
            raise BadCrystal(problem, id=id, remedy=remedy)
        yield following[0], following[1:]


def _read_frame(comment: str, rows: list[str], id: str) -> Crystal:
    pairs = _read_pairs(comment)
    numbers = pairs.get("lattice", "").replace(",", " ").split()
    if len(numbers) != 9:
        problem = f"the comment line of the frame has {len(numbers)} numbers in Lattice, expected 9"
        remedy = 'Write Lattice="ax ay az bx by bz cx cy cz" in Å; a molecule needs a box.'
        raise BadCrystal(problem, id=id, remedy=remedy)
    flags = pairs.get("pbc", "").replace(",", " ").split()
    note_periodicity([flag not in _FALSE for flag in flags] or [True], id)
    columns = _read_columns(pairs.get("properties", _PLAIN_PROPERTIES), id)
    try:
        lattice = np.array([float(number) for number in numbers]).reshape(3, 3)
        species, positions = _read_atoms(rows, columns)
        with np.errstate(over="ignore", invalid="ignore"):  # Crystal refuses what is not finite
            if abs(np.linalg.det(lattice)) > 0:
                positions = positions @ np.linalg.inv(lattice)
        crystal = Crystal(lattice, positions, species, id)
    except BadCrystal as problem:
        raise BadCrystal(problem.problem, id=id, remedy=problem.remedy) from None
    except (ValueError, IndexError, OverflowError) as problem:
        remedy = "Each line must have the columns that Properties announces."
        text = f"a line of atoms or the lattice cannot be read{_name_bad_row(rows, columns)}"
        raise BadCrystal(text, id=id, remedy=remedy) from problem
    refuse_overlap(crystal)
    return crystal


def _read_pairs(comment: str) -> dict[str, str]:
    """Return the `key=value` pairs of a comment, in a time linear in its length."""
    pairs: dict[str, str] = {}
    unclosed: set[str] = set()
    end = 0
    while match := _KEY.search(comment, end):
        begin = match.end()
        opening = comment[begin : begin + 1]
        closing = _CLOSING.get(opening, "")
        end = -1
        if closing and closing not in unclosed:
            end = _find_closing(comment, opening, closing, begin + 1)
        if end > 0:
            value = comment[begin + 1 : end]
        else:
            unclosed.add(closing)
            value = _WORD.match(comment, begin)[0]  # type: ignore[index]
            end = begin + len(value)
        pairs[match[1].lower()] = value
    return pairs


def _find_closing(comment: str, opening: str, closing: str, begin: int) -> int:
    """Return where a value ends, or -1; a quote after a backslash is a part of the value."""
    end = comment.find(closing, begin)
    while end > 0 and opening == closing and comment[end - 1] == "\\":
        end = comment.find(closing, end + 1)
    return end


def _read_columns(properties: str, id: str) -> tuple[int, int]:
    """Return the columns where the species and the positions begin."""
    words = properties.split(":")
    starts, column = {}, 0
    for name, width in zip(words[::3], words[2::3], strict=False):
        starts[name.lower()] = column
        column += int(width) if width.isdecimal() else 0
    species = [starts[name] for name in ("species", "symbols", "element", "z") if name in starts]
    positions = [starts[name] for name in ("pos", "positions") if name in starts]
    if not species or not positions:
        problem = f"Properties={properties} has no species or no positions"
        remedy = "Write Properties=species:S:1:pos:R:3."
        raise BadCrystal(problem, id=id, remedy=remedy)
    return species[0], positions[0]


def _read_atoms(rows: list[str], columns: tuple[int, int]) -> tuple[list[int], np.ndarray]:
    species, position = columns
    words = [row.split() for row in rows]
    names = [row[species] for row in words]
    numbers = [int(name) if name.isdecimal() else atomic_number(name) for name in names]
    positions = [[float(w) for w in row[position : position + 3]] for row in words]
    if any(len(row) != 3 for row in positions):
        raise IndexError("a line has too few columns")
    return numbers, np.array(positions)


def _name_bad_row(rows: list[str], columns: tuple[int, int]) -> str:
    """Return the words of the first line that cannot be read, or an empty text."""
    for row in rows:
        try:
            _read_atoms([row], columns)
        except (ValueError, IndexError, OverflowError, BadCrystal):
            return f" ({row.strip()[:80]!r})"
    return ""


def format_extended_xyz(crystal: Crystal) -> str:
    """Return the text of an extended xyz file of one frame."""
    lattice = " ".join(f"{value:.16g}" for value in crystal.lattice.ravel())
    lines = [str(crystal.n_atoms)]
    lines.append(f'Lattice="{lattice}" Properties={_PLAIN_PROPERTIES} pbc="T T T"')
    for symbol, position in zip(crystal.symbols, crystal.cartesian_positions, strict=True):
        lines.append(f"{symbol:<2} " + " ".join(f"{value:21.14f}" for value in position))
    return "\n".join(lines) + "\n"
