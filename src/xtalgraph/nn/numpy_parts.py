"""What networks in numpy are made of: predicting on a CPU, without the second that torch loads.

They give the numbers of the networks in torch to the rounding of float32, which is tested for every
kind of network; the gated sum is the same compiled loop (`gated_sum/kernel.py`). They have no
derivatives, and of the settings only what the compiled loops have.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32, Int64

from xtalgraph.compiling import compiled_for_sums
from xtalgraph.graphs.arrays import GraphArrays
from xtalgraph.nn.gated_sum import kernel
from xtalgraph.nn.gated_sum.near_gaussians import NearGaussians
from xtalgraph.nn.state_reader import StateReader
from xtalgraph.structures.elements import SYMBOLS

EPSILON = 1e-5  # of the normalisations: torch's
ZERO, ONE = np.float32(0.0), np.float32(1.0)

Rows = Float32[np.ndarray, "n_rows width"]
Step = Callable[[Rows], Rows]


def take_linear(
    numbers: StateReader, name: str, n_in: int, n_out: int, *, bias: bool = True
) -> Step:
    """Give x W + b."""
    weight = np.ascontiguousarray(numbers.take(f"{name}.weight", n_out, n_in).T)
    if not bias:
        return lambda rows: rows @ weight
    offset = numbers.take(f"{name}.bias", n_out)
    return lambda rows: rows @ weight + offset


def take_layer_norm(numbers: StateReader, name: str, width: int) -> Step:
    """Give each row with mean 0 and variance 1, scaled and shifted."""
    gain, offset = numbers.take(f"{name}.weight", width), numbers.take(f"{name}.bias", width)

    def normalise(rows: Rows) -> Rows:
        centred = rows - rows.mean(axis=1, keepdims=True)
        variance = np.mean(centred * centred, axis=1, keepdims=True)
        return centred / np.sqrt(variance + np.float32(EPSILON)) * gain + offset

    return normalise


def take_batch_norm(
    numbers: StateReader, name: str, width: int
) -> tuple[Float32[np.ndarray, "width"], Float32[np.ndarray, "width"]]:
    """Give scale and shift of a batch normalisation by its running statistics."""
    gain, offset = numbers.take(f"{name}.weight", width), numbers.take(f"{name}.bias", width)
    mean = numbers.take(f"{name}.running_mean", width).astype(np.float64)
    variance = numbers.take(f"{name}.running_var", width).astype(np.float64)
    numbers.take(f"{name}.num_batches_tracked")
    scale = gain / np.sqrt(variance + EPSILON)
    return scale.astype(np.float32), (offset - mean * scale).astype(np.float32)


def take_element_vectors(numbers: StateReader, kind: str, atom_width: int) -> Rows:
    """Give the first atom vector of each atomic number; NaN for an element without a vector."""
    name, n_elements = "element_vectors", len(SYMBOLS)
    if kind == "learned":
        return numbers.take(f"{name}.embedding.weight", n_elements, atom_width)
    stored = numbers.stored.get(f"{name}.vectors", np.zeros((n_elements, 0), np.float32))
    vectors = numbers.take(f"{name}.vectors", n_elements, stored.shape[-1])
    refusal = numbers.take(f"{name}.refusal", n_elements, 1)
    embed = take_linear(numbers, f"{name}.embedding", stored.shape[-1], atom_width)
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
        scaling: kernel.Scaling | None = None,
    ) -> None:
        self.bond_weight, self.kind = np.ascontiguousarray(bond_weight), kind
        self.scaling = scaling or kernel.Scaling()

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


@compiled_for_sums
def activate(kind, rows):  # type: ignore[no-untyped-def]
    """Give g of each component."""
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
                share = (ONE if source[c] >= ZERO else e) / (ONE + e)
                target[c] = source[c] * share
    return result


def pool(
    atoms: Float32[np.ndarray, "n_atoms width"], graph: GraphArrays, name: str
) -> Float32[np.ndarray, "n_crystals width"]:
    """Give one vector a crystal: `mean`, `sum` or `max` of its atoms', nodes by multiplicity."""
    if not graph.n_crystals:
        return np.empty((0, atoms.shape[1]), np.float32)
    starts: Int64[np.ndarray, "n_crystals"] = np.searchsorted(
        graph.crystal, np.arange(graph.n_crystals)
    )
    if name == "max":
        return np.maximum.reduceat(atoms, starts)
    sums = np.add.reduceat(atoms * graph.multiplicity.astype(np.float32)[:, None], starts)
    if name == "sum":
        return sums
    return sums / np.add.reduceat(graph.multiplicity, starts).astype(np.float32)[:, None]
