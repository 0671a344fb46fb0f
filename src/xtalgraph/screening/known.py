"""Known crystals: candidates whose composition or structure is in a given table."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from xtalgraph.data import Dataset
from xtalgraph.data.composition import reduced_formulas
from xtalgraph.data.duplicates import mean_distances
from xtalgraph.graphs import nearest_distances
from xtalgraph.structures import CrystalStore

N_DISTANCES = 16
VOLUME = 12.0  # Å³ per atom, to which all crystals are scaled before they are compared
TOLERANCE = 0.1  # Å at that scale: about 4 % of a bond, as between a relaxed and a built cell
FORMULA, STRUCTURE, NEW = "formula", "structure", ""


@dataclass(frozen=True, eq=False)
class KnownCrystals:
    """The crystals of a table, recognised by reduced formula and by distances.

    Attributes:
        rows: Numbers of the crystals with each reduced formula.
        fingerprints: Mean distances of each crystal by element, scaled to the same volume per atom.
        checksum: Identifies the table.
    """

    rows: dict[str, list[int]]
    fingerprints: list[np.ndarray]
    checksum: str

    @classmethod
    def from_dataset(cls, dataset: Dataset) -> KnownCrystals:
        """Return an index of the crystals of a data set, about 400 bytes each."""
        rows: dict[str, list[int]] = {}
        for row, formula in enumerate(reduced_formulas(dataset.crystals)):
            rows.setdefault(formula, []).append(row)
        return cls(rows, _fingerprints(dataset.crystals), dataset.checksum)

    def compare(self, store: CrystalStore, formulas: list[str]) -> np.ndarray:
        """Return `structure`, `formula` or an empty string for each crystal.

        Args:
            store: The crystals to look up.
            formulas: Their reduced formulas.

        Returns:
            `structure` if the table has a crystal with the same reduced formula whose mean
            distances, element by element and after scaling to the same volume per atom, are equal
            within 0.1 Å; `formula` if it only has the formula. A cell that was built too large is
            thus recognised, while SrTiO3 with Sr and Ti exchanged is not.
        """
        found = np.full(len(store), NEW, dtype=object)
        same = [row for row, formula in enumerate(formulas) if formula in self.rows]
        found[same] = FORMULA
        for row, mine in zip(same, _fingerprints(store.take(same)), strict=True):
            if any(
                np.abs(mine - self.fingerprints[other]).max() <= TOLERANCE
                for other in self.rows[formulas[row]]
            ):
                found[row] = STRUCTURE
        return found


def _fingerprints(store: CrystalStore) -> list[np.ndarray]:
    if not len(store):
        return []
    volumes = np.abs(np.linalg.det(store.lattices)) / store.n_atoms
    scale = np.cbrt(VOLUME / volumes)
    scaled = replace(store, lattices=store.lattices * scale[:, None, None])
    return mean_distances(scaled, nearest_distances(scaled, N_DISTANCES))
