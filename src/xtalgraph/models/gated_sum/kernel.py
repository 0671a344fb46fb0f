"""The gated convolution on a CPU: compiled loops that touch each edge twice forward, twice back.

In plain torch the gate, its normalisation and the sum are some fifteen passes over arrays of
n_edges × 2 widths, and memory is what they wait for. Here they are four loops:

    forward   1. a = v_i W_1 + v_j W_2 + u W_3, and its column sums for the normalisation
              2. s_i = Σ share σ(scale a + shift)_gate ⊙ g(scale a + shift)_message
    backward  3. dz from ds and a, and the column sums that the normalisation's derivative needs
              4. da = A dz + B a + D, added up into the derivatives of W_3 and of the atoms' parts

With a layer normalisation, where each edge is normalised by itself, loops 2 and 3 do that row by
row, and loop 3 gives da at once.

A bond vector u is 41 Gaussians a step apart, each a step wide. Eight of them are above 1e-7 at any
distance, and only these are used: u W_3 costs eight rows of W_3 instead of 41. exp and log are
polynomials (Cephes), because they must be plain arithmetic for the compiler to do 8 or 16 at a
time; they are good to 2e-7. Everything is float32, in one thread, and the same at every run.
"""

# mypy: disable-error-code="no-untyped-def"

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from xtalgraph.compiling import compiled_for_sums, inlined

N_NEAR = 8  # Gaussians that are used for a distance: the others are below exp(-16) = 1.1e-7
SOFTPLUS, SILU, RELU = 0, 1, 2
BLOCK = 64  # edges whose column sums are added in float32 before they go to float64

F = np.float32


@intrinsic
def as_float(typing_context, bits):
    """Read the 32 bits of an integer as a float."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), generate


@intrinsic
def as_bits(typing_context, number):
    """Read the 32 bits of a float as an integer."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.IntType(32))

    return types.int32(types.float32), generate


@inlined
def exp_of(x):
    """Give exp(x) for x in [-87, 0]; what is below is taken for -87."""
    x = max(x, F(-87.0))
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
    """Give log(1 + x) for x in [0, 1]."""
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
def sigmoid_of(x):
    """Give 1 / (1 + exp(-x))."""
    e = exp_of(-abs(x))
    positive = F(1.0) / (F(1.0) + e)
    return positive if x >= F(0.0) else e * positive


@inlined
def activation_of(kind, x):
    """Give g(x)."""
    if kind == SOFTPLUS:
        return max(x, F(0.0)) + log_of_one_plus(exp_of(-abs(x)))
    if kind == SILU:
        return x * sigmoid_of(x)
    return max(x, F(0.0))


@inlined
def derivative_of(kind, x):
    """Give g'(x)."""
    if kind == RELU:
        return F(1.0) if x > F(0.0) else F(0.0)
    s = sigmoid_of(x)
    if kind == SOFTPLUS:
        return s
    return s * (F(1.0) + x * (F(1.0) - s))


@compiled_for_sums
def expand_near(distance, start, step, n_gaussians, first, weights):
    """Find the `N_NEAR` Gaussians around each distance: the first one's number, and all values."""
    for edge in range(len(distance)):
        place = (distance[edge] - start) / step
        begin = min(max(int(np.floor(place)) - (N_NEAR // 2 - 1), 0), n_gaussians - N_NEAR)
        first[edge] = begin
        for k in range(N_NEAR):
            weights[edge, k] = np.exp(-((place - (begin + k)) ** 2))


@compiled_for_sums
def sum_arguments(from_centre, from_neighbour, edge_weight, first, weights, starts, neighbour, a):
    """Fill `a`, the gate's argument of each edge; give its column sums and sums of squares."""
    width = a.shape[1]
    total, squares = np.zeros(width), np.zeros(width)
    block, block_squares = np.zeros(width, F), np.zeros(width, F)
    n_in_block = 0
    for centre in range(len(starts) - 1):
        own = from_centre[centre]
        for edge in range(starts[centre], starts[centre + 1]):
            other, row, begin = from_neighbour[neighbour[edge]], a[edge], first[edge]
            w0, w1, w2, w3 = weights[edge, 0], weights[edge, 1], weights[edge, 2], weights[edge, 3]
            w4, w5, w6, w7 = weights[edge, 4], weights[edge, 5], weights[edge, 6], weights[edge, 7]
            r0, r1, r2, r3 = (
                edge_weight[begin],
                edge_weight[begin + 1],
                edge_weight[begin + 2],
                edge_weight[begin + 3],
            )
            r4, r5, r6, r7 = (
                edge_weight[begin + 4],
                edge_weight[begin + 5],
                edge_weight[begin + 6],
                edge_weight[begin + 7],
            )
            for c in range(width):
                near = w0 * r0[c] + w1 * r1[c] + w2 * r2[c] + w3 * r3[c]
                near += w4 * r4[c] + w5 * r5[c] + w6 * r6[c] + w7 * r7[c]
                x = own[c] + other[c] + near
                row[c] = x
                block[c] += x
                block_squares[c] += x * x
            n_in_block += 1
            if n_in_block == BLOCK:
                for c in range(width):
                    total[c] += block[c]
                    squares[c] += block_squares[c]
                    block[c] = F(0.0)
                    block_squares[c] = F(0.0)
                n_in_block = 0
    for c in range(width):
        total[c] += block[c]
        squares[c] += block_squares[c]
    return total, squares


@compiled_for_sums
def sum_gated(kind, a, scale, shift, starts, share, sums):
    """Fill `sums` with Σ share σ(gate) ⊙ g(message) over each atom's edges."""
    width = sums.shape[1]
    for centre in range(len(starts) - 1):
        mine = sums[centre]
        for c in range(width):
            mine[c] = F(0.0)
        for edge in range(starts[centre], starts[centre + 1]):
            row, part = a[edge], share[edge]
            for c in range(width):
                gate = row[c] * scale[c] + shift[c]
                message = row[width + c] * scale[width + c] + shift[width + c]
                mine[c] += part * sigmoid_of(gate) * activation_of(kind, message)


@compiled_for_sums
def differentiate_gate(kind, a, scale, shift, starts, share, d_sums, dz):
    """Fill `dz`, the derivative by the normalised argument; give Σ dz and Σ dz a by column."""
    width = d_sums.shape[1]
    total, product = np.zeros(2 * width), np.zeros(2 * width)
    block, block_product = np.zeros(2 * width, F), np.zeros(2 * width, F)
    n_in_block = 0
    for centre in range(len(starts) - 1):
        mine = d_sums[centre]
        for edge in range(starts[centre], starts[centre + 1]):
            row, out, part = a[edge], dz[edge], share[edge]
            for c in range(width):
                gate = row[c] * scale[c] + shift[c]
                message = row[width + c] * scale[width + c] + shift[width + c]
                s = sigmoid_of(gate)
                by_gate = part * mine[c] * activation_of(kind, message) * s * (F(1.0) - s)
                by_message = part * mine[c] * s * derivative_of(kind, message)
                out[c] = by_gate
                out[width + c] = by_message
                block[c] += by_gate
                block[width + c] += by_message
                block_product[c] += by_gate * row[c]
                block_product[width + c] += by_message * row[width + c]
            n_in_block += 1
            if n_in_block == BLOCK:
                for c in range(2 * width):
                    total[c] += block[c]
                    product[c] += block_product[c]
                    block[c] = F(0.0)
                    block_product[c] = F(0.0)
                n_in_block = 0
    for c in range(2 * width):
        total[c] += block[c]
        product[c] += block_product[c]
    return total, product


@compiled_for_sums
def sum_gated_by_row(kind, a, gain, offset, epsilon, starts, share, means, inverses, sums):
    """Fill `sums` likewise, each edge's argument normalised over its own components.

    `means` and `inverses` (1 / standard deviation) of each edge are filled for the way back.
    """
    width = sums.shape[1]
    for centre in range(len(starts) - 1):
        mine = sums[centre]
        for c in range(width):
            mine[c] = F(0.0)
        for edge in range(starts[centre], starts[centre + 1]):
            row, part = a[edge], share[edge]
            mean, variance = F(0.0), F(0.0)
            for c in range(2 * width):
                mean += row[c]
            mean = mean / F(2 * width)
            for c in range(2 * width):
                variance += (row[c] - mean) * (row[c] - mean)
            inverse = F(1.0) / np.sqrt(variance / F(2 * width) + epsilon)
            means[edge], inverses[edge] = mean, inverse
            for c in range(width):
                gate = (row[c] - mean) * inverse * gain[c] + offset[c]
                message = (row[width + c] - mean) * inverse * gain[width + c] + offset[width + c]
                mine[c] += part * sigmoid_of(gate) * activation_of(kind, message)


@compiled_for_sums
def differentiate_gate_by_row(
    kind, a, gain, offset, means, inverses, starts, share, d_sums, da, d_gain, d_offset
):
    """Fill `da`, the derivative by the argument, and add into those by gain and offset."""
    width = d_sums.shape[1]
    for centre in range(len(starts) - 1):
        mine = d_sums[centre]
        for edge in range(starts[centre], starts[centre + 1]):
            row, out, part = a[edge], da[edge], share[edge]
            mean, inverse = means[edge], inverses[edge]
            total, product = F(0.0), F(0.0)
            for c in range(width):
                gate_unit = (row[c] - mean) * inverse
                message_unit = (row[width + c] - mean) * inverse
                gate = gate_unit * gain[c] + offset[c]
                message = message_unit * gain[width + c] + offset[width + c]
                s = sigmoid_of(gate)
                by_gate = part * mine[c] * activation_of(kind, message) * s * (F(1.0) - s)
                by_message = part * mine[c] * s * derivative_of(kind, message)
                d_offset[c] += by_gate
                d_offset[width + c] += by_message
                d_gain[c] += by_gate * gate_unit
                d_gain[width + c] += by_message * message_unit
                by_gate *= gain[c]
                by_message *= gain[width + c]
                out[c] = by_gate
                out[width + c] = by_message
                total += by_gate + by_message
                product += by_gate * gate_unit + by_message * message_unit
            total = total / F(2 * width)
            product = product / F(2 * width)
            for c in range(2 * width):
                out[c] = inverse * (out[c] - total - (row[c] - mean) * inverse * product)


@compiled_for_sums
def spread_derivative(
    a, dz, by_z, by_a, constant, first, weights, starts, neighbour, d_centre, d_neighbour, d_weight
):
    """Add da = by_z dz + by_a a + constant into the derivatives of what `a` was made of.

    The three derivatives must be zero before.
    """
    width = a.shape[1]
    for centre in range(len(starts) - 1):
        mine = d_centre[centre]
        for edge in range(starts[centre], starts[centre + 1]):
            row, row_z, begin = a[edge], dz[edge], first[edge]
            other = d_neighbour[neighbour[edge]]
            for c in range(width):
                x = by_z[c] * row_z[c] + by_a[c] * row[c] + constant[c]
                row_z[c] = x
                mine[c] += x
                other[c] += x
            for k in range(N_NEAR):
                weight, target = weights[edge, k], d_weight[begin + k]
                for c in range(width):
                    target[c] += weight * row_z[c]
