"""The gated sum where edges are normalised over the batch: two passes forward and two back.

What normalises an edge is known when all have been seen, so their arguments are stored:

    forward   1. a = v_i W_1 + v_j W_2 + u W_3, and its column sums for the normalisation
              2. s_i = Σ share σ(scale a + shift)_gate ⊙ g(scale a + shift)_message
    backward  3. dz from ds and a, and the column sums that the normalisation's derivative needs
              4. da = A dz + B a + D, added up into the derivatives of W_3 and of the atoms' parts
"""

# mypy: disable-error-code="no-untyped-def"

import numpy as np

from xtalgraph.compiling import compiled_for_sums, inlined
from xtalgraph.models.gated_sum.functions import gate_of
from xtalgraph.models.gated_sum.kernel import add_to_both, add_to_weight, fill_argument

BLOCK = 64  # edges whose column sums are added in float32 before they go to float64

F = np.float32


@inlined
def empty_block(block, total):
    """Add the sums of a block to those of all, and set them to zero."""
    for c in range(len(block)):
        total[c] += block[c]
        block[c] = F(0.0)


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
            row, other = a[edge], from_neighbour[neighbour[edge]]
            fill_argument(row, own, other, edge_weight, first[edge], weights[edge])
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
def sum_gated_arguments(kind, a, scale, shift, starts, share, sums):
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
                s, g, _ = gate_of(kind, gate, message)
                mine[c] += part * s * g


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
                s, g, derivative = gate_of(kind, gate, message)
                x = part * mine[c] * s
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
    a, dz, by_z, by_a, constant, first, weights, starts, neighbour, d_centre, d_neighbour, d_weight
):
    """Add da = by_z dz + by_a a + constant into the derivatives of what `a` was made of.

    The three derivatives must be zero before; `dz` becomes da.
    """
    for centre in range(len(starts) - 1):
        for edge in range(starts[centre], starts[centre + 1]):
            row, d_row = a[edge], dz[edge]
            for c in range(len(row)):
                d_row[c] = by_z[c] * d_row[c] + by_a[c] * row[c] + constant[c]
            add_to_both(d_row, d_centre[centre], d_neighbour[neighbour[edge]])
            add_to_weight(d_row, d_weight, first[edge], weights[edge])
