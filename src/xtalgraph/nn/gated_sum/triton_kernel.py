"""The gated sum on an accelerator: Triton kernels that store nothing per edge and component.

For each atom i, over its edges e with neighbour j, bond vector u and weight w:

    forward   a_e = v_i W_1 + v_j W_2 + u_e W_3
              z_e = unit_e ⊙ scale + shift
              s_i = Σ_e w_e σ(z_e)_gate ⊙ g(z_e)_message
    backward  dz_e = w_e ds_i ⊙ g(z)_message σ'(z)_gate  ⊕  w_e ds_i ⊙ σ(z)_gate g'(z)_message
              da_e = dz_e scale + by_a a_e + constant

unit_e is a_e, where the normalisation is none or is over the edges: it is then in scale and shift
(and in by_a and constant, on the way back). Or it is (a_e - mean_e) / deviation_e over the
components of the edge (`by_row`), and da_e is derived through these.

An edge is read, computed and forgotten; who needs it again computes it again. The bond vector is
computed from where the edge stands among the Gaussians: `first`, the number of the first of the
eight that are above 1e-7, and `place`, its distance from that one's centre, in steps of the basis.
Edges are sorted by centre, so one program sums for one atom. The derivative by v_j W_2 is summed
likewise, over a list of the edges sorted by neighbour. Sums over all edges are made in as many
pieces as there are programs, and torch adds up the pieces. No sum is left to the order in which
programs come by (no atomics): two runs give the same bits.

Numbers are read in the type they come in, and everything is computed and summed in float32.
"""

# mypy: disable-error-code="no-untyped-def"

import inspect
from collections.abc import Callable
from typing import Any

import triton
import triton.language as tl

from xtalgraph.nn.gated_sum import kernel

N_NEAR = tl.constexpr(kernel.N_NEAR)
SOFTPLUS, SILU = tl.constexpr(kernel.SOFTPLUS), tl.constexpr(kernel.SILU)


def on_device(function: Callable) -> Any:
    """Let Triton compile a function, without what the tests' type checker wrapped around it."""
    return triton.jit(inspect.unwrap(function))


@on_device
def sigmoid_of(x):
    """Return 1 / (1 + exp(-x)), also for large x."""
    e = tl.exp(-tl.abs(x))
    return tl.where(x >= 0, 1.0, e) / (1.0 + e)


@on_device
def activation_of(x, kind: tl.constexpr):
    """Return g(x)."""
    if kind == SOFTPLUS:
        value = tl.maximum(x, 0.0) + tl.log(1.0 + tl.exp(-tl.abs(x)))
    elif kind == SILU:
        value = x * sigmoid_of(x)
    else:
        value = tl.maximum(x, 0.0)
    return value


@on_device
def derivative_of(x, kind: tl.constexpr):
    """Return g'(x)."""
    if kind == SOFTPLUS:
        value = sigmoid_of(x)
    elif kind == SILU:
        s = sigmoid_of(x)
        value = s * (1.0 + x * (1.0 - s))
    else:
        value = tl.where(x > 0, 1.0, 0.0)
    return value


@on_device
def arguments_of(
    edge, is_edge, column, is_column,
    from_centre, from_neighbour, bond_weight, centre, neighbour, first, place, width,
):  # fmt: skip
    """Return a of a tile of edges at some columns; 0 where there is no edge or no column."""
    mask = is_edge[:, None] & is_column[None, :]
    i = tl.load(centre + edge, mask=is_edge, other=0).to(tl.int64)
    j = tl.load(neighbour + edge, mask=is_edge, other=0).to(tl.int64)
    begin = tl.load(first + edge, mask=is_edge, other=0)
    x = tl.load(place + edge, mask=is_edge, other=0.0)
    a = tl.load(from_centre + i[:, None] * width + column[None, :], mask=mask, other=0.0)
    other = tl.load(from_neighbour + j[:, None] * width + column[None, :], mask=mask, other=0.0)
    a = a.to(tl.float32) + other.to(tl.float32)
    for k in tl.static_range(N_NEAR):
        row = bond_weight + (begin[:, None] + k) * width + column[None, :]
        near = tl.exp(-(x - k) * (x - k))
        a += near[:, None] * tl.load(row, mask=mask, other=0.0).to(tl.float32)
    return a


@on_device
def units_of(
    edge, is_edge, column, is_column,
    from_centre, from_neighbour, bond_weight, centre, neighbour, first, place, epsilon, half,
    by_row: tl.constexpr,
):  # fmt: skip
    """Return unit_gate, unit_message, and 1 / deviation of each edge (1 unless `by_row`)."""
    gate = arguments_of(
        edge, is_edge, column, is_column,
        from_centre, from_neighbour, bond_weight, centre, neighbour, first, place, 2 * half,
    )  # fmt: skip
    message = arguments_of(
        edge, is_edge, column + half, is_column,
        from_centre, from_neighbour, bond_weight, centre, neighbour, first, place, 2 * half,
    )  # fmt: skip
    inverse = tl.where(is_edge, 1.0, 1.0)
    if by_row:
        mean = (tl.sum(gate, 1) + tl.sum(message, 1)) / (2 * half)
        gate = tl.where(is_column[None, :], gate - mean[:, None], 0.0)
        message = tl.where(is_column[None, :], message - mean[:, None], 0.0)
        variance = (tl.sum(gate * gate, 1) + tl.sum(message * message, 1)) / (2 * half)
        inverse = 1.0 / tl.sqrt(variance + epsilon)
        gate *= inverse[:, None]
        message *= inverse[:, None]
    return gate, message, inverse


@on_device
def scaled(unit_gate, unit_message, column, is_column, scale, shift, half):
    """Return z_gate and z_message."""
    gate = unit_gate * tl.load(scale + column, mask=is_column, other=0.0)[None, :]
    gate += tl.load(shift + column, mask=is_column, other=0.0)[None, :]
    message = unit_message * tl.load(scale + half + column, mask=is_column, other=0.0)[None, :]
    message += tl.load(shift + half + column, mask=is_column, other=0.0)[None, :]
    return gate, message


@on_device
def gate_derivatives(
    edge, is_edge, column, is_column, unit_gate, unit_message,
    centre, edge_weight, scale, shift, d_sums, half, kind: tl.constexpr,
):  # fmt: skip
    """Return dz_gate and dz_message; 0 where there is no edge or no column."""
    gate, message = scaled(unit_gate, unit_message, column, is_column, scale, shift, half)
    i = tl.load(centre + edge, mask=is_edge, other=0).to(tl.int64)
    weight = tl.load(edge_weight + edge, mask=is_edge, other=0.0)
    mask = is_edge[:, None] & is_column[None, :]
    ds = tl.load(d_sums + i[:, None] * half + column[None, :], mask=mask, other=0.0)
    ds = ds.to(tl.float32) * weight[:, None]
    s = sigmoid_of(gate)
    by_gate = ds * activation_of(message, kind) * s * (1.0 - s)
    return by_gate, ds * s * derivative_of(message, kind)


@on_device
def argument_derivatives(
    edge, is_edge, column, is_column,
    from_centre, from_neighbour, bond_weight, centre, neighbour, first, place, edge_weight,
    scale, shift, by_a, constant, epsilon, d_sums, half,
    kind: tl.constexpr, by_row: tl.constexpr,
):  # fmt: skip
    """Return da_gate and da_message; 0 where there is no edge or no column."""
    unit_gate, unit_message, inverse = units_of(
        edge, is_edge, column, is_column, from_centre, from_neighbour, bond_weight,
        centre, neighbour, first, place, epsilon, half, by_row,
    )  # fmt: skip
    gate, message = gate_derivatives(
        edge, is_edge, column, is_column, unit_gate, unit_message,
        centre, edge_weight, scale, shift, d_sums, half, kind,
    )  # fmt: skip
    gate *= tl.load(scale + column, mask=is_column, other=0.0)[None, :]
    message *= tl.load(scale + half + column, mask=is_column, other=0.0)[None, :]
    if by_row:
        total = (tl.sum(gate, 1) + tl.sum(message, 1)) / (2 * half)
        product = (tl.sum(gate * unit_gate, 1) + tl.sum(message * unit_message, 1)) / (2 * half)
        gate = inverse[:, None] * (gate - total[:, None] - unit_gate * product[:, None])
        message = inverse[:, None] * (message - total[:, None] - unit_message * product[:, None])
    else:
        gate += unit_gate * tl.load(by_a + column, mask=is_column, other=0.0)[None, :]
        gate += tl.load(constant + column, mask=is_column, other=0.0)[None, :]
        message += unit_message * tl.load(by_a + half + column, mask=is_column, other=0.0)[None, :]
        message += tl.load(constant + half + column, mask=is_column, other=0.0)[None, :]
    mask = is_edge[:, None] & is_column[None, :]
    return tl.where(mask, gate, 0.0), tl.where(mask, message, 0.0)


@on_device
def sum_arguments(
    from_centre, from_neighbour, bond_weight, centre, neighbour, first, place,
    total, squares, half, n_edges, n_each,
    block_edges: tl.constexpr, block_width: tl.constexpr,
):  # fmt: skip
    """Fill row p of `total` and `squares` with Σ a and Σ a² over the edges of program p."""
    program = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, block_width)
    is_column = column < 2 * half
    sums = tl.zeros([block_width], tl.float32)
    sums_of_squares = tl.zeros([block_width], tl.float32)
    stop = tl.minimum((program + 1) * n_each, n_edges)
    for begin in range(program * n_each, stop, block_edges):
        edge = begin + tl.arange(0, block_edges)
        a = arguments_of(
            edge, edge < stop, column, is_column,
            from_centre, from_neighbour, bond_weight, centre, neighbour, first, place, 2 * half,
        )  # fmt: skip
        sums += tl.sum(a, 0)
        sums_of_squares += tl.sum(a * a, 0)
    tl.store(total + program * 2 * half + column, sums, mask=is_column)
    tl.store(squares + program * 2 * half + column, sums_of_squares, mask=is_column)


@on_device
def sum_gated(
    from_centre, from_neighbour, bond_weight, centre, neighbour, first, place, edge_weight,
    scale, shift, epsilon, starts, sums, half,
    kind: tl.constexpr, by_row: tl.constexpr,
    block_edges: tl.constexpr, block_width: tl.constexpr,
):  # fmt: skip
    """Fill row i of `sums` with s_i: one program an atom."""
    atom = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, block_width)
    is_column = column < half
    mine = tl.zeros([block_width], tl.float32)
    start, stop = tl.load(starts + atom), tl.load(starts + atom + 1)
    for begin in range(start, stop, block_edges):
        edge = begin + tl.arange(0, block_edges)
        is_edge = edge < stop
        gate, message, _ = units_of(
            edge, is_edge, column, is_column, from_centre, from_neighbour, bond_weight,
            centre, neighbour, first, place, epsilon, half, by_row,
        )  # fmt: skip
        gate, message = scaled(gate, message, column, is_column, scale, shift, half)
        weight = tl.load(edge_weight + edge, mask=is_edge, other=0.0)
        mine += tl.sum(weight[:, None] * sigmoid_of(gate) * activation_of(message, kind), 0)
    tl.store(sums + atom * half + column, mine, mask=is_column)


@on_device
def sum_gate_derivatives(
    from_centre, from_neighbour, bond_weight, centre, neighbour, first, place, edge_weight,
    scale, shift, epsilon, d_sums, total, product, half, n_edges, n_each,
    kind: tl.constexpr, by_row: tl.constexpr,
    block_edges: tl.constexpr, block_width: tl.constexpr,
):  # fmt: skip
    """Fill row p of `total` and `product` with Σ dz and Σ dz unit over the edges of program p."""
    program = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, block_width)
    is_column = column < half
    gates = tl.zeros([block_width], tl.float32)
    messages = tl.zeros([block_width], tl.float32)
    gate_products = tl.zeros([block_width], tl.float32)
    message_products = tl.zeros([block_width], tl.float32)
    stop = tl.minimum((program + 1) * n_each, n_edges)
    for begin in range(program * n_each, stop, block_edges):
        edge = begin + tl.arange(0, block_edges)
        is_edge = edge < stop
        unit_gate, unit_message, _ = units_of(
            edge, is_edge, column, is_column, from_centre, from_neighbour, bond_weight,
            centre, neighbour, first, place, epsilon, half, by_row,
        )  # fmt: skip
        gate, message = gate_derivatives(
            edge, is_edge, column, is_column, unit_gate, unit_message,
            centre, edge_weight, scale, shift, d_sums, half, kind,
        )  # fmt: skip
        gates += tl.sum(gate, 0)
        messages += tl.sum(message, 0)
        gate_products += tl.sum(gate * unit_gate, 0)
        message_products += tl.sum(message * unit_message, 0)
    place_in_row = program * 2 * half + column
    tl.store(total + place_in_row, gates, mask=is_column)
    tl.store(total + place_in_row + half, messages, mask=is_column)
    tl.store(product + place_in_row, gate_products, mask=is_column)
    tl.store(product + place_in_row + half, message_products, mask=is_column)


@on_device
def spread_to_atoms(
    from_centre, from_neighbour, bond_weight, centre, neighbour, first, place, edge_weight,
    scale, shift, by_a, constant, epsilon, d_sums, starts, order, d_atoms, half,
    kind: tl.constexpr, by_row: tl.constexpr, in_order: tl.constexpr,
    block_edges: tl.constexpr, block_width: tl.constexpr,
):  # fmt: skip
    """Fill row i of `d_atoms` with Σ da over an atom's edges: one program an atom.

    These are the edges `starts[i]` to `starts[i + 1]`, or those that `order` lists there.
    """
    atom = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, block_width)
    is_column = column < half
    gates = tl.zeros([block_width], tl.float32)
    messages = tl.zeros([block_width], tl.float32)
    start, stop = tl.load(starts + atom), tl.load(starts + atom + 1)
    for begin in range(start, stop, block_edges):
        edge = begin + tl.arange(0, block_edges)
        is_edge = edge < stop
        if not in_order:
            edge = tl.load(order + edge, mask=is_edge, other=0)
        gate, message = argument_derivatives(
            edge, is_edge, column, is_column, from_centre, from_neighbour, bond_weight,
            centre, neighbour, first, place, edge_weight,
            scale, shift, by_a, constant, epsilon, d_sums, half, kind, by_row,
        )  # fmt: skip
        gates += tl.sum(gate, 0)
        messages += tl.sum(message, 0)
    tl.store(d_atoms + atom * 2 * half + column, gates, mask=is_column)
    tl.store(d_atoms + atom * 2 * half + half + column, messages, mask=is_column)


@on_device
def spread_to_weight(
    from_centre, from_neighbour, bond_weight, centre, neighbour, first, place, edge_weight,
    scale, shift, by_a, constant, epsilon, d_sums, d_weight, half, n_gaussians, n_edges, n_each,
    kind: tl.constexpr, by_row: tl.constexpr,
    block_edges: tl.constexpr, block_width: tl.constexpr, block_gaussians: tl.constexpr,
):  # fmt: skip
    """Fill `d_weight[p]` with Σ u ⊗ da over the edges of program p."""
    program = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, block_width)
    is_column = column < half
    gaussian = tl.arange(0, block_gaussians)
    gates = tl.zeros([block_gaussians, block_width], tl.float32)
    messages = tl.zeros([block_gaussians, block_width], tl.float32)
    stop = tl.minimum((program + 1) * n_each, n_edges)
    for begin in range(program * n_each, stop, block_edges):
        edge = begin + tl.arange(0, block_edges)
        is_edge = edge < stop
        gate, message = argument_derivatives(
            edge, is_edge, column, is_column, from_centre, from_neighbour, bond_weight,
            centre, neighbour, first, place, edge_weight,
            scale, shift, by_a, constant, epsilon, d_sums, half, kind, by_row,
        )  # fmt: skip
        k = gaussian[:, None] - tl.load(first + edge, mask=is_edge, other=0)[None, :]
        x = tl.load(place + edge, mask=is_edge, other=0.0)[None, :] - k
        near = tl.where((k >= 0) & (k < N_NEAR), tl.exp(-x * x), 0.0)
        gates += tl.dot(near, gate, input_precision="ieee")
        messages += tl.dot(near, message, input_precision="ieee")
    mask = (gaussian < n_gaussians)[:, None] & is_column[None, :]
    row = d_weight + (program * n_gaussians + gaussian[:, None]) * 2 * half + column[None, :]
    tl.store(row, gates, mask=mask)
    tl.store(row + half, messages, mask=mask)
