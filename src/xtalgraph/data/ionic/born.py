"""The classical ionic model of a crystal: formal charges, Born repulsion, and the energy they give.

This is a model for teaching and testing, not density functional theory: no covalency, no
polarisation, no van der Waals attraction, no zero-point energy. Its energies have the size of
measured lattice energies of salts (NaCl: -7.8 eV a formula here, -8.2 measured) and are far too
large for covalent compounds with high formal charges.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from xtalgraph.data.ionic.ewald import COULOMB, Pairs, ewald_energy, find_pairs
from xtalgraph.data.shannon import Ion
from xtalgraph.errors import BadCrystal
from xtalgraph.structures.crystal import Crystal

ROCK_SALT_MADELUNG = 1.7475645946
CUTOFF = 8.0  # Å; the repulsion beyond it is integrated, the Coulomb sum is exact at any cutoff


@dataclass(frozen=True)
class Repulsion:
    """Strength B (eV·Åⁿ) and exponent n of the repulsion B/rⁿ between two ions."""

    strength: float
    exponent: float


def born_repulsion(first: Ion, second: Ion) -> Repulsion | None:
    """Give the Born repulsion between a cation and an anion; like charges have none.

    B/rⁿ with n the mean of the two Born exponents, and B such that in the rock-salt structure the
    two ions rest at r₀, the sum of their radii for six neighbours. With the Madelung constant M
    and the lattice sum S over unlike ions (about 6, in units of r₀) that is

        M k |q₁q₂| / r₀² = n S B / r₀ⁿ⁺¹   so   B = M k |q₁q₂| r₀ⁿ⁻¹ / nS,   k = e²/4πε₀

    The pair potential depends on the two ions alone, so that the same ions in two structures have
    comparable energies.
    """
    if first.charge * second.charge >= 0:
        return None
    exponent = (first.born_exponent + second.born_exponent) / 2
    distance = first.radius(6) + second.radius(6)
    coulomb = ROCK_SALT_MADELUNG * COULOMB * abs(first.charge * second.charge)
    strength = coulomb * distance ** (exponent - 1) / (exponent * _sum_rock_salt(exponent))
    return Repulsion(strength, exponent)


@cache
def _sum_rock_salt(exponent: float) -> float:
    """Σ (r/r₀)⁻ⁿ over the unlike ions around an ion in rock salt: those of odd h + k + l."""
    steps = np.arange(-24, 25)  # the rest adds less than 3e-5 of the sum at n = 6
    sites = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    unlike = sites[sites.sum(axis=1) % 2 == 1]
    squares = (unlike**2).sum(axis=1).astype(np.float64)
    return float((squares ** (-exponent / 2)).sum())


@dataclass(frozen=True)
class ScalingEnergy:
    """The energy of a structure (eV per cell) as all its lengths are multiplied by a factor s.

    Coulomb energy goes as 1/s and each repulsion as s⁻ⁿ, so one sum over the crystal gives the
    energy at every size.
    """

    coulomb: float
    repulsions: dict[float, float]  # by exponent

    def at(self, factor: float) -> float:
        """Give the energy in eV per cell with all lengths multiplied by `factor`."""
        repelled = sum(value * factor**-n for n, value in self.repulsions.items())
        return self.coulomb / factor + repelled

    def find_minimum(self) -> float:
        """Give the factor at which the energy is least.

        There |C| = Σ n R_n s^(1-n); in logarithms that is convex and falling, so Newton's steps
        from the left never overshoot. Refused: an energy without a minimum, where unlike ions do
        not attract each other on the whole.
        """
        if self.coulomb >= 0 or not self.repulsions:
            raise BadCrystal(
                f"the Coulomb energy is {self.coulomb:g} eV, so the ionic model has no minimum",
                remedy="Check which ions stand next to each other.",
            )
        exponents = np.array(list(self.repulsions))
        weights = exponents * np.array(list(self.repulsions.values())) / -self.coulomb
        # Each term alone is 1 at s = w^(1/(n-1)); the largest of these lies left of the root.
        logarithm = float(np.max(np.log(weights) / (exponents - 1)))
        for _ in range(60):
            terms = weights * np.exp((1 - exponents) * logarithm)
            step = math.log(terms.sum()) / float((exponents - 1) @ terms / terms.sum())
            logarithm += step
            if abs(step) < 1e-14:
                break
        return math.exp(logarithm)


def measure_energy(crystal: Crystal, ions: Sequence[Ion]) -> ScalingEnergy:
    """Give the ionic energy of a crystal whose atoms are `ions`, in eV per cell, at every size.

    Repulsion is summed over pairs within 8 Å; the rest, where ions lie evenly, is integrated.
    """
    pairs = find_pairs(crystal.lattice, crystal.fractional_positions, CUTOFF)
    charges = np.array([ion.charge for ion in ions], dtype=np.float64)
    coulomb = ewald_energy(crystal.lattice, crystal.fractional_positions, charges, pairs=pairs)
    return ScalingEnergy(coulomb, _sum_repulsions(ions, pairs, crystal.volume))


def ionic_energy_per_atom(crystal: Crystal, ions: Sequence[Ion]) -> float:
    """Give the classical ionic lattice energy in eV/atom, against separate ions at rest.

    Ewald sum of formal charges plus Born repulsion between cations and anions. Not DFT.
    """
    return float(measure_energy(crystal, ions).at(1.0)) / crystal.n_atoms


def relax_size(crystal: Crystal, ions: Sequence[Ion]) -> tuple[Crystal, float]:
    """Give the crystal scaled to its least ionic energy, shape kept, and that energy in eV/atom."""
    energy = measure_energy(crystal, ions)
    factor = energy.find_minimum()
    relaxed = Crystal(
        crystal.lattice * factor,
        crystal.fractional_positions,
        crystal.atomic_numbers,
        crystal.id,
    )
    return relaxed, float(energy.at(factor)) / crystal.n_atoms


def _sum_repulsions(ions: Sequence[Ion], pairs: Pairs, volume: float) -> dict[float, float]:
    kinds = sorted(set(ions))
    kind = np.array([kinds.index(ion) for ion in ions])
    counts = np.bincount(kind, minlength=len(kinds))
    code = kind[pairs.first] * len(kinds) + kind[pairs.second]
    sums: dict[float, float] = {}
    for i, first in enumerate(kinds):
        for j, second in enumerate(kinds):
            law = born_repulsion(first, second)
            if law is None:
                continue
            distances = pairs.distance[code == i * len(kinds) + j]
            near = float((distances**-law.exponent).sum())
            far = _integrate_tail(law.exponent, pairs.cutoff) * counts[i] * counts[j] / volume
            total = 0.5 * law.strength * (near + far)  # every pair is there in both directions
            sums[law.exponent] = sums.get(law.exponent, 0.0) + total
    return sums


def _integrate_tail(exponent: float, cutoff: float) -> float:
    """∫ 4πr² r⁻ⁿ dr from the cutoff to infinity."""
    return 4 * math.pi * cutoff ** (3 - exponent) / (exponent - 3)
