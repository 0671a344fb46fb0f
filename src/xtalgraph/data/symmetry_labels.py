"""Class labels that follow from the structures alone: space group and crystal system."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xtalgraph.errors import BadCrystal, Rejected
from xtalgraph.structures import crystal_system, find_space_group
from xtalgraph.structures.store import CrystalStore

SYMMETRY_LABELS = ("space_group", "crystal_system")
"""Names of labels that are computed where a data set has no column of that name."""

SYMMETRY_TOLERANCE = 0.01
"""How far, in Å, an atom may be from where a symmetry operation brings another."""


@dataclass(frozen=True, eq=False)
class SymmetryLabels:
    """The labels by name, object arrays of texts; None, and a reason, where the search failed."""

    labels: dict[str, np.ndarray]
    rejected: tuple[Rejected, ...]


def find_symmetry_labels(
    crystals: CrystalStore, tolerance: float = SYMMETRY_TOLERANCE
) -> SymmetryLabels:
    """Find the space group (number as text) and the crystal system of each crystal, by moyo.

    About 0.3 ms a crystal. A crystal whose symmetry cannot be found has no label and is reported.

    >>> from xtalgraph.structures import Crystal
    >>> salt = Crystal(2.8 * np.eye(3), [[0, 0, 0], [0.5, 0.5, 0.5]], [55, 17], id="CsCl")
    >>> found = find_symmetry_labels(CrystalStore.from_crystals([salt]))
    >>> [found.labels[name][0] for name in SYMMETRY_LABELS]
    ['221', 'cubic']
    """
    groups = np.full(len(crystals), None, dtype=object)
    systems = groups.copy()
    rejected = []
    for row, crystal in enumerate(crystals):
        try:
            number = find_space_group(crystal, tolerance)
        except BadCrystal as error:
            rejected.append(Rejected(str(crystal.id), error.problem))
            continue
        groups[row], systems[row] = str(number), crystal_system(number)
    return SymmetryLabels({"space_group": groups, "crystal_system": systems}, tuple(rejected))
