"""Lattice constants of cubic perovskites: from ionic radii, or learned from a table."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, Int64

from xtalgraph.data import Dataset
from xtalgraph.errors import BadDataset
from xtalgraph.nn.element_properties import element_table
from xtalgraph.screening.perovskite_sites import ANION_CHARGES
from xtalgraph.structures import CrystalStore
from xtalgraph.structures.elements import SYMBOLS, atomic_number

PENALTY = 1.0  # of the individual size of an element, in units of one crystal with it
_FREE = 1e-6  # of the constant and the weights of the radii, nearly unpenalised
_FEWEST = 30  # perovskites; fewer are not enough to learn about elements


@dataclass(frozen=True, eq=False)
class Sites:
    """Atomic numbers on the sites of many perovskites, and sums of radii in Å."""

    a: Int64[np.ndarray, "n_crystals"]
    b: Int64[np.ndarray, "n_crystals"]
    x: Int64[np.ndarray, "n_crystals 3"]
    b_x: Float64[np.ndarray, "n_crystals"]  # r_B + r_X; nan if a radius is not tabulated


@runtime_checkable
class CellRule(Protocol):
    """A rule for the lattice constant of cubic cells."""

    def edges(self, sites: Sites) -> Float64[np.ndarray, "n_crystals"]:
        """Return lattice constants in Å, nan where the rule does not apply."""

    def describe(self) -> dict[str, Any]:
        """Return what identifies this rule."""

    def explain_missing(self, symbols: list[str]) -> str:
        """Return why there is no cell for these elements (A, B, X), and what to do."""


@dataclass(frozen=True)
class RadiiCells:
    """Hard spheres: a = 2 (r_B + r_X) with Shannon radii, r_X the mean of the three anions."""

    def edges(self, sites: Sites) -> Float64[np.ndarray, "n_crystals"]:
        """Return lattice constants in Å, nan if a radius is not tabulated."""
        return 2 * sites.b_x

    def describe(self) -> dict[str, Any]:
        """Return the name of the rule."""
        return {"rule": "radii"}

    def explain_missing(self, symbols: list[str]) -> str:
        """Return the error message for a missing radius."""
        return (
            f"no ionic radius of {symbols[1]} (or an anion) is tabulated. Learn cells from a table "
            "(--cells TABLE)."
        )


@dataclass(frozen=True, eq=False)
class LearnedCells:
    """A linear model of the lattice constant, fitted to the perovskites of a table.

    a = c + w_A R_A + w_B R_B + w_X ΣR_X + d_A(A) + d_B(B) + Σ d_X(X) with covalent radii R, and an
    individual size d for each element on each site, regularised by ridge regression: for an element
    that is not in the table, only the radius is used.

    Attributes:
        weights: c, w_A, w_B, w_X, then d_A, d_B, d_X by atomic number.
        n_fitted: Number of perovskites of the fit.
        error: Mean absolute error in Å, each crystal predicted by a fit without it.
    """

    weights: Float64[np.ndarray, "n_components"]
    n_fitted: int
    error: float

    def edges(self, sites: Sites) -> Float64[np.ndarray, "n_crystals"]:
        """Return lattice constants in Å, nan if a covalent radius is unknown."""
        radii, n_elements = covalent_radii(), len(SYMBOLS)
        constant, w_a, w_b, w_x = self.weights[:4]
        d_a, d_b, d_x = self.weights[4:].reshape(3, n_elements)
        own = d_a[sites.a] + d_b[sites.b] + d_x[sites.x].sum(axis=1)
        sizes = w_a * radii[sites.a] + w_b * radii[sites.b] + w_x * radii[sites.x].sum(axis=1)
        return constant + sizes + own

    def describe(self) -> dict[str, Any]:
        """Return the name of the rule and a checksum of its weights."""
        digest = hashlib.sha256(np.round(self.weights, 9).tobytes()).hexdigest()
        return {"rule": "learned", "weights": digest}

    def explain_missing(self, symbols: list[str]) -> str:
        """Return the error message for a missing radius."""
        return f"no covalent radius of one of {', '.join(symbols)} is known. Leave it out."


def learn_cells(dataset: Dataset) -> LearnedCells:
    """Fit lattice constants (the cube root of the volume, in Å) of the perovskites in a table.

    Cells of five atoms with three anions are used; of the other two atoms, B is the one closer to
    the anions.

    Args:
        dataset: Crystals, at least 30 of them perovskites.

    Returns:
        The fitted model.

    Raises:
        BadDataset: There are too few perovskites.
    """
    a, b, x, rows = find_sites(dataset.crystals)
    if len(rows) < _FEWEST:
        raise BadDataset(
            f"{dataset.source}: {len(rows)} cells ABX3 of five atoms; {_FEWEST} are needed to "
            "learn the size of cells. Pass a table of perovskites, or use radii."
        )
    edges = np.cbrt(np.abs(np.linalg.det(dataset.crystals.lattices[rows])))
    features = _features(a, b, x)
    known = np.isfinite(features).all(axis=1)
    features, edges = features[known], edges[known]
    penalty = np.full(features.shape[1], PENALTY)
    penalty[:4] = _FREE
    inverse = np.linalg.inv(features.T @ features + np.diag(penalty))
    weights = inverse @ (features.T @ edges)
    leverage = np.einsum("ij,jk,ik->i", features, inverse, features)
    left_out = (edges - features @ weights) / (1 - leverage)
    return LearnedCells(weights, len(edges), float(np.abs(left_out).mean()))


def find_sites(
    store: CrystalStore,
) -> tuple[
    Int64[np.ndarray, "n_kept"],
    Int64[np.ndarray, "n_kept"],
    Int64[np.ndarray, "n_kept 3"],
    Int64[np.ndarray, "n_kept"],
]:
    """Return the atomic numbers on A, B and X of the five-atom cells ABX3, and their rows.

    X are the three anions; of the other two atoms, B is the one closer to them, by the sum of the
    distances to their nearest images.
    """
    five = np.flatnonzero(store.n_atoms == 5)
    atoms = store.offsets[five][:, None] + np.arange(5)
    numbers = store.atomic_numbers[atoms].astype(np.int64)
    is_anion = np.isin(numbers, [atomic_number(symbol) for symbol in ANION_CHARGES])
    kept = is_anion.sum(axis=1) == 3
    five, atoms, numbers, is_anion = five[kept], atoms[kept], numbers[kept], is_anion[kept]
    order = np.argsort(is_anion, axis=1, kind="stable")  # the two cations first
    numbers = np.take_along_axis(numbers, order, axis=1)
    positions = store.fractional_positions[np.take_along_axis(atoms, order, axis=1)]
    apart = positions[:, :2, None] - positions[:, None, 2:]
    apart = (apart - np.round(apart)) @ store.lattices[five][:, None]
    sums = np.linalg.norm(apart, axis=-1).sum(axis=-1)
    b = sums.argmin(axis=1)
    rows = np.arange(len(five))
    return numbers[rows, 1 - b], numbers[rows, b], np.sort(numbers[:, 2:], axis=1), five


def covalent_radii() -> Float64[np.ndarray, "n_elements"]:
    """Return single-bond covalent radii in Å by atomic number, nan where unknown."""
    radii = np.full(len(SYMBOLS), np.nan)
    table = element_table()
    radii[table.index.to_numpy(int)] = table["covalent_radius"].to_numpy(float) / 100
    return radii


def _features(
    a: np.ndarray, b: np.ndarray, x: np.ndarray
) -> Float64[np.ndarray, "n_rows n_components"]:
    """Return 1, the radii on A, B and X, and how often each element is on each site."""
    radii, n_elements, rows = covalent_radii(), len(SYMBOLS), np.arange(len(a))
    table = np.zeros((len(a), 4 + 3 * n_elements))
    table[:, 0] = 1.0
    table[:, 1], table[:, 2], table[:, 3] = radii[a], radii[b], radii[x].sum(axis=1)
    table[rows, 4 + a] = 1.0
    table[rows, 4 + n_elements + b] = 1.0
    for column in x.T:
        table[rows, 4 + 2 * n_elements + column] += 1.0
    return table
