"""Many crystals in a few flat arrays: what a data set keeps and the graph kernel reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int, Int64, UInt8

from xtalgraph.structures.crystal import Crystal


@dataclass(frozen=True, eq=False)
class CrystalStore(Sequence[Crystal]):
    """A sequence of crystals held as flat arrays, at most 64 bytes an atom for cells of 5 atoms.

    The atoms of crystal `i` are `offsets[i]:offsets[i + 1]`. Indexing with a number gives a
    `Crystal`; `take` gives a smaller store. `ids` is an array of strings.

    >>> import numpy as np
    >>> store = CrystalStore.from_crystals([Crystal(3 * np.eye(3), [[0, 0, 0]], [26], id="Fe")])
    >>> len(store), store[0].formula, store.n_atoms.tolist()
    (1, 'Fe', [1])
    """

    lattices: Float64[np.ndarray, "n_crystals 3 3"]
    fractional_positions: Float64[np.ndarray, "n_atoms 3"]
    atomic_numbers: UInt8[np.ndarray, "n_atoms"]
    offsets: Int64[np.ndarray, "n_offsets"]
    ids: np.ndarray  # numpy.dtypes.StringDType, one a crystal

    @classmethod
    def from_crystals(cls, crystals: Iterable[Crystal]) -> CrystalStore:
        """Pack crystals one after another."""
        crystals = list(crystals)
        counts = [len(crystal.atomic_numbers) for crystal in crystals]
        if not crystals:
            return cls(
                np.empty((0, 3, 3)),
                np.empty((0, 3)),
                np.empty(0, np.uint8),
                np.zeros(1, np.int64),
                np.empty(0, np.dtypes.StringDType()),
            )
        return cls(
            np.stack([crystal.lattice for crystal in crystals]),
            np.concatenate([crystal.fractional_positions for crystal in crystals]),
            np.concatenate([crystal.atomic_numbers for crystal in crystals]),
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            np.array([crystal.id for crystal in crystals], dtype=np.dtypes.StringDType()),
        )

    @property
    def n_atoms(self) -> Int64[np.ndarray, "n_crystals"]:
        """Number of atoms of each crystal."""
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> Crystal:  # type: ignore[override]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        atoms = slice(self.offsets[index], self.offsets[index + 1])
        return Crystal(
            self.lattices[index],
            self.fractional_positions[atoms],
            self.atomic_numbers[atoms],
            str(self.ids[index]),
        )

    def __iter__(self) -> Iterator[Crystal]:
        return (self[index] for index in range(len(self)))

    def take(self, indices: Int[np.ndarray, "n_rows"] | Sequence[int]) -> CrystalStore:
        """Give the store of the crystals at `indices`, in that order."""
        indices = np.asarray(indices, dtype=np.int64)
        indices = np.where(indices < 0, indices + len(self), indices)
        # only of these rows, so that a batch does not cost more in a larger store
        starts = self.offsets[indices]
        counts = self.offsets[indices + 1] - starts
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        atoms = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], counts)
        return CrystalStore(
            self.lattices[indices],
            self.fractional_positions[atoms],
            self.atomic_numbers[atoms],
            offsets,
            self.ids[indices],
        )

    @property
    def n_bytes(self) -> int:
        """Memory of all arrays, the ids' text included, in bytes."""
        arrays = (self.lattices, self.fractional_positions, self.atomic_numbers, self.offsets)
        text = sum(len(id) for id in self.ids if len(id) > 15)  # shorter ones lie in the array
        return sum(array.nbytes for array in arrays) + self.ids.nbytes + text


def pack(crystals: Iterable[Crystal] | CrystalStore | Crystal) -> CrystalStore:
    """Give a store of one crystal, of many, or the store itself."""
    if isinstance(crystals, CrystalStore):
        return crystals
    return CrystalStore.from_crystals([crystals] if isinstance(crystals, Crystal) else crystals)
