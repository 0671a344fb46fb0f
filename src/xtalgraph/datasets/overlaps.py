"""Which of many crystals may have overlapping atoms: a quick look before the exact one."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64

from xtalgraph.structures.checks import MIN_DISTANCE

_LARGE = 64  # atoms; larger crystals go to the exact search, which sorts instead of pairing
_PAIRS_AT_ONCE = 300_000  # keeps the arrays of pairs in the cache of a core


def may_overlap(
    lattices: Float64[np.ndarray, "n_crystals 3 3"],
    positions: Float64[np.ndarray, "n_atoms 3"],
    n_atoms: np.ndarray,
) -> Bool[np.ndarray, "n_crystals"]:
    """Tell which crystals may have two atoms within 0.5 Å; all others surely have none.

    Two atoms further apart than 0.5 Å along the normal of any face of the cell are no overlap, and
    of all images the nearest along a normal decides, if the cell is thicker than 1 Å. Thin cells
    and those of more than 64 atoms are left to `refuse_overlap`, being few.
    """
    normals = np.stack(
        [np.cross(lattices[:, (axis + 1) % 3], lattices[:, (axis + 2) % 3]) for axis in range(3)], 1
    )
    volumes = np.abs(np.linalg.det(lattices))
    reaches = MIN_DISTANCE * np.linalg.norm(normals, axis=2) / volumes[:, None]
    doubtful = (reaches >= 0.5).any(axis=1) | (n_atoms > _LARGE)
    starts = np.cumsum(n_atoms) - n_atoms
    for size in np.unique(n_atoms[~doubtful]).tolist():
        first, second = np.triu_indices(size, 1)
        if len(first) == 0:
            continue
        rows = np.flatnonzero(~doubtful & (n_atoms == size))
        for block in np.array_split(rows, len(rows) * len(first) // _PAIRS_AT_ONCE + 1):
            atoms = positions[starts[block][:, None] + np.arange(size)]
            row, pair = np.nonzero(_near(atoms[:, :, 0], reaches[block, :1], first, second))
            for axis in (1, 2):
                apart = atoms[row, first[pair], axis] - atoms[row, second[pair], axis]
                kept = np.abs(apart - np.rint(apart)) <= reaches[block[row], axis]
                row, pair = row[kept], pair[kept]
            doubtful[block[row]] = True
    return doubtful


def _near(
    along: np.ndarray, reach: np.ndarray, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    apart = along[:, first]
    apart -= along[:, second]
    apart -= np.rint(apart)
    return np.abs(apart, out=apart) <= reach
