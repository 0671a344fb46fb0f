"""Comparison of a crystal with another reader's answer, blind to orientation and order."""

import numpy as np
from scipy.optimize import linear_sum_assignment


def largest_shift(crystal, structure) -> float:
    """Give how far in Å the worst atom is from its partner; the elements and cells must agree."""
    ours, theirs = crystal.lattice, structure.lattice.matrix
    np.testing.assert_allclose(ours @ ours.T, theirs @ theirs.T, rtol=1e-6, atol=1e-6)
    numbers = np.array([site.specie.Z for site in structure])
    assert sorted(crystal.atomic_numbers) == sorted(numbers)
    apart = crystal.fractional_positions[:, None] - structure.frac_coords[None]
    distances = np.linalg.norm((apart - np.round(apart)) @ ours, axis=2)
    distances[crystal.atomic_numbers[:, None] != numbers[None]] = 1e3
    return float(distances[linear_sum_assignment(distances)].max())


def assert_same(crystal, structure, tolerance=1e-3):
    assert largest_shift(crystal, structure) < tolerance
