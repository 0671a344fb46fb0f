"""Parts of networks in numpy: predicting on a CPU, without the second that torch takes to load.

They give the numbers of the parts in torch to the rounding of float32, which is tested for every
network; the gated sum is the same compiled loop (`gated_sum/kernel.py`). They have no derivatives.
`registry.py` has them by name.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32

from xtalgraph.compiling import compiled_for_sums
from xtalgraph.graphs import GraphArrays
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
ZERO, ONE = np.float32(0.0), np.float32(1.0)

Rows = Float32[np.ndarray, "n_rows width"]
Step = Callable[[Rows], Rows]


def take_linear(
    reader: StateReader, name: str, n_in: int, n_out: int, *, bias: bool = True
) -> Step:
    """Give x W + b."""
    weight = np.ascontiguousarray(reader.take(f"{name}.weight", n_out, n_in).T)
    if not bias:
        return lambda rows: rows @ weight
    offset = reader.take(f"{name}.bias", n_out)
    return lambda rows: rows @ weight + offset


def batch_scaling(reader: StateReader, name: str, width: int) -> Scaling:
    """Give the scale and shift of a batch normalisation by its running statistics."""
    gain, offset = reader.take(f"{name}.weight", width), reader.take(f"{name}.bias", width)
    mean = reader.take(f"{name}.running_mean", width).astype(np.float64)
    variance = reader.take(f"{name}.running_var", width).astype(np.float64)
    reader.take(f"{name}.num_batches_tracked")
    scale = gain / np.sqrt(variance + EPSILON)
    return Scaling(scale.astype(np.float32), (offset - mean * scale).astype(np.float32))


def layer_scaling(reader: StateReader, name: str, width: int) -> Scaling:
    """Give the scale and shift of a layer normalisation, after each row's own."""
    gain, offset = reader.take(f"{name}.weight", width), reader.take(f"{name}.bias", width)
    return Scaling(gain, offset, np.float32(EPSILON))


def no_scaling(reader: StateReader, name: str, width: int) -> Scaling:
    """Give no scaling."""
    return Scaling()


def take_scaling(reader: StateReader, kind: str, name: str, width: int) -> Scaling:
    """Give the scaling of the normalisation of that kind."""
    return load_form(NORMALISATIONS[kind].in_numpy)(reader, name, width)


def scale_rows(scaling: Scaling) -> Step:
    """Give what a scaling does to rows."""
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
    """Give the first atom vector of each atomic number; NaN for an element without a vector."""
    name, n_elements = "element_vectors", len(SYMBOLS)
    if kind == LEARNED:
        return reader.take(f"{name}.embedding.weight", n_elements, atom_width)
    stored = reader.stored.get(f"{name}.vectors", np.zeros((n_elements, 0), np.float32))
    vectors = reader.take(f"{name}.vectors", n_elements, stored.shape[-1])
    refusal = reader.take(f"{name}.refusal", n_elements, 1)
    embed = take_linear(reader, f"{name}.embedding", stored.shape[-1], atom_width)
    return embed(vectors) + refusal


def list_known(vectors: Rows) -> list[int]:
    """Give the atomic numbers that have a vector."""
    known = ~np.isnan(vectors).any(axis=1)
    known[0] = False  # which no crystal holds
    return np.flatnonzero(known).tolist()


class GatedSum:
    """Σ σ(gate) ⊙ g(message) over the edges of each atom, of the argument's three parts."""

    def __init__(
        self,
        bond_weight: Float32[np.ndarray, "n_gaussians double_width"],
        kind: int,
        scaling: Scaling,
    ) -> None:
        self.bond_weight, self.kind = np.ascontiguousarray(bond_weight), kind
        self.scaling = scaling

    def __call__(
        self,
        from_centre: Float32[np.ndarray, "n_atoms double_width"],
        from_neighbour: Float32[np.ndarray, "n_atoms double_width"],
        near: NearGaussians,
    ) -> Float32[np.ndarray, "n_atoms width"]:
        """Give what each atom receives."""
        return kernel.sum_gated(
            self.kind, from_centre, from_neighbour, self.bond_weight, near, self.scaling
        )


def find_kind(activation: str) -> int:
    """Give the number by which the compiled loops know an activation."""
    return kernel.require_kind(load_form(ACTIVATIONS[activation].compiled))


@compiled_for_sums
def activate(kind, rows):  # type: ignore[no-untyped-def]
    """Give g of each component; `kind` is one of `find_kind`."""
    result = np.empty_like(rows)
    for row in range(rows.shape[0]):
        source, target = rows[row], result[row]
        if kind == kernel.RELU:
            for c in range(rows.shape[1]):
                target[c] = max(source[c], ZERO)
        elif kind == kernel.SOFTPLUS:
            for c in range(rows.shape[1]):
                e = kernel.exp_of(-abs(source[c]))
                target[c] = max(source[c], ZERO) + kernel.log_of_one_plus(e)
        else:
            for c in range(rows.shape[1]):
                e = kernel.exp_of(-abs(source[c]))
                sigmoid = (ONE if source[c] >= ZERO else e) / (ONE + e)
                target[c] = source[c] * sigmoid
    return result


def take_pooling(name: str) -> Callable[[Rows, GraphArrays], Rows]:
    """Give the pooling of that name, also for a batch without a crystal."""
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
    """Give the sum of the atom vectors of each crystal."""
    weighed = atoms * graph.multiplicity.astype(np.float32)[:, None]
    return np.add.reduceat(weighed, graph.crystal_starts)


def pool_mean(
    atoms: Float32[np.ndarray, "n_atoms width"], graph: GraphArrays
) -> Float32[np.ndarray, "n_crystals width"]:
    """Give the mean of the atom vectors of each crystal."""
    n_atoms = np.add.reduceat(graph.multiplicity, graph.crystal_starts)
    return pool_sum(atoms, graph) / n_atoms.astype(np.float32)[:, None]


def pool_max(
    atoms: Float32[np.ndarray, "n_atoms width"], graph: GraphArrays
) -> Float32[np.ndarray, "n_crystals width"]:
    """Give the largest value of each component among the atoms of each crystal."""
    return np.maximum.reduceat(atoms, graph.crystal_starts)
