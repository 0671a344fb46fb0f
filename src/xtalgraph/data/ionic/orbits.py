"""All sites that a space group makes of one, in the primitive cell."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
from jaxtyping import Float64

Point = tuple[float, float, float]

# Rows are the primitive vectors in terms of the conventional ones.
_CENTRINGS = {
    "P": np.eye(3),
    "I": np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]) / 2,
    "F": np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2,
    "R": np.array([[2, 1, 1], [-1, 1, 1], [-1, -2, 1]]) / 3,  # hexagonal axes, obverse
}
_TERM = re.compile(r"([+-]?)(?:(\d+)/(\d+)|([xyz]))")


def find_orbit(
    point: Point, generators: tuple[str, ...], centring: str
) -> Float64[np.ndarray, "n_sites 3"]:
    """Give all sites that the group of these generators makes of one.

    The point and the generators are in fractions of the conventional cell, generators written as
    in the International Tables (`-y+1/2,x+1/2,z`); the sites, in [0, 1), are in fractions of the
    primitive cell of the centring P, I, F or R (hexagonal axes).

    >>> find_orbit((0.0, 0.0, 0.5), ("z,x,y",), "P").tolist()
    [[0.0, 0.0, 0.5], [0.5, 0.0, 0.0], [0.0, 0.5, 0.0]]
    """
    rotations, shifts = _close_group(generators, centring)
    start = np.asarray(point) @ np.linalg.inv(_CENTRINGS[centring])
    images = _wrap(rotations @ start + shifts)
    gaps = images[:, None] - images[None]
    same = (np.abs(gaps - np.round(gaps)) < 1e-6).all(axis=-1)
    return images[same.argmax(axis=1) == np.arange(len(images))]  # the first of equal ones


def primitive_lattice(
    conventional: Float64[np.ndarray, "3 3"], centring: str
) -> Float64[np.ndarray, "3 3"]:
    """Give the rows of the primitive cell of a conventional one."""
    return _CENTRINGS[centring] @ conventional


@cache
def _close_group(generators: tuple[str, ...], centring: str) -> tuple[np.ndarray, np.ndarray]:
    """All products of the generators modulo the lattice, on columns of primitive fractions."""
    basis = _CENTRINGS[centring].T  # primitive to conventional fractions, for columns
    operations = [(np.eye(3), np.zeros(3))]
    steps = [_read_operation(text) for text in generators]
    steps = [(np.linalg.inv(basis) @ r @ basis, np.linalg.inv(basis) @ t) for r, t in steps]
    known = {_name(*operations[0])}
    for rotation, shift in operations:  # the list grows while it is walked through
        for turn, slide in steps:
            product = (turn @ rotation, _wrap(turn @ shift + slide))
            if _name(*product) not in known:
                known.add(_name(*product))
                operations.append(product)
    return np.array([r for r, _ in operations]), np.array([t for _, t in operations])


def _name(rotation: np.ndarray, shift: np.ndarray) -> bytes:
    """Rotations are whole and shifts multiples of 1/24 in a primitive basis: exact as integers."""
    return np.rint(np.append(rotation * 24, np.rint(shift * 24) % 24)).astype(np.int16).tobytes()


def _wrap(sites: np.ndarray) -> np.ndarray:
    sites = np.round(sites, 12)  # so that 1/3 + 2/3 is 1 whichever way it came
    return np.round(sites - np.floor(sites), 12)


def _read_operation(text: str) -> tuple[np.ndarray, np.ndarray]:
    rotation, shift = np.zeros((3, 3)), np.zeros(3)
    for row, part in enumerate(text.split(",")):
        for sign, numerator, denominator, axis in _TERM.findall(part):
            factor = -1.0 if sign == "-" else 1.0
            if axis:
                rotation[row, "xyz".index(axis)] = factor
            else:
                shift[row] = factor * int(numerator) / int(denominator)
    return rotation, shift
