"""The neighbour search: exact for any cell, and the heart of the package.

The search itself is compiled (`native/src/search.cpp`). It costs about a microsecond an atom, grows
in proportion to the number of atoms, and releases the interpreter lock, so that threads run it on
several crystals at a time.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from xtalgraph import _native
from xtalgraph.errors import BadCrystal
from xtalgraph.tolerances import SAME_SHELL

NEAREST, SHELL, RADIUS = 0, 1, 2


class Edges(NamedTuple):
    """Edges sorted by (centre, distance, neighbour, image).

    Neighbours are counted from the first atom that was searched, images are of the lattice and
    positions as given, distances in Å; `counts` has the number of edges of each atom.
    """

    neighbour: Int[np.ndarray, "n_edges"]
    image: Int[np.ndarray, "n_edges 3"]
    distance: Float[np.ndarray, "n_edges"]
    counts: Int[np.ndarray, "n_atoms"]


def find_neighbours(
    lattices: Float[np.ndarray, "n_crystals 3 3"],
    positions: Float[np.ndarray, "n_atoms 3"],
    offsets: Int[np.ndarray, "n_offsets"],
    first: int,
    last: int,
    rule: int,
    n_neighbours: int,
    cutoff: float,
    ids: Sequence[str] | np.ndarray = (),
) -> Edges:
    """Find the edges of the crystals `first` to `last` (exclusive) of a store.

    Of a crystal with a lattice vector below 0.2 Å, which is an error of its source, only each
    atom's image along that vector is returned.

    Raises:
        BadCrystal: a lattice or a position is not finite or absurdly large, or absurdly many atoms
            lie within the cutoff.
    """
    counts = np.empty(int(offsets[last] - offsets[first]), np.int64)
    try:
        neighbour, image, distance = _native.find_neighbours(
            np.ascontiguousarray(lattices, np.float64),
            np.ascontiguousarray(positions, np.float64),
            np.ascontiguousarray(offsets, np.int64),
            first,
            last,
            rule,
            n_neighbours,
            cutoff,
            SAME_SHELL,
            counts,
        )
    except _native.Refused as refused:
        crystal = refused.args[0]
        id = str(ids[crystal]) if len(ids) else ""
        raise refusal(refused, id or f"#{crystal}") from None
    # what comes from C++ is a `long long`, which numpy tells from its int64
    return Edges(neighbour.view(np.int64), image, distance, counts)


def has_pair_within(
    lattice: Float[np.ndarray, "3 3"],
    positions: Float[np.ndarray, "n_atoms 3"],
    radius: float,
    id: str = "",
) -> bool:
    """Return whether any two atoms of one crystal, images included, are within `radius` in Å.

    Raises:
        BadCrystal: as `find_neighbours` does.
    """
    try:
        return _native.has_pair_within(
            np.ascontiguousarray(lattice, np.float64),
            np.ascontiguousarray(positions, np.float64),
            radius,
        )
    except _native.Refused as refused:
        raise refusal(refused, id) from None


def refusal(refused: _native.Refused, id: str) -> BadCrystal:
    """Return the error that names a crystal in which no neighbours can be searched."""
    _, site, problem = refused.args
    return BadCrystal(
        problem,
        id=id,
        site=None if site < 0 else site,
        remedy="Check that lattice vectors are in Å and positions fractional, and the cutoff.",
    )
