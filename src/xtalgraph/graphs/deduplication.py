"""Atoms and edges that no distance tells apart, computed once: colour refinement.

Two atoms are alike when they are of one element and their edges are alike: as many of each length
to atoms that are alike in turn. Every network that looks at elements and distances alone gives
them one vector, so one node can stand for all of them, and one edge for all edges of one length
between two such nodes. Symmetry makes atoms alike, and so does a supercell: a deduplicated graph,
and the time it takes, do not depend on the cell. On Materials Project crystals a third to a half of
the atoms and a fifth to a third of the edges are left.

The classes are those of colour refinement (the 1-dimensional Weisfeiler-Leman test): each atom's
colour begins as its element (and how its edges are weighed) and takes up the colours at the ends of
its edges, until no class splits any more. A message-passing network cannot tell apart what it does
not (Morris et al., AAAI 2019; Xu et al., ICLR 2019). Colours are 64-bit hashes.
"""

# mypy: disable-error-code="no-untyped-def"

import numpy as np

from xtalgraph.compiling import compiled, inlined

EQUAL = 1e-3  # Å; lengths in one step of this size are equal, as ties of the rule `shell` are
EQUAL_WEIGHT = 1e-4  # likewise of the weights of edges
PHASE = 0.3819660112501051  # where the steps begin, so that no round number lies between two

U = np.uint64
FIRST_FACTOR, SECOND_FACTOR = U(0xBF58476D1CE4E5B9), U(0x94D049BB133111EB)
ATOM_SALT, LENGTH_SALT = U(0x9E3779B97F4A7C15), U(0xD1B54A32D192ED03)


@inlined
def scrambled(x):
    """Give another 64-bit number, one to one (the end of splitmix64)."""
    x = (x ^ (x >> U(30))) * FIRST_FACTOR
    x = (x ^ (x >> U(27))) * SECOND_FACTOR
    return x ^ (x >> U(31))


@compiled
def deduplicate(atomic_numbers, starts, neighbour, distance, weight, offsets):
    """Find which atoms of each crystal are alike, and which of their edges.

    The edges of atom i are `starts[i]:starts[i + 1]`, the atoms of crystal c `offsets[c]:
    offsets[c + 1]`. Gives for the nodes: the first atom of each class, in order, and how many
    there are; for the deduplicated edges, node by node: the node they point at, the first edge they
    stand for, the mean length and the summed weight of an atom's; and the number of each node's
    edges. Means are over the class, so that they do not depend on which of its atoms is the first.
    """
    n_atoms, n_edges = len(atomic_numbers), len(neighbour)
    steps = np.empty(n_edges, np.int64)
    for edge in range(n_edges):
        steps[edge] = np.int64(np.floor(distance[edge] / EQUAL + PHASE))
    colour = np.empty(n_atoms, np.uint64)
    for atom in range(n_atoms):
        total = 0  # atoms with the same edges may weigh them by different reaches
        for edge in range(starts[atom], starts[atom + 1]):
            total += np.int64(np.floor(weight[edge] / EQUAL_WEIGHT + PHASE))
        colour[atom] = scrambled(U(atomic_numbers[atom]) + ATOM_SALT) ^ scrambled(U(total))
    node_of = np.empty(n_atoms, np.int64)
    firsts = np.empty(n_atoms, np.int64)
    sizes = np.zeros(n_atoms, np.int64)
    n_nodes = 0
    for crystal in range(len(offsets) - 1):
        begin, end = offsets[crystal], offsets[crystal + 1]
        refine(colour, begin, end, starts, neighbour, steps)
        n_nodes = number_classes(colour, begin, end, node_of, firsts, sizes, n_nodes)
    edges = deduplicate_edges(
        colour, node_of, firsts[:n_nodes], sizes, starts, neighbour, distance, weight, steps
    )
    return firsts[:n_nodes], sizes[:n_nodes], *edges


@compiled
def refine(colour, begin, end, starts, neighbour, steps):
    """Give the atoms of a crystal the colours of their classes."""
    fresh = np.empty(end - begin, np.uint64)
    n_before = 0
    while True:
        n_classes = count_distinct(colour[begin:end])
        if n_classes == n_before or n_classes == end - begin:
            return
        n_before = n_classes
        for atom in range(begin, end):
            around = U(0)
            for edge in range(starts[atom], starts[atom + 1]):
                length = scrambled(U(steps[edge]) + LENGTH_SALT)
                around += scrambled(colour[neighbour[edge]] ^ length)
            fresh[atom - begin] = scrambled(colour[atom] * U(3) + around)
        colour[begin:end] = fresh


@compiled
def count_distinct(colours):
    """Count the different numbers."""
    ordered = np.sort(colours)
    n_distinct = min(1, len(ordered))
    for place in range(1, len(ordered)):
        n_distinct += ordered[place] != ordered[place - 1]
    return n_distinct


@compiled
def number_classes(colour, begin, end, node_of, firsts, sizes, n_nodes):
    """Number the classes of a crystal by their first atoms; give the number of nodes so far."""
    order = np.argsort(colour[begin:end])
    first_of = np.empty(end - begin, np.int64)
    low = 0
    while low < len(order):
        high, first = low, order[low]
        while high < len(order) and colour[begin + order[high]] == colour[begin + order[low]]:
            first = min(first, order[high])
            high += 1
        for place in range(low, high):
            first_of[order[place]] = first
        low = high
    for atom in range(begin, end):
        if first_of[atom - begin] == atom - begin:
            firsts[n_nodes] = atom
            node_of[atom] = n_nodes
            n_nodes += 1
        else:
            node_of[atom] = node_of[begin + first_of[atom - begin]]
        sizes[node_of[atom]] += 1
    return n_nodes


@compiled
def deduplicate_edges(colour, node_of, firsts, sizes, starts, neighbour, distance, weight, steps):
    """Give node, first edge, mean length and weight of the kept edges, and counts by node."""
    n_nodes, n_edges = len(firsts), len(neighbour)
    order = np.empty(n_edges, np.int64)
    for atom in range(len(starts) - 1):
        sort_edges(colour, starts[atom], starts[atom + 1], neighbour, steps, order)
    # all atoms of a class have as many edges, which stand in one order: those that are alike meet
    lengths, weights = np.zeros(n_edges), np.zeros(n_edges)
    for atom in range(len(starts) - 1):
        first = starts[firsts[node_of[atom]]]
        for place in range(starts[atom + 1] - starts[atom]):
            lengths[first + place] += distance[order[starts[atom] + place]]
            weights[first + place] += weight[order[starts[atom] + place]]
    counts = np.zeros(n_nodes, np.int64)
    ends = np.empty(n_edges, np.int64)
    sources = np.empty(n_edges, np.int64)
    n_kept = 0
    for node in range(n_nodes):
        atom, size = firsts[node], sizes[node]
        low, last = starts[atom], starts[atom + 1]
        while low < last:
            edge = order[low]
            high, length, total = low, 0.0, 0.0
            while (
                high < last
                and steps[order[high]] == steps[edge]
                and colour[neighbour[order[high]]] == colour[neighbour[edge]]
            ):
                length += lengths[high]
                total += weights[high]
                high += 1
            ends[n_kept], sources[n_kept] = node_of[neighbour[edge]], edge
            lengths[n_kept] = length / (size * (high - low))
            weights[n_kept] = total / size
            counts[node] += 1
            n_kept += 1
            low = high
    return ends[:n_kept], sources[:n_kept], lengths[:n_kept], weights[:n_kept], counts


@inlined
def comes_later(colour, neighbour, steps, edge, other):
    """Say whether an edge is longer than another, or as long with a greater colour at its end."""
    if steps[edge] != steps[other]:
        return steps[edge] > steps[other]
    return colour[neighbour[edge]] > colour[neighbour[other]]


@compiled
def sort_edges(colour, first, last, neighbour, steps, order):
    """Order the edges of an atom by length and colour; by length they nearly are already."""
    for place in range(first, last):
        hole = place
        while hole > first and comes_later(colour, neighbour, steps, order[hole - 1], place):
            order[hole] = order[hole - 1]
            hole -= 1
        order[hole] = place
