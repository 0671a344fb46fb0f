"""Parts of networks in numpy, as `torch_parts.py` has them in torch; `registry.py` names them.

Each takes its numbers from those of a trained network (`StateReader`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from xtalgraph import _native
from xtalgraph.graphs import GraphArrays
from xtalgraph.nn.configs import EXCESSES, TIE_WIDTHS, USUAL_TIE
from xtalgraph.nn.gated_sum import kernel
from xtalgraph.nn.gated_sum.kernel import NearGaussians, Scaling
from xtalgraph.nn.registry import (
    ACTIVATIONS,
    LEARNED,
    NORMALISATIONS,
    POOLINGS,
    StateReader,
    load_form,
)
from xtalgraph.structures.elements import SYMBOLS

EPSILON = 1e-5  # of the normalisations: torch's

Rows = Float32[np.ndarray, "n_rows width"]
Step = Callable[[np.ndarray], np.ndarray]


class Linear:
    """x W + b."""

    def __init__(self, weight: np.ndarray, offset: np.ndarray) -> None:
        self.weight, self.offset = np.ascontiguousarray(weight), offset

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Return x W + b of each row."""
        product = rows @ self.weight
        product += self.offset  # in place: a new array of many rows takes as long as the product
        return product

    def select(self, columns: Sequence[int]) -> Linear:
        """Return the map to some of the columns."""
        return Linear(self.weight[:, list(columns)], self.offset[list(columns)])


def take_linear(reader: StateReader, name: str, n_in: int, n_out: int) -> Linear:
    """Return x W + b with the numbers of a layer."""
    weight = reader.take(f"{name}.weight", n_out, n_in).T
    return Linear(weight, reader.take(f"{name}.bias", n_out))


def batch_scaling(reader: StateReader, name: str, width: int) -> Scaling:
    """Return the scale and shift of a batch normalisation by its running statistics."""
    gain, offset = reader.take(f"{name}.weight", width), reader.take(f"{name}.bias", width)
    mean = reader.take(f"{name}.running_mean", width).astype(np.float64)
    variance = reader.take(f"{name}.running_var", width).astype(np.float64)
    reader.take(f"{name}.num_batches_tracked")
    scale = gain / np.sqrt(variance + EPSILON)
    return Scaling(scale.astype(np.float32), (offset - mean * scale).astype(np.float32))


def layer_scaling(reader: StateReader, name: str, width: int) -> Scaling:
    """Return the scale and shift of a layer normalisation, after each row's own."""
    gain, offset = reader.take(f"{name}.weight", width), reader.take(f"{name}.bias", width)
    return Scaling(gain, offset, np.float32(EPSILON))


def no_scaling(reader: StateReader, name: str, width: int) -> Scaling:
    """Return no scaling."""
    return Scaling()


def take_scaling(reader: StateReader, kind: str, name: str, width: int) -> Scaling:
    """Return the scaling of the normalisation of that kind."""
    return load_form(NORMALISATIONS[kind].in_numpy)(reader, name, width)


def scale_rows(scaling: Scaling) -> Step:
    """Return what a scaling does to rows."""
    scale, shift, epsilon = scaling
    if scale is None or shift is None:
        return lambda rows: rows
    if epsilon is None:
        return lambda rows: rows * scale + shift

    def normalise(rows: Rows) -> Rows:
        centred = rows - rows.mean(axis=1, keepdims=True)
        variance = np.mean(centred * centred, axis=1, keepdims=True)
        return centred / np.sqrt(variance + epsilon) * scale + shift

    return normalise


def take_element_vectors(reader: StateReader, kind: str, atom_width: int) -> Rows:
    """Return the first atom vector of each atomic number; NaN for an element without a vector."""
    name, n_elements = "element_vectors", len(SYMBOLS)
    if kind == LEARNED:
        return reader.take(f"{name}.embedding.weight", n_elements, atom_width)
    stored = reader.stored.get(f"{name}.vectors", np.zeros((n_elements, 0), np.float32))
    vectors = reader.take(f"{name}.vectors", n_elements, stored.shape[-1])
    refusal = reader.take(f"{name}.refusal", n_elements, 1)
    embed = take_linear(reader, f"{name}.embedding", stored.shape[-1], atom_width)
    return embed(vectors) + refusal


class TiedBonds(NamedTuple):
    """Bond vectors with the further components of `find_bond_ties`."""

    near: NearGaussians
    ties: Float32[np.ndarray, "n_edges width"]


def find_bond_ties(graph: GraphArrays) -> Float32[np.ndarray, "n_edges width"]:
    """Return what `nn.cgcnn.find_bond_ties`, which has the equations, gives in torch."""
    distance, starts, centre = graph.distance, graph.edge_starts, graph.centre
    excesses = _bells(distance - distance[starts[centre]], EXCESSES)
    n_partners = np.diff(starts)[centre]
    bond = np.repeat(np.arange(len(distance)), n_partners)
    place = np.arange(len(bond)) - np.repeat(np.cumsum(n_partners) - n_partners, n_partners)
    partner = starts[centre[bond]] + place
    pairs = _bells(distance[bond] - distance[partner], TIE_WIDTHS)
    pairs *= graph.edge_weight[partner, None]
    ties = np.add.reduceat(pairs, np.cumsum(n_partners) - n_partners) if len(bond) else pairs
    return np.concatenate([excesses, ties / USUAL_TIE], axis=1).astype(np.float32)


def _bells(difference: np.ndarray, scales: Sequence[float]) -> np.ndarray:
    return np.exp(-((difference[:, None] / np.array(scales)) ** 2))


class GatedSum:
    """Σ σ(gate) ⊙ g(message) over the edges of each atom, of the argument's three parts."""

    def __init__(
        self,
        bond_weight: Float32[np.ndarray, "bond_width double_width"],
        kind: int,
        scaling: Scaling,
    ) -> None:
        self.bond_weight, self.kind = np.ascontiguousarray(bond_weight), kind
        self.scaling = scaling

    def __call__(
        self,
        from_centre: Float32[np.ndarray, "n_atoms double_width"],
        from_neighbour: Float32[np.ndarray, "n_atoms double_width"],
        bonds: NearGaussians | TiedBonds,
    ) -> Float32[np.ndarray, "n_atoms width"]:
        """Return what each atom receives."""
        if isinstance(bonds, TiedBonds):
            return self._sum_edges(from_centre, from_neighbour, bonds)
        return kernel.sum_gated(
            self.kind, from_centre, from_neighbour, self.bond_weight, bonds, self.scaling
        )

    def _sum_edges(
        self, from_centre: np.ndarray, from_neighbour: np.ndarray, bonds: TiedBonds
    ) -> np.ndarray:
        """Sum over arrays of all edges, for bond vectors that the compiled loop does not take."""
        near, n_gaussians = bonds.near, len(self.bond_weight) - bonds.ties.shape[1]
        starts, n_atoms = near.starts, len(from_centre)
        n_edges, n_near = near.basis_values.shape
        vectors = np.zeros((n_edges, n_gaussians), np.float32)
        places = near.first[:, None] + np.arange(n_near)
        vectors[np.arange(n_edges)[:, None], places] = near.basis_values
        arguments = np.concatenate([vectors, bonds.ties], axis=1) @ self.bond_weight
        arguments += np.repeat(from_centre, np.diff(starts), axis=0)
        arguments += from_neighbour[near.neighbour]
        gates, messages = np.split(scale_rows(self.scaling)(arguments), 2, axis=1)
        messages = activate(self.kind, messages)
        messages *= (1.0 + np.tanh(gates / 2)) / 2 * near.edge_weight[:, None]
        sums = np.zeros((n_atoms, messages.shape[1]), np.float32)
        filled = np.flatnonzero(np.diff(starts))
        if len(filled):
            sums[filled] = np.add.reduceat(messages, starts[filled])
        return sums


def find_kind(activation: str) -> int:
    """Return the number by which the compiled loops know an activation."""
    return kernel.require_kind(load_form(ACTIVATIONS[activation].compiled))


def activate(kind: int, rows: np.ndarray) -> np.ndarray:
    """Return g of each component; `kind` is one of `find_kind`."""
    result = np.empty(rows.shape, np.float32)
    _native.activate(kind, rows, result)
    return result


def take_pooling(name: str) -> Callable[[Rows, GraphArrays], Rows]:
    """Return the pooling of that name, also for a batch without a crystal."""
    form = load_form(POOLINGS[name].in_numpy)

    def pool(
        atoms: Float32[np.ndarray, "n_atoms width"], graph: GraphArrays
    ) -> Float32[np.ndarray, "n_crystals width"]:
        if not graph.n_crystals:
            return np.empty((0, atoms.shape[1]), np.float32)
        return form(atoms, graph)

    return pool


def pool_sum(
    atoms: Float32[np.ndarray, "n_atoms width"], graph: GraphArrays
) -> Float32[np.ndarray, "n_crystals width"]:
    """Return the sum of the atom vectors of each crystal."""
    weighed = atoms * graph.multiplicity.astype(np.float32)[:, None]
    return np.add.reduceat(weighed, graph.crystal_starts)


def pool_mean(
    atoms: Float32[np.ndarray, "n_atoms width"], graph: GraphArrays
) -> Float32[np.ndarray, "n_crystals width"]:
    """Return the mean of the atom vectors of each crystal."""
    n_atoms = np.add.reduceat(graph.multiplicity, graph.crystal_starts)
    return pool_sum(atoms, graph) / n_atoms.astype(np.float32)[:, None]


def pool_max(
    atoms: Float32[np.ndarray, "n_atoms width"], graph: GraphArrays
) -> Float32[np.ndarray, "n_crystals width"]:
    """Return the largest value of each component among the atoms of each crystal."""
    return np.maximum.reduceat(atoms, graph.crystal_starts)
