"""Bond vectors as the compiled operator takes them: the few Gaussians near each distance.

A bond vector u is 41 Gaussians a step apart, each a step wide. Eight of them are above 1e-7 at any
distance, and only these are used: u W costs eight rows of W instead of 41.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32, Int64

from xtalgraph.compiling import compiled_for_sums
from xtalgraph.graphs.arrays import GraphArrays

N_NEAR = 8  # Gaussians that are used for a distance: the others are below exp(-16) = 1.1e-7
RATIO_OF_RATIOS = np.exp(-2.0)


@dataclass(frozen=True, eq=False)
class NearGaussians:
    """The Gaussians near each distance, and the atoms of each edge.

    Component `first[e] + k` of bond vector e is `values[e, k]`, the others are below 1e-7.
    `starts[i]:starts[i + 1]` are the edges of atom i.
    """

    first: Int32[np.ndarray, "n_edges"]
    values: Float32[np.ndarray, "n_edges width"]
    starts: Int64[np.ndarray, "n_offsets"]
    neighbour: Int64[np.ndarray, "n_edges"]
    share: Float32[np.ndarray, "n_edges"]  # the weights of the edges

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """All five, in the order in which the loops take them."""
        return self.first, self.values, self.starts, self.neighbour, self.share


def near_gaussians_of(
    graph: GraphArrays, start: float, step: float, n_gaussians: int
) -> NearGaussians:
    """Expand the distances of a graph in Gaussians, `step` apart from `start` on, in Å."""
    first = np.empty(graph.n_edges, np.int32)
    values = np.empty((graph.n_edges, N_NEAR), np.float32)
    distance = graph.distance.astype(np.float64, copy=False)
    expand_near(distance, start, step, n_gaussians, first, values)
    share = graph.weight.astype(np.float32)
    return NearGaussians(first, values, graph.edge_starts, graph.neighbour, share)


@compiled_for_sums
def expand_near(distance, start, step, n_gaussians, first, values):
    """Find the `N_NEAR` Gaussians around each distance: the first one's number, and all values."""
    for edge in range(len(distance)):
        place = (distance[edge] - start) / step
        begin = min(max(int(np.floor(place)) - (N_NEAR // 2 - 1), 0), n_gaussians - N_NEAR)
        first[edge] = begin
        # from k to k + 1 exp(-(x - k)²) takes a factor exp(2 (x - k) - 1): two exp for the eight;
        # for x of 30 or more, far beyond the last Gaussian, all are 0 in float32
        x = min(place - begin, 30.0)
        value, ratio = np.exp(-(x * x)), np.exp(2 * x - 1)
        for k in range(N_NEAR):
            values[edge, k] = value
            value *= ratio
            ratio *= RATIO_OF_RATIOS
