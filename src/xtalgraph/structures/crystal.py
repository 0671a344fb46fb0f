"""The crystal: a lattice, and atoms at fractional positions in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import cos, isfinite, nan, radians, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64, Int, Int64, UInt8

from xtalgraph.errors import BadCrystal
from xtalgraph.structures.elements import FORMULA_ORDER, SYMBOLS, atomic_number

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


Real = int | float  # a runtime check of `float` alone would refuse the integer 90

LARGEST_FRACTION = 1e6
"""A larger fractional coordinate has lost its digits, and counts of cells would overflow."""

LONGEST_CELL = 1e7
"""Å; a longer lattice vector has lost its digits. A skewed cell of a common lattice may be long."""

FLATTEST_CELL = 1e-7
"""The least volume of a cell, as a part of the box with edges as long."""

_LARGEST_SQUARE, _LONGEST_SQUARE = LARGEST_FRACTION**2, LONGEST_CELL**2
SMALLEST_VOLUME = 1e-6  # Å³
LARGEST_VOLUME = 1e9  # Å³ an atom: one atom in a box of 1000 Å
_LEGAL_NUMBERS = bytes(range(1, len(SYMBOLS)))


@dataclass(frozen=True, eq=False, slots=True, init=False)
class Crystal:
    """A periodic structure, about 100 bytes for a small cell.

    The arrays are read-only. Arrays of the wrong shape, non-finite numbers, a cell without volume,
    unknown elements and a crystal without atoms are refused.

    Attributes:
        lattice: Lattice vectors in Å as rows (as in pymatgen and ASE).
        fractional_positions: Positions as given, also outside [0, 1).
        atomic_numbers: Element of each atom.
        id: Its name in tables and messages.

    >>> import numpy as np
    >>> iron = Crystal(2.87 * np.eye(3), [[0, 0, 0], [0.5, 0.5, 0.5]], [26, 26], id="Fe")
    >>> iron.formula, iron.n_atoms, round(iron.volume, 2)
    ('Fe2', 2, 23.64)
    """

    lattice: Float64[np.ndarray, "3 3"]
    fractional_positions: Float64[np.ndarray, "n_atoms 3"]
    atomic_numbers: UInt8[np.ndarray, "n_atoms"]
    id: str

    def __init__(
        self,
        lattice: ArrayLike,
        fractional_positions: ArrayLike,
        atomic_numbers: ArrayLike,
        id: str = "",
    ) -> None:
        lattice = np.array(lattice, dtype=np.float64)
        positions = np.array(fractional_positions, dtype=np.float64, order="C")
        numbers = np.asarray(atomic_numbers)
        refuse_bad_arrays(lattice, positions, numbers, id)
        self._keep(lattice, positions, numbers.astype(np.uint8), id)

    def _keep(
        self, lattice: np.ndarray, positions: np.ndarray, numbers: np.ndarray, id: str
    ) -> None:
        lattice.setflags(write=False)
        positions.setflags(write=False)
        numbers.setflags(write=False)
        keep = object.__setattr__
        keep(self, "lattice", lattice)
        keep(self, "fractional_positions", positions)
        keep(self, "atomic_numbers", numbers)
        keep(self, "id", id)

    @classmethod
    def of_checked(
        cls,
        lattice: Float64[np.ndarray, "3 3"],
        fractional_positions: Float64[np.ndarray, "n_atoms 3"],
        atomic_numbers: UInt8[np.ndarray, "n_atoms"],
        id: str,
    ) -> Crystal:
        """Return the crystal of arrays that a reader has checked: neither checked nor copied.

        They must be contiguous, of these types, within the bounds of `refuse_bad_arrays`, and are
        made read-only.
        """
        crystal = cls.__new__(cls)
        crystal._keep(lattice, fractional_positions, atomic_numbers, id)
        return crystal

    @classmethod
    def from_symbols(
        cls,
        lattice: Any,
        fractional_positions: Any,
        symbols: Iterable[str],
        id: str = "",
    ) -> Crystal:
        """Return a crystal from element symbols, charges and isotopes allowed (`Na+`, `D`)."""
        return cls(lattice, fractional_positions, [atomic_number(s) for s in symbols], id)

    @property
    def n_atoms(self) -> int:
        """Number of atoms in the cell."""
        return len(self.atomic_numbers)

    @property
    def volume(self) -> float:
        """Volume of the cell in Å³."""
        return abs(float(np.linalg.det(self.lattice)))

    @property
    def cartesian_positions(self) -> Float64[np.ndarray, "n_atoms 3"]:
        """Positions in Å."""
        return self.fractional_positions @ self.lattice

    @property
    def symbols(self) -> list[str]:
        """Element symbol of each atom."""
        return [SYMBOLS[number] for number in self.atomic_numbers]

    @property
    def composition(self) -> dict[str, int]:
        """Number of atoms of each element, elements in alphabetical order."""
        numbers, counts = np.unique(self.atomic_numbers, return_counts=True)
        pairs = zip(numbers.tolist(), counts.tolist(), strict=True)
        return dict(sorted((SYMBOLS[number], count) for number, count in pairs))

    @property
    def formula(self) -> str:
        """Formula of the cell, elements by electronegativity as in pymatgen (`Sr2Ti2O6`)."""
        return _write_formula(self.composition)

    @property
    def reduced_formula(self) -> str:
        """Formula divided by its greatest common factor (`SrTiO3`): the key of formula splits."""
        composition = self.composition
        factor = int(np.gcd.reduce(list(composition.values())))
        return _write_formula({symbol: count // factor for symbol, count in composition.items()})

    def with_id(self, id: str) -> Crystal:
        """Return the same crystal under another id."""
        return Crystal(self.lattice, self.fractional_positions, self.atomic_numbers, id)

    def repeated(self, n_a: int, n_b: int, n_c: int) -> Crystal:
        """Return the supercell of `n_a` × `n_b` × `n_c` cells."""
        counts = np.array([n_a, n_b, n_c])
        shifts = np.array(list(np.ndindex(n_a, n_b, n_c)))
        positions = (self.fractional_positions[None] + shifts[:, None]).reshape(-1, 3) / counts
        numbers = np.tile(self.atomic_numbers, len(shifts))
        return Crystal(self.lattice * counts[:, None], positions, numbers, self.id)

    @classmethod
    def from_pymatgen(cls, structure: Any, id: str = "") -> Crystal:
        """Return the crystal of an ordered pymatgen `Structure`; partial occupancy is refused."""
        from xtalgraph.structures.borders import from_pymatgen

        return cls(*from_pymatgen(structure, id), id)

    def to_pymatgen(self) -> Any:
        """Return the pymatgen `Structure` of this crystal."""
        from xtalgraph.structures.borders import to_pymatgen

        return to_pymatgen(self.lattice, self.fractional_positions, self.atomic_numbers)

    @classmethod
    def from_ase(cls, atoms: Any, id: str = "") -> Crystal:
        """Return the crystal of an ASE `Atoms` that is periodic in three directions."""
        from xtalgraph.structures.borders import from_ase

        return cls(*from_ase(atoms, id), id)

    def to_ase(self) -> Any:
        """Return the ASE `Atoms` of this crystal (needs the extra `ase`)."""
        from xtalgraph.structures.borders import to_ase

        return to_ase(self.lattice, self.fractional_positions, self.atomic_numbers)


def refuse_bad_arrays(
    lattice: np.ndarray, positions: np.ndarray, numbers: np.ndarray, id: str
) -> None:
    """Raise `BadCrystal` where the three arrays of a crystal do not make one.

    Written for small cells, where each call of numpy costs more than the arithmetic: it takes
    about 1 µs.
    """
    if lattice.shape != (3, 3):
        raise BadCrystal(
            f"the lattice has shape {lattice.shape}, expected (3, 3)",
            id=id,
            remedy="Give three lattice vectors as rows, in Å.",
        )
    n_atoms = numbers.size
    if numbers.ndim != 1 or (positions.shape != (n_atoms, 3) and n_atoms):
        raise BadCrystal(
            f"atomic numbers of shape {numbers.shape}, but positions of shape {positions.shape}",
            id=id,
            remedy="Give one row of three fractional coordinates for each atom.",
        )
    if n_atoms == 0:
        raise BadCrystal("it has no atoms", id=id, remedy="Check that the file is complete.")
    (a, b, c), (d, e, f), (g, h, i) = lattice.tolist()
    volume = abs(a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g))
    squares = a * a + b * b + c * c, d * d + e * e + f * f, g * g + h * h + i * i
    total = np.vdot(positions, positions)
    if not (
        total <= _LARGEST_SQUARE
        and SMALLEST_VOLUME <= volume <= LARGEST_VOLUME * n_atoms
        and max(squares) <= _LONGEST_SQUARE
        and squares[0] * squares[1] * squares[2] <= (volume / FLATTEST_CELL) ** 2
    ):
        _refuse_extreme(volume, squares, float(total), positions, id)
    if numbers.dtype == np.uint8:
        illegal = bool(numbers.tobytes().translate(None, _LEGAL_NUMBERS))
    else:
        kind = numbers.dtype.kind
        illegal = kind not in "iu" or numbers.min() < 1 or numbers.max() >= len(SYMBOLS)
    if illegal:
        raise BadCrystal(
            f"atomic numbers outside 1 to {len(SYMBOLS) - 1}",
            id=id,
            remedy="Dummy atoms and vacancies must be left out.",
        )


def _refuse_extreme(
    volume: float, squares: Sequence[float], total: float, positions: np.ndarray, id: str
) -> None:
    """Raise `BadCrystal` where a bound is broken; `total` is the sum of all squared positions."""
    n_atoms, longest = len(positions), max(squares)
    # A volume or a sum of squares is finite exactly where its terms are (all stay below 1e100).
    if not (isfinite(volume) and isfinite(total)):
        problem = "a lattice vector or a position is not a finite number"
        remedy = "Look for nan or inf in the source."
    elif total > _LARGEST_SQUARE and (furthest := np.abs(positions).max()) > LARGEST_FRACTION:
        problem = f"a fractional coordinate is {furthest:.3g}, beyond 1e6"
        remedy = "Give fractional coordinates, not Cartesian ones, and look for a misprint."
    elif volume < SMALLEST_VOLUME:
        problem = "the cell has no volume"
        remedy = "Check the cell lengths and angles; a molecule needs a box around it."
    elif longest > _LONGEST_SQUARE:
        problem = f"a lattice vector is {sqrt(longest):.3g} Å long, beyond 1e7 Å"
        remedy = "Check the unit of the cell lengths (Å), and look for a misprint."
    elif volume > LARGEST_VOLUME * n_atoms:
        problem = f"the cell has {volume / n_atoms:.3g} Å³ for each atom, more than 1e9"
        remedy = "Check the unit of the cell lengths (Å), and look for a misprint."
    elif volume < FLATTEST_CELL * sqrt(squares[0] * squares[1] * squares[2]):
        problem = "its lattice vectors are nearly in one plane"
        remedy = "Check the angles of the cell, or choose a more compact cell of the crystal."
    else:
        return
    raise BadCrystal(problem, id=id, remedy=remedy)


def lattice_from_parameters(
    a: Real, b: Real, c: Real, alpha: Real, beta: Real, gamma: Real
) -> Float64[np.ndarray, "3 3"]:
    """Return the lattice vectors of a cell with given lengths and angles.

    The orientation is pymatgen's: c along z, a in the xz plane.

    Args:
        a: Length of the first vector in Å.
        b: Length of the second vector in Å.
        c: Length of the third vector in Å.
        alpha: Angle between b and c in degrees.
        beta: Angle between a and c in degrees.
        gamma: Angle between a and b in degrees.

    Returns:
        Rows in Å; nan if there is no such cell, which `Crystal` refuses.

    >>> lattice_from_parameters(2, 3, 4, 90, 90, 90).tolist()
    [[2.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 4.0]]
    """
    return np.array(lattice_rows(a, b, c, alpha, beta, gamma))


def lattice_rows(
    a: Real, b: Real, c: Real, alpha: Real, beta: Real, gamma: Real
) -> tuple[tuple[float, float, float], ...]:
    """Return the rows of `lattice_from_parameters` as plain numbers: ten times faster."""
    cos_alpha, cos_beta, cos_gamma = _cosine(alpha), _cosine(beta), _cosine(gamma)
    sin_alpha, sin_beta = sqrt(1 - cos_alpha * cos_alpha), sqrt(1 - cos_beta * cos_beta)
    sines = sin_alpha * sin_beta
    minus_cosine = (cos_gamma - cos_alpha * cos_beta) / sines if sines else nan  # of gamma*
    square = 1 - minus_cosine * minus_cosine
    # Beyond 1 no three vectors enclose these angles; nan says so to whoever makes the crystal.
    sin_gamma_star = sqrt(square) if square > 0 else nan
    return (
        (a * sin_beta, 0.0, a * cos_beta),
        (b * sin_alpha * minus_cosine, b * sin_alpha * sin_gamma_star, b * cos_alpha),
        (0.0, 0.0, float(c)),
    )


def _cosine(degrees: Real) -> float:
    # The two commonest angles are exact, so that a right angle leaves no 1e-17 in the lattice.
    if degrees == 90:
        return 0.0
    return -0.5 if degrees == 120 else cos(radians(degrees))


def _write_formula(composition: dict[str, int]) -> str:
    symbols = sorted(composition, key=FORMULA_ORDER.index)
    return "".join(
        f"{symbol}{composition[symbol] if composition[symbol] > 1 else ''}" for symbol in symbols
    )


@dataclass(frozen=True, eq=False)
class CrystalStore(Sequence[Crystal]):
    """A sequence of crystals stored in flat arrays, at most 64 bytes per atom for cells of 5 atoms.

    The atoms of crystal `i` are `offsets[i]:offsets[i + 1]`. Indexing with an integer returns a
    `Crystal`; `take` returns a smaller store.

    Attributes:
        lattices: Lattice vectors of each crystal in Å, as rows.
        fractional_positions: Positions of all atoms, crystal by crystal.
        atomic_numbers: Elements of all atoms.
        offsets: First atom of each crystal, and the total number of atoms.
        ids: One string per crystal.

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
        """Return the store of the crystals at `indices`, in that order."""
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
    """Return a store of one crystal, of many, or the store itself."""
    if isinstance(crystals, CrystalStore):
        return crystals
    return CrystalStore.from_crystals([crystals] if isinstance(crystals, Crystal) else crystals)
