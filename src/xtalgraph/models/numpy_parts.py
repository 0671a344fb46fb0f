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
from xtalgraph.models.gated_sum import kernel
from xtalgraph.models.numbers import Numbers
from xtalgraph.structures.elements import SYMBOLS

EPSILON = 1e-5  # of the normalisations: torch's

Rows = Float32[np.ndarray, "n_rows width"]
Step = Callable[[Rows], Rows]


def take_linear(numbers: Numbers, name: str, n_in: int, n_out: int, *, bias: bool = True) -> Step:
    """Give x W + b."""
    weight = np.ascontiguousarray(numbers.take(f"{name}.weight", n_out, n_in).T)
    if not bias:
        return lambda rows: rows @ weight
    offset = numbers.take(f"{name}.bias", n_out)
    return lambda rows: rows @ weight + offset


def take_layer_norm(numbers: Numbers, name: str, width: int) -> Step:
    """Give each row with mean 0 and variance 1, scaled and shifted."""
    gain, offset = numbers.take(f"{name}.weight", width), numbers.take(f"{name}.bias", width)

    def normalise(rows: Rows) -> Rows:
        centred = rows - rows.mean(axis=1, keepdims=True)
        variance = np.mean(centred * centred, axis=1, keepdims=True)
        return centred / np.sqrt(variance + np.float32(EPSILON)) * gain + offset

    return normalise


def take_batch_norm(
    numbers: Numbers, name: str, width: int
) -> tuple[Float32[np.ndarray, "width"], Float32[np.ndarray, "width"]]:
    """Give scale and shift of a batch normalisation by its running statistics."""
    gain, offset = numbers.take(f"{name}.weight", width), numbers.take(f"{name}.bias", width)
    mean = numbers.take(f"{name}.running_mean", width).astype(np.float64)
    variance = numbers.take(f"{name}.running_var", width).astype(np.float64)
    numbers.take(f"{name}.num_batches_tracked")
    scale = gain / np.sqrt(variance + EPSILON)
    return scale.astype(np.float32), (offset - mean * scale).astype(np.float32)


def take_element_vectors(numbers: Numbers, kind: str, atom_width: int) -> Rows:
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


class NearBonds:
    """The bonds of a graph as the compiled loops take them: see `NearGaussians`."""

    def __init__(self, graph: GraphArrays, start: float, step: float, n_gaussians: int) -> None:
        self.first = np.empty(graph.n_edges, np.int32)
        self.values = np.empty((graph.n_edges, kernel.N_NEAR), np.float32)
        distance = graph.distance.astype(np.float64, copy=False)
        kernel.expand_near(distance, start, step, n_gaussians, self.first, self.values)
        self.starts, self.neighbour = graph.edge_starts, graph.neighbour
        self.share = graph.weight.astype(np.float32)


class GatedSum:
    """Σ σ(gate) ⊙ g(message) over the edges of each atom, of the argument's three parts."""

    def __init__(
        self,
        bond_weight: Float32[np.ndarray, "n_gaussians double_width"],
        kind: int,
        scale: Float32[np.ndarray, "double_width"] | None = None,
        shift: Float32[np.ndarray, "double_width"] | None = None,
        *,
        by_row: bool = False,
    ) -> None:
        width = bond_weight.shape[1]
        self.bond_weight, self.kind, self.by_row = np.ascontiguousarray(bond_weight), kind, by_row
        self.scale = np.ones(width, np.float32) if scale is None else scale
        self.shift = np.zeros(width, np.float32) if shift is None else shift

    def __call__(
        self,
        from_centre: Float32[np.ndarray, "n_atoms double_width"],
        from_neighbour: Float32[np.ndarray, "n_atoms double_width"],
        bonds: NearBonds,
    ) -> Float32[np.ndarray, "n_atoms width"]:
        """Give what each atom receives."""
        n_atoms, width = from_centre.shape
        n_edges = len(bonds.first)
        argument = np.empty((n_edges, width), np.float32)
        sums = np.empty((n_atoms, width // 2), np.float32)
        kernel.sum_arguments(
            from_centre, from_neighbour, self.bond_weight,
            bonds.first, bonds.values, bonds.starts, bonds.neighbour, argument,
        )  # fmt: skip
        if self.by_row:
            means, inverses = np.empty(n_edges, np.float32), np.empty(n_edges, np.float32)
            kernel.sum_gated_by_row(
                self.kind, argument, self.scale, self.shift, np.float32(EPSILON), bonds.starts,
                bonds.share, means, inverses, sums,
            )  # fmt: skip
        else:
            kernel.sum_gated(
                self.kind, argument, self.scale, self.shift, bonds.starts, bonds.share, sums
            )
        return sums


@compiled_for_sums
def activate(kind, rows):  # type: ignore[no-untyped-def]
    """Give g of each component."""
    result = np.empty_like(rows)
    for row in range(rows.shape[0]):
        source, target = rows[row], result[row]
        for c in range(rows.shape[1]):
            target[c] = kernel.activation_of(kind, source[c])
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
