"""The gated convolution on a CPU: compiled loops that touch each edge once forward, once back.

In plain torch the gate, its normalisation and the sum are about fifteen passes over arrays of
n_edges × 2 widths, and memory is what they wait for. Here a row of two widths is all there is of an
edge, and it stays in the nearest cache:

    forward   a = v_i W_1 + v_j W_2 + u W_3,  z = scale â + shift
              s_i += edge_weight σ(z)_gate ⊙ g(z)_message
    backward  a again, which costs less than to store and read it; dz from ds; da, added up into the
              derivatives of W_3 and of the atoms' parts

â is a, or with a layer normalisation a less its mean and by its deviation. That mean is the sum of
those of the three parts, which are taken off before the loops; then the sum of the squares is
enough. Only where edges are normalised over a batch are their arguments stored, and passed over
twice in each direction, because what normalises an edge is known when all have been seen:

    forward   1. a, and its column sums      2. s_i from scale a + shift
    backward  3. dz, and its column sums     4. da = A dz + B a + D, added up

Everything is float32, in one thread, and the same at every run. The loops are in `native/`, where
exp and log are polynomials, good to 2e-7. No torch is needed here.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int32, Int64

from xtalgraph import _native
from xtalgraph.errors import BadConfig
from xtalgraph.graphs import GraphArrays

SOFTPLUS, SILU, RELU = 0, 1, 2
N_NEAR = 8  # Gaussians that are used for a distance: the others are below exp(-16) = 1.1e-7


@dataclass(frozen=True, eq=False)
class NearGaussians:
    """The Gaussians near each distance, and the atoms of each edge.

    A bond vector u is 41 Gaussians a step apart, each a step wide. Eight of them are above 1e-7 at
    any distance, and only these are used: u W costs eight rows of W instead of 41. Another radial
    basis of which eight functions in a row are not negligible is given in the same way.

    Component `first[e] + k` of bond vector e is `basis_values[e, k]`, the others are below 1e-7.
    `starts[i]:starts[i + 1]` are the edges of atom i.
    """

    first: Int32[np.ndarray, "n_edges"]
    basis_values: Float32[np.ndarray, "n_edges width"]
    starts: Int64[np.ndarray, "n_offsets"]
    neighbour: Int64[np.ndarray, "n_edges"]
    edge_weight: Float32[np.ndarray, "n_edges"]

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """All five, in the order in which the loops take them."""
        return self.first, self.basis_values, self.starts, self.neighbour, self.edge_weight


def near_gaussians(
    graph: GraphArrays, start: float, stop: float, n_gaussians: int
) -> NearGaussians:
    """Expand the distances of a graph in Gaussians, equally spaced from `start` to `stop`, in Å."""
    step = (stop - start) / (n_gaussians - 1)
    first = np.empty(graph.n_edges, np.int32)
    basis_values = np.empty((graph.n_edges, N_NEAR), np.float32)
    distance = graph.distance.astype(np.float64, copy=False)
    _native.expand_near(distance, start, step, n_gaussians, first, basis_values)
    weight = graph.edge_weight.astype(np.float32)
    return NearGaussians(first, basis_values, graph.edge_starts, graph.neighbour, weight)


class Scaling(NamedTuple):
    """What makes z of a: nothing; a scale and shift by column; or those after each row's own.

    The second is a batch normalisation with running statistics, the third a layer normalisation.
    """

    scale: Float32[np.ndarray, "double_width"] | None = None
    shift: Float32[np.ndarray, "double_width"] | None = None
    epsilon: np.float32 | None = None  # added to a row's variance; None: rows are not normalised


def sum_gated(
    kind: int,
    from_centre: Float32[np.ndarray, "n_atoms double_width"],
    from_neighbour: Float32[np.ndarray, "n_atoms double_width"],
    bond_weight: Float32[np.ndarray, "n_gaussians double_width"],
    near: NearGaussians,
    scaling: Scaling,
) -> Float32[np.ndarray, "n_atoms width"]:
    """Return Σ edge_weight σ(z)_gate ⊙ g(z)_message over each atom's edges (contiguous arrays)."""
    sums = np.empty((len(from_centre), from_centre.shape[1] // 2), np.float32)
    parts = from_centre, from_neighbour, bond_weight
    _native.sum_gated(require_kind(kind), *parts, *near.arrays, *scaling, sums)
    return sums


def differentiate(
    d_sums: Float32[np.ndarray, "n_atoms width"],
    kind: int,
    from_centre: Float32[np.ndarray, "n_atoms double_width"],
    from_neighbour: Float32[np.ndarray, "n_atoms double_width"],
    bond_weight: Float32[np.ndarray, "n_gaussians double_width"],
    near: NearGaussians,
    scaling: Scaling,
) -> tuple[np.ndarray | None, ...]:
    """Return the derivatives by the three parts of the argument, and by scale and shift if any.

    A scale is taken after a normalisation of rows only: else the edges are normalised over a batch,
    and that is differentiated in `compiled.py`.
    """
    parts = from_centre, from_neighbour, bond_weight
    d_parts = tuple(map(np.zeros_like, parts))
    d_scaling = tuple(None if array is None else np.zeros_like(array) for array in scaling[:2])
    _native.differentiate(
        require_kind(kind), *parts, *near.arrays, *scaling, d_sums, *d_parts, *d_scaling
    )
    return *d_parts, *d_scaling


def require_kind(kind: int) -> int:
    """Return the number of an activation back; `BadConfig` where the loops have none of it."""
    if kind not in (SOFTPLUS, SILU, RELU):
        raise BadConfig(
            f"the compiled loops have no activation {kind!r}: give its entry `compiled` as "
            "SOFTPLUS, SILU or RELU of gated_sum/kernel.py, or not at all."
        )
    return kind
