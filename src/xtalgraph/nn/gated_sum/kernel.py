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

exp and log are polynomials (Cephes), because they must be plain arithmetic for the compiler to do 8
or 16 at a time; they are good to 2e-7. Everything is float32, in one thread, and the same at every
run. No torch is needed here. All that is compiled into a loop stands in this file: numba keeps what
it compiled until the file of the loop changes, and looks at no other.
"""

# mypy: disable-error-code="no-untyped-def"

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int32, Int64
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from xtalgraph.compiling import compiled_for_sums, inlined
from xtalgraph.errors import BadConfig
from xtalgraph.graphs import GraphArrays

SOFTPLUS, SILU, RELU = 0, 1, 2
N_NEAR = 8  # Gaussians that are used for a distance: the others are below exp(-16) = 1.1e-7
RATIO_OF_RATIOS = np.exp(-2.0)
BLOCK = 64  # edges whose column sums are added in float32 before they go to float64

F = np.float32


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
    def arrays(self) -> tuple[np.ndarray, ...]:
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
    expand_near(distance, start, step, n_gaussians, first, basis_values)
    weight = graph.edge_weight.astype(np.float32)
    return NearGaussians(first, basis_values, graph.edge_starts, graph.neighbour, weight)


@compiled_for_sums
def expand_near(distance, start, step, n_gaussians, first, basis_values):
    """Find the `N_NEAR` Gaussians around each distance: the first one's number, all values."""
    for edge in range(len(distance)):
        place = (distance[edge] - start) / step
        begin = min(max(int(np.floor(place)) - (N_NEAR // 2 - 1), 0), n_gaussians - N_NEAR)
        first[edge] = begin
        # from k to k + 1 exp(-(x - k)²) takes a factor exp(2 (x - k) - 1): two exp for the eight;
        # for x of 30 or more, far beyond the last Gaussian, all are 0 in float32
        x = min(place - begin, 30.0)
        value, ratio = np.exp(-(x * x)), np.exp(2 * x - 1)
        for k in range(N_NEAR):
            basis_values[edge, k] = value
            value *= ratio
            ratio *= RATIO_OF_RATIOS


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
    parts = _centred([from_centre, from_neighbour, bond_weight], scaling)
    gated_sum_loop(kind)(*parts, *near.arrays, *scaling, sums)
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
    and that is differentiated by `differentiate_gate` and `spread_derivative`.
    """
    parts = _centred([from_centre, from_neighbour, bond_weight], scaling)
    d_parts = [np.zeros_like(part) for part in parts]
    d_scaling = [None if array is None else np.zeros_like(array) for array in scaling[:2]]
    derivative_loop(kind)(*parts, *near.arrays, *scaling, d_sums, *d_parts, *d_scaling)
    return *_centred(d_parts, scaling), *d_scaling


def _centred(parts: list[np.ndarray], scaling: Scaling) -> list[np.ndarray]:
    """Take off the mean of each row where rows are normalised; its own derivative is the same."""
    return parts if scaling.epsilon is None else [take_off_mean(part) for part in parts]


def require_kind(kind: int) -> int:
    """Return the number of an activation back; `BadConfig` where the loops have none of it."""
    if kind not in (SOFTPLUS, SILU, RELU):
        raise BadConfig(
            f"the compiled loops have no activation {kind!r}: give its entry `compiled` as "
            "SOFTPLUS, SILU or RELU of gated_sum/kernel.py, or not at all."
        )
    return kind


@intrinsic
def as_float(typing_context, bits):
    """Read the 32 bits of an integer as a float."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), generate


@inlined
def exp_of(x):
    """Return exp(x) for x in [-43, 43]; what is beyond is taken for the end.

    So the product of two of these is still a number.
    """
    x = min(max(x, F(-43.0)), F(43.0))  # in this order nan stays nan
    k = np.floor(x * F(1.44269504088896341) + F(0.5))
    x = x - k * F(0.693359375) + k * F(2.12194440e-4)
    p = F(1.9875691500e-4)
    p = p * x + F(1.3981999507e-3)
    p = p * x + F(8.3334519073e-3)
    p = p * x + F(4.1665795894e-2)
    p = p * x + F(1.6666665459e-1)
    p = p * x + F(5.0000001201e-1)
    p = p * x * x + x + F(1.0)
    return p * as_float(np.int32((np.int32(k) + np.int32(127)) << np.int32(23)))


@inlined
def log_of_one_plus(x):
    """Return log(1 + x) for x in [0, 1]."""
    # log(1 + x) = 2 artanh(x / (2 + x)), with a series that ends at 3e-8 on [0, 1]
    r = x / (F(2.0) + x)
    s = r * r
    p = F(1.0 / 13.0)
    p = p * s + F(1.0 / 11.0)
    p = p * s + F(1.0 / 9.0)
    p = p * s + F(1.0 / 7.0)
    p = p * s + F(1.0 / 5.0)
    p = p * s + F(1.0 / 3.0)
    p = p * s + F(1.0)
    return F(2.0) * r * p


@inlined
def gate_of(kind, gate, message):
    """Return σ(gate), g(message) and its derivative g'(message).

    A caller that leaves the derivative pays nothing for it.
    """
    a = F(1.0) + exp_of(-gate)
    if kind == SILU:
        b = F(1.0) + exp_of(-message)
        both = F(1.0) / (a * b)  # σ(gate) σ(message): one division for the two
        s = both * a
        return both * b, message * s, s * (F(1.0) + message * (F(1.0) - s))
    if kind == SOFTPLUS:
        e = exp_of(-abs(message))
        s = F(1.0) / (F(1.0) + e)
        derivative = s if message >= F(0.0) else e * s
        return F(1.0) / a, max(message, F(0.0)) + log_of_one_plus(e), derivative
    return F(1.0) / a, max(message, F(0.0)), F(1.0) if message > F(0.0) else F(0.0)


@inlined
def fill_argument(row, own, other, bond_weight, begin, near):
    """Fill `row` with own + other + Σ_k near_k (row begin + k of `bond_weight`).

    Gives the sum of the squares, which costs nothing where it is left.
    """
    square = F(0.0)
    w0, w1, w2, w3, w4, w5, w6, w7 = (
        near[0], near[1], near[2], near[3], near[4], near[5], near[6], near[7],
    )  # fmt: skip
    r0, r1 = bond_weight[begin], bond_weight[begin + 1]
    r2, r3 = bond_weight[begin + 2], bond_weight[begin + 3]
    r4, r5 = bond_weight[begin + 4], bond_weight[begin + 5]
    r6, r7 = bond_weight[begin + 6], bond_weight[begin + 7]
    for c in range(len(row)):
        bond = w0 * r0[c] + w1 * r1[c] + w2 * r2[c] + w3 * r3[c]
        bond += w4 * r4[c] + w5 * r5[c] + w6 * r6[c] + w7 * r7[c]
        x = own[c] + other[c] + bond
        row[c] = x
        square += x * x
    return square


@compiled_for_sums
def take_off_mean(rows):
    """Return the rows less the mean of each."""
    found = np.empty_like(rows)
    for i in range(len(rows)):
        row, out, total = rows[i], found[i], F(0.0)
        for c in range(len(row)):
            total += row[c]
        mean = total / F(len(row))
        for c in range(len(row)):
            out[c] = row[c] - mean
    return found


@inlined
def add_to_both(d_row, d_own, d_other):
    """Add a row to those of its two atoms."""
    for c in range(len(d_row)):
        d_own[c] += d_row[c]
        d_other[c] += d_row[c]


@inlined
def add_to_weight(d_row, d_weight, begin, near):
    """Add near_k times a row to row begin + k of `d_weight`."""
    for k in range(N_NEAR):
        value, target = near[k], d_weight[begin + k]
        for c in range(len(d_row)):
            target[c] += value * d_row[c]


@cache
def gated_sum_loop(kind: int) -> Callable:
    """Return `sum_gated` compiled for one activation: a branch in its loop would cost each edge."""
    require_kind(kind)

    @compiled_for_sums
    def sum_gated_of_kind(
        from_centre, from_neighbour, bond_weight,
        first, basis_values, starts, neighbour, edge_weight, scale, shift, epsilon, sums,
    ):  # fmt: skip
        width = sums.shape[1]
        row = np.empty(2 * width, F)
        for centre in range(len(starts) - 1):
            own, mine = from_centre[centre], sums[centre]
            for c in range(width):
                mine[c] = F(0.0)
            for edge in range(starts[centre], starts[centre + 1]):
                other, weight = from_neighbour[neighbour[edge]], edge_weight[edge]
                near = basis_values[edge]
                square = fill_argument(row, own, other, bond_weight, first[edge], near)
                if epsilon is not None:
                    inverse = F(1.0) / np.sqrt(square / F(2 * width) + epsilon)
                for c in range(width):
                    gate, message = row[c], row[width + c]
                    if epsilon is not None:
                        gate, message = gate * inverse, message * inverse
                    if scale is not None:
                        gate = gate * scale[c] + shift[c]
                        message = message * scale[width + c] + shift[width + c]
                    s, g, _ = gate_of(kind, gate, message)
                    mine[c] += weight * s * g

    return sum_gated_of_kind


@cache
def derivative_loop(kind: int) -> Callable:
    """Return the compiled `differentiate` of an activation."""
    require_kind(kind)

    @compiled_for_sums
    def differentiate_of_kind(
        from_centre, from_neighbour, bond_weight,
        first, basis_values, starts, neighbour, edge_weight, scale, shift, epsilon,
        d_sums, d_centre, d_neighbour, d_weight, d_scale, d_shift,
    ):  # fmt: skip
        width = d_sums.shape[1]
        row, d_row = np.empty(2 * width, F), np.empty(2 * width, F)
        for centre in range(len(starts) - 1):
            own, mine = from_centre[centre], d_sums[centre]
            for edge in range(starts[centre], starts[centre + 1]):
                other, weight = from_neighbour[neighbour[edge]], edge_weight[edge]
                begin = first[edge]
                square = fill_argument(row, own, other, bond_weight, begin, basis_values[edge])
                if epsilon is not None:
                    inverse = F(1.0) / np.sqrt(square / F(2 * width) + epsilon)
                product = F(0.0)
                for c in range(width):
                    gate, message = row[c], row[width + c]
                    if epsilon is not None:
                        gate_unit, message_unit = gate * inverse, message * inverse
                        gate = gate_unit * scale[c] + shift[c]
                        message = message_unit * scale[width + c] + shift[width + c]
                    s, g, derivative = gate_of(kind, gate, message)
                    by_message = weight * mine[c] * s
                    by_gate = by_message * (F(1.0) - s) * g
                    by_message = by_message * derivative
                    if epsilon is not None:
                        d_shift[c] += by_gate
                        d_shift[width + c] += by_message
                        d_scale[c] += by_gate * gate_unit
                        d_scale[width + c] += by_message * message_unit
                        by_gate = by_gate * scale[c]
                        by_message = by_message * scale[width + c]
                        product += by_gate * gate_unit + by_message * message_unit
                    d_row[c] = by_gate
                    d_row[width + c] = by_message
                if epsilon is not None:
                    product = product * inverse / F(2 * width)
                    for c in range(2 * width):
                        d_row[c] = (d_row[c] - row[c] * product) * inverse
                add_to_both(d_row, d_centre[centre], d_neighbour[neighbour[edge]])
                add_to_weight(d_row, d_weight, begin, basis_values[edge])

    return differentiate_of_kind


@inlined
def empty_block(block, total):
    """Add the sums of a block to those of all, and set them to zero."""
    for c in range(len(block)):
        total[c] += block[c]
        block[c] = F(0.0)


@compiled_for_sums
def sum_arguments(
    from_centre, from_neighbour, bond_weight, first, basis_values, starts, neighbour, a
):
    """Fill `a`, the gate's argument of each edge; give its column sums and sums of squares."""
    width = a.shape[1]
    total, squares = np.zeros(width), np.zeros(width)
    block, block_squares = np.zeros(width, F), np.zeros(width, F)
    n_in_block = 0
    for centre in range(len(starts) - 1):
        own = from_centre[centre]
        for edge in range(starts[centre], starts[centre + 1]):
            row, other = a[edge], from_neighbour[neighbour[edge]]
            fill_argument(row, own, other, bond_weight, first[edge], basis_values[edge])
            for c in range(width):
                block[c] += row[c]
                block_squares[c] += row[c] * row[c]
            n_in_block += 1
            if n_in_block == BLOCK:
                empty_block(block, total)
                empty_block(block_squares, squares)
                n_in_block = 0
    empty_block(block, total)
    empty_block(block_squares, squares)
    return total, squares


@compiled_for_sums
def sum_gated_arguments(kind, a, scale, shift, starts, edge_weight, sums):
    """Fill `sums` with Σ edge_weight σ(gate) ⊙ g(message) over each atom's edges."""
    width = sums.shape[1]
    for centre in range(len(starts) - 1):
        mine = sums[centre]
        for c in range(width):
            mine[c] = F(0.0)
        for edge in range(starts[centre], starts[centre + 1]):
            row, weight = a[edge], edge_weight[edge]
            for c in range(width):
                gate = row[c] * scale[c] + shift[c]
                message = row[width + c] * scale[width + c] + shift[width + c]
                s, g, _ = gate_of(kind, gate, message)
                mine[c] += weight * s * g


@compiled_for_sums
def differentiate_gate(kind, a, scale, shift, starts, edge_weight, d_sums, dz):
    """Fill `dz`, the derivative by the normalised argument; give Σ dz and Σ dz a by column."""
    width = d_sums.shape[1]
    total, product = np.zeros(2 * width), np.zeros(2 * width)
    block, block_product = np.zeros(2 * width, F), np.zeros(2 * width, F)
    n_in_block = 0
    for centre in range(len(starts) - 1):
        mine = d_sums[centre]
        for edge in range(starts[centre], starts[centre + 1]):
            row, out, weight = a[edge], dz[edge], edge_weight[edge]
            for c in range(width):
                gate = row[c] * scale[c] + shift[c]
                message = row[width + c] * scale[width + c] + shift[width + c]
                s, g, derivative = gate_of(kind, gate, message)
                x = weight * mine[c] * s
                out[c] = x * (F(1.0) - s) * g
                out[width + c] = x * derivative
            for c in range(2 * width):
                block[c] += out[c]
                block_product[c] += out[c] * row[c]
            n_in_block += 1
            if n_in_block == BLOCK:
                empty_block(block, total)
                empty_block(block_product, product)
                n_in_block = 0
    empty_block(block, total)
    empty_block(block_product, product)
    return total, product


@compiled_for_sums
def spread_derivative(
    a, dz, by_z, by_a, constant, first, basis_values, starts, neighbour,
    d_centre, d_neighbour, d_weight,
):  # fmt: skip
    """Add da = by_z dz + by_a a + constant into the derivatives of what `a` was made of.

    The three derivatives must be zero before; `dz` becomes da.
    """
    for centre in range(len(starts) - 1):
        for edge in range(starts[centre], starts[centre + 1]):
            row, d_row = a[edge], dz[edge]
            for c in range(len(row)):
                d_row[c] = by_z[c] * d_row[c] + by_a[c] * row[c] + constant[c]
            add_to_both(d_row, d_centre[centre], d_neighbour[neighbour[edge]])
            add_to_weight(d_row, d_weight, first[edge], basis_values[edge])
