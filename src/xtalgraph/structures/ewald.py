"""The electrostatic energy of point charges in a periodic cell, by Ewald's sum."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int

from xtalgraph.errors import BadCrystal

COULOMB = 14.3996454784  # e²/(4πε₀) in eV·Å, CODATA 2018
_erfc = np.frompyfunc(math.erfc, 1, 1)  # numpy has no erfc; this is quick enough here


@dataclass(frozen=True, eq=False)
class Pairs:
    """Every ordered pair of ions, periodic images included, nearer than `cutoff` (Å)."""

    first: Int[np.ndarray, "n_edges"]
    second: Int[np.ndarray, "n_edges"]
    distance: Float64[np.ndarray, "n_edges"]
    cutoff: float


def find_pairs(
    lattice: Float64[np.ndarray, "3 3"],
    fractional_positions: Float64[np.ndarray, "n_atoms 3"],
    cutoff: float,
) -> Pairs:
    """Return all pairs within `cutoff`, each in both directions, an ion with its own images too.

    Brute force over images: meant for the few dozen ions of a small cell, 0.2 to 3 ms.
    """
    positions = fractional_positions - np.floor(fractional_positions)
    heights = 1.0 / np.linalg.norm(np.linalg.inv(lattice), axis=0)
    reach = np.ceil(cutoff / heights).astype(int)  # a wrapped difference adds less than one cell
    images = np.stack(np.meshgrid(*[np.arange(-n - 1, n + 2) for n in reach]), -1).reshape(-1, 3)
    cartesian = positions @ lattice
    differences = (cartesian[None, :, :] - cartesian[:, None, :]).reshape(-1, 3)
    lengths = (differences**2).sum(-1)
    shifts = images @ lattice
    offsets = (shifts**2).sum(-1)
    near = offsets < (cutoff + math.sqrt(lengths.max())) ** 2
    # |d + s|² written out, so that the large array is one product of two small ones.
    squares = 2 * differences @ shifts[near].T
    squares += lengths[:, None]
    squares += offsets[near]
    # An ion is no neighbour of itself; 1e-8 Å² is well above rounding and below any real pair.
    pair, image = np.nonzero((squares < cutoff**2) & (squares > 1e-8))
    first, second = np.divmod(pair, len(positions))
    return Pairs(first, second, np.sqrt(squares[pair, image]), cutoff)


def ewald_energy(
    lattice: Float64[np.ndarray, "3 3"],
    fractional_positions: Float64[np.ndarray, "n_atoms 3"],
    charges: Float64[np.ndarray, "n_atoms"],
    *,
    splitting: float | None = None,
    tolerance: float = 1e-10,
    pairs: Pairs | None = None,
) -> float:
    """Return the Coulomb energy of a cell of point charges (in e), in eV per cell.

    Ewald, Ann. Phys. 369, 253 (1921): with α the `splitting` (1/Å),

        E = ½ Σ_ij Σ_T q_i q_j erfc(α r)/r + (2π/V) Σ_G exp(-G²/4α²)/G² |Σ_j q_j exp(iG·r_j)|²
            - (α/√π) Σ_i q_i²

    times e²/4πε₀. The result does not depend on α, which only shares the work between the two
    sums; both are cut where their terms fall to `tolerance`. `pairs`, if given, is the list for
    the first sum, and then sets α by its cutoff. Boundary: tin foil, no surface term. Refused: a
    cell that is not neutral, whose energy is not defined.
    """
    if abs(charges.sum()) > 1e-8:
        raise BadCrystal(
            f"the charges sum to {charges.sum():g} e",
            remedy="Ewald's sum needs a neutral cell; correct the oxidation states.",
        )
    width = math.sqrt(-math.log(tolerance))  # erfc and the Gaussian are both exp(-width²) there
    volume = abs(float(np.linalg.det(lattice)))
    if pairs is not None:
        splitting = width / pairs.cutoff
    elif splitting is None:
        splitting = math.sqrt(math.pi) * (len(charges) / volume**2) ** (1 / 6)  # equal work
    if pairs is None:
        pairs = find_pairs(lattice, fractional_positions, width / splitting)
    screened = np.asarray(_erfc(splitting * pairs.distance), np.float64) / pairs.distance
    real = 0.5 * float(charges[pairs.first] * charges[pairs.second] @ screened)
    reciprocal = _sum_waves(lattice, fractional_positions, charges, splitting, width)
    own = splitting / math.sqrt(math.pi) * float(charges @ charges)
    return COULOMB * (real + 2 * math.pi / volume * reciprocal - own)


def _sum_waves(
    lattice: np.ndarray, positions: np.ndarray, charges: np.ndarray, splitting: float, width: float
) -> float:
    """Σ_G exp(-G²/4α²)/G² |S(G)|² over both halves of reciprocal space, G = 0 left out."""
    basis = 2 * math.pi * np.linalg.inv(lattice).T
    longest = 2 * splitting * width
    reach = np.ceil(longest * np.linalg.norm(lattice, axis=1) / (2 * math.pi)).astype(int)
    # G and -G give the same: keep G_a > 0 wholly, and half of the plane G_a = 0.
    counts = [np.arange(0, reach[0] + 1), *(np.arange(-n, n + 1) for n in reach[1:])]
    waves = np.stack(np.meshgrid(*counts, indexing="ij"), -1).reshape(-1, 3)
    a, b, c = waves.T
    waves = waves[(a > 0) | (b > 0) | ((b == 0) & (c > 0))]
    squares = ((waves @ basis) ** 2).sum(-1)
    inside = squares < longest**2
    waves, squares = waves[inside], squares[inside]
    phases = np.exp(2j * math.pi * (waves @ positions.T))
    amplitudes = np.abs(phases @ charges) ** 2
    return float(2 * (np.exp(-squares / (4 * splitting**2)) / squares) @ amplitudes)
