"""How large the cell of a cubic perovskite is: from ionic radii, or learned from a table."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, Int64

from xtalgraph.data import Dataset
from xtalgraph.errors import BadDataset
from xtalgraph.nn.element_properties import element_table
from xtalgraph.screening.oxidation_states import ANION_CHARGES
from xtalgraph.structures import CrystalStore
from xtalgraph.structures.elements import SYMBOLS, atomic_number

PENALTY = 1.0  # of an element's own size, in units of one crystal that has it
_FREE = 1e-6  # of what is hardly penalised: the constant and the weights of the radii
_FEWEST = 30  # perovskites; fewer say little of elements


@dataclass(frozen=True, eq=False)
class Sites:
    """Who stands where in many perovskites, by atomic number, with the sums of radii in Å."""

    a: Int64[np.ndarray, "n_crystals"]
    b: Int64[np.ndarray, "n_crystals"]
    x: Int64[np.ndarray, "n_crystals 3"]
    b_x: Float64[np.ndarray, "n_crystals"]  # r_B + r_X; nan where a radius is not tabulated


@runtime_checkable
class CellRule(Protocol):
    """Gives the edge of cubic cells."""

    def edges(self, sites: Sites) -> Float64[np.ndarray, "n_crystals"]:
        """Return lattice constants in Å, nan where this rule has none."""

    def describe(self) -> dict[str, Any]:
        """Return what tells this rule from another."""

    def explain_missing(self, symbols: list[str]) -> str:
        """Return why there is no cell for these elements (A, B, X), and what to do."""


@dataclass(frozen=True)
class RadiiCells:
    """Hard spheres: a = 2 (r_B + r_X), with Shannon's radii, X the mean of the three anions."""

    def edges(self, sites: Sites) -> Float64[np.ndarray, "n_crystals"]:
        """Return lattice constants in Å, nan where a radius is not tabulated."""
        return 2 * sites.b_x

    def describe(self) -> dict[str, Any]:
        """Name the rule."""
        return {"rule": "radii"}

    def explain_missing(self, symbols: list[str]) -> str:
        """Return a sentence for the case that a radius is missing."""
        return (
            f"no ionic radius of {symbols[1]} (or an anion) is tabulated. Learn cells from a table "
            "(--cells TABLE)."
        )


@dataclass(frozen=True, eq=False)
class LearnedCells:
    """A linear model of the lattice constant, fitted to the perovskites of a table.

    a = c + w_A R_A + w_B R_B + w_X ΣR_X + d_A(A) + d_B(B) + Σ d_X(X) with covalent radii R, and a
    size d of its own for each element on each site, held small by ridge regression: an element
    that the table does not have is judged by its radius alone.
    """

    weights: Float64[np.ndarray, "n_components"]
    n_fitted: int
    error: float  # Å, mean absolute, each crystal predicted by a fit without it

    def edges(self, sites: Sites) -> Float64[np.ndarray, "n_crystals"]:
        """Return lattice constants in Å, nan where a covalent radius is not known."""
        radii, n_elements = covalent_radii(), len(SYMBOLS)
        constant, w_a, w_b, w_x = self.weights[:4]
        d_a, d_b, d_x = self.weights[4:].reshape(3, n_elements)
        own = d_a[sites.a] + d_b[sites.b] + d_x[sites.x].sum(axis=1)
        sizes = w_a * radii[sites.a] + w_b * radii[sites.b] + w_x * radii[sites.x].sum(axis=1)
        return constant + sizes + own

    def describe(self) -> dict[str, Any]:
        """Name the rule, with a checksum of its weights."""
        digest = hashlib.sha256(np.round(self.weights, 9).tobytes()).hexdigest()
        return {"rule": "learned", "weights": digest}

    def explain_missing(self, symbols: list[str]) -> str:
        """Return a sentence for the case that a radius is missing."""
        return f"no covalent radius of one of {', '.join(symbols)} is known. Leave it out."


def learn_cells(dataset: Dataset) -> LearnedCells:
    """Fit lattice constants (the cube root of the volume, in Å) of the perovskites of a table.

    Taken are the cells of five atoms with three anions; of the other two, B is the one nearer to
    them. Refused is a table with fewer than 30 of them.
    """
    a, b, x, rows = find_sites(dataset.crystals)
    if len(rows) < _FEWEST:
        raise BadDataset(
            f"{dataset.source}: {len(rows)} cells ABX3 of five atoms; {_FEWEST} are needed to "
            "learn the size of cells. Give a table of perovskites, or take radii."
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
    """Return the atomic numbers on A, B and X of the cells ABX3 of five atoms, and their rows.

    X are the three anions; of the other two atoms B is the one nearer to them, by the sum of the
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
    """Return single-bond covalent radii in Å by atomic number, nan where none is known."""
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
