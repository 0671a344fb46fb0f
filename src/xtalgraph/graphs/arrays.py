"""The crystal graph as numpy arrays: what it is before a network in torch takes it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Int64


@dataclass(frozen=True, eq=False)
class GraphArrays:
    """The neighbour graphs of a batch of crystals; `CrystalGraph` says what each array means."""

    atomic_numbers: Int64[np.ndarray, "n_atoms"]
    crystal: Int64[np.ndarray, "n_atoms"]
    centre: Int64[np.ndarray, "n_edges"]
    neighbour: Int64[np.ndarray, "n_edges"]
    image: Int[np.ndarray, "n_edges 3"]
    distance: Float[np.ndarray, "n_edges"]
    weight: Float[np.ndarray, "n_edges"]
    multiplicity: Int64[np.ndarray, "n_atoms"]
    n_crystals: int

    @property
    def n_atoms(self) -> int:
        """Nodes of all crystals: atoms, unless merged."""
        return len(self.atomic_numbers)

    @property
    def n_edges(self) -> int:
        """Edges of all crystals."""
        return len(self.centre)

    @property
    def edge_starts(self) -> Int64[np.ndarray, "n_offsets"]:
        """Where the edges of each atom begin, and where the last ones end."""
        counts = np.bincount(self.centre, minlength=self.n_atoms)
        return np.concatenate([[0], np.cumsum(counts)])
