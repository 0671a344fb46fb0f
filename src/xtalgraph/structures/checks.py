"""Refusals that need the geometry: atoms that overlap."""

from __future__ import annotations

from math import ceil, floor, sqrt
from typing import TYPE_CHECKING

import numpy as np

from xtalgraph.errors import BadConfig, BadCrystal
from xtalgraph.structures.elements import SYMBOLS
from xtalgraph.structures.symmetry import niggli_cell

if TYPE_CHECKING:
    from xtalgraph.structures.crystal import Crystal

MIN_DISTANCE = 0.5
"""No two nuclei are nearer than this, in Å: the shortest bond, H-H, is 0.74 Å long."""

_PLAIN_SIZE = 48  # up to so many atoms, plain numbers are faster than arrays

Overlap = tuple[int, int, float]  # two sites and their distance in Å


def refuse_overlap(crystal: Crystal, min_distance: float = MIN_DISTANCE) -> None:
    """Raise `BadCrystal` where two atoms are nearer than `min_distance` in Å, images included.

    Exact for every cell. Costs about 3 µs for 5 atoms and grows nearly linearly.
    """
    overlap = find_overlap(crystal, min_distance)
    if overlap is None:
        return
    first, second, distance = overlap
    numbers = crystal.atomic_numbers
    partner = "its own periodic image" if first == second else f"site {second}"
    raise BadCrystal(
        f"{SYMBOLS[numbers[first]]} and {partner} ({SYMBOLS[numbers[second]]}) are {distance:.3f} Å"
        f" apart, nearer than {min_distance:g} Å",
        id=crystal.id,
        site=first,
        remedy="Remove the duplicate atom, or choose one of the disordered positions; check also "
        "the unit of the lattice (Å).",
    )


def find_overlap(crystal: Crystal, min_distance: float = MIN_DISTANCE) -> Overlap | None:
    """Give one pair of sites nearer than `min_distance` in Å and their distance, or None."""
    if not 0 < min_distance < 10:
        raise BadConfig(f"min_distance = {min_distance} Å; it must lie in (0, 10).")
    rows = crystal.lattice.tolist()
    spacings = _plane_spacings(rows)
    # Between planes further apart than twice the distance, only the nearest image can be near.
    if min(spacings) <= 2 * min_distance:
        return _overlap_in_thin_cell(niggli_cell(crystal), min_distance)
    if crystal.n_atoms <= _PLAIN_SIZE:
        return _overlap_plain(crystal, rows, spacings, min_distance)
    return _overlap_swept(crystal, spacings, min_distance)


def _plane_spacings(rows: list[list[float]]) -> tuple[float, float, float]:
    """Give the distances in Å between opposite faces of the cell."""
    a, b, c = rows
    if not (a[1] or a[2] or b[0] or b[2] or c[0] or c[1]):  # common, and quickly done
        return abs(a[0]), abs(b[1]), abs(c[2])
    normals = (_cross(b, c), _cross(c, a), _cross(a, b))
    volume = abs(a[0] * normals[0][0] + a[1] * normals[0][1] + a[2] * normals[0][2])
    x, y, z = (volume / sqrt(u * u + v * v + w * w) for u, v, w in normals)
    return x, y, z


def _cross(a: list[float], b: list[float]) -> tuple[float, float, float]:
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def _overlap_plain(
    crystal: Crystal, rows: list[list[float]], spacings: tuple[float, ...], min_distance: float
) -> Overlap | None:
    """Sort along the first axis and compare each atom with those that follow within reach."""
    reach_x, reach_y, reach_z = (min_distance / spacing for spacing in spacings)
    positions = crystal.fractional_positions.tolist()
    line = sorted((x - floor(x), y, z, site) for site, (x, y, z) in enumerate(positions))
    n_atoms = len(line)
    # The next cell's first atoms, so that pairs through the face count too.
    line += [(x + 1.0, y, z, site) for x, y, z, site in line if x <= reach_x]
    for place in range(n_atoms):
        x, y, z, first = line[place]
        for next_x, next_y, next_z, second in line[place + 1 :]:
            if next_x - x > reach_x:
                break
            v = next_y - y
            v -= floor(v + 0.5)
            if v > reach_y or v < -reach_y:
                continue
            w = next_z - z
            w -= floor(w + 0.5)
            if w > reach_z or w < -reach_z or second == first:
                continue
            u = next_x - x
            vector = [u * a + v * b + w * c for a, b, c in zip(*rows, strict=True)]
            distance = sqrt(sum(component * component for component in vector))
            if distance < min_distance:
                return min(first, second), max(first, second), distance
    return None


def _overlap_swept(
    crystal: Crystal, spacings: tuple[float, ...], min_distance: float
) -> Overlap | None:
    """Sort the atoms along one axis and compare each with those that follow within reach."""
    positions = crystal.fractional_positions % 1.0
    reaches = np.array([min_distance / spacing for spacing in spacings])
    order, n_following = _best_sweep(positions, reaches)
    n_atoms = len(positions)
    followers = np.repeat(np.arange(n_atoms), n_following)
    starts = np.repeat(np.cumsum(n_following) - n_following, n_following)
    partners = (followers + 1 + np.arange(len(followers)) - starts) % n_atoms
    first, second = order[followers], order[partners]
    apart = positions[first] - positions[second]
    apart -= np.round(apart)
    near = (np.abs(apart) <= reaches).all(axis=1)
    if not near.any():
        return None
    distances = np.linalg.norm(apart[near] @ crystal.lattice, axis=1)
    worst = int(distances.argmin())
    if distances[worst] >= min_distance:
        return None
    pair = sorted((int(first[near][worst]), int(second[near][worst])))
    return pair[0], pair[1], float(distances[worst])


def _best_sweep(positions: np.ndarray, reaches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the order along the axis with the fewest pairs in reach, and how many follow each."""
    best: tuple[np.ndarray, np.ndarray] | None = None
    for axis in range(3):
        order = positions[:, axis].argsort()
        along = positions[order, axis]
        # The atoms of the next cell follow those of this one, so that pairs through the face count.
        twice = np.concatenate([along, along + 1.0])
        last = np.searchsorted(twice, along + reaches[axis], side="right")
        n_following = last - np.arange(len(along)) - 1
        if best is None or n_following.sum() < best[1].sum():
            best = order, n_following
    if best is None:
        raise ValueError("a sweep needs three axes")
    return best


def _overlap_in_thin_cell(crystal: Crystal, min_distance: float) -> Overlap | None:
    """Compare all pairs with all images that can be near; for reduced cells, so they are few."""
    shortest = float(np.linalg.norm(crystal.lattice, axis=1).min())
    if shortest < min_distance:
        return 0, 0, shortest
    spacings = _plane_spacings(crystal.lattice.tolist())
    # Differences are wrapped into [-0.5, 0.5], so images further than this are out of reach.
    ranges = [ceil(min_distance / spacing + 0.5) for spacing in spacings]
    images = np.indices([2 * n + 1 for n in ranges]).reshape(3, -1).T - np.array(ranges)
    shifts = images @ crystal.lattice
    positions = crystal.fractional_positions
    for first in range(crystal.n_atoms):
        apart = positions[first:] - positions[first]
        vectors = (apart - np.round(apart)) @ crystal.lattice
        distances = np.linalg.norm(vectors[:, None] + shifts, axis=2)
        distances[0, (images == 0).all(axis=1)] = np.inf  # an atom and itself
        if distances.min() < min_distance:
            second = first + int(distances.argmin() // len(shifts))
            return first, second, float(distances.min())
    return None
