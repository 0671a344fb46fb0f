"""The neighbour search: compiled, exact for any cell, and the heart of the package.

For each crystal the lattice is first reduced (a skewed cell has the same neighbours as a compact
one, and far fewer images to look at), atoms are wrapped into the reduced cell and sorted into bins
about one search radius wide. Each atom then looks into the bins its sphere touches, images of the
cell included. The radius begins at what the density suggests and grows until the last shell is
whole. Images are reported for the lattice and the positions as they were given.

Cost: about a microsecond an atom, linear in the number of atoms. Compiled once and cached on disk;
releases the interpreter lock, so that threads run it on several crystals at a time.
"""

# mypy: disable-error-code="no-untyped-def"
# Types of compiled functions are numba's business.

import math

import numpy as np

from xtalgraph.compiling import compiled
from xtalgraph.tolerances import SAME_SHELL

NEAREST, SHELL, RADIUS = 0, 1, 2

FEW = 40  # atoms; in cells of up to this many, all pairs are looked at
FIRST_ROOM = 128  # candidates of an atom; there is made more room where it is needed
DEGENERATE = 0.2  # Å; a lattice vector below this has so many images that none are searched for
COUNTED = 64  # candidates; up to this many are sorted by counting
ROUNDING = 1e-8  # Å; a distance equal to the cutoff counts as within it, whatever its last digits


@compiled
def reduce_lattice(lattice):
    """Return pairwise reduced vectors T @ lattice, T, its inverse, and whether T is identity."""
    reduced = lattice.copy()
    forward = np.zeros((3, 3), np.int64)
    backward = np.zeros((3, 3), np.int64)
    for d in range(3):
        forward[d, d] = 1
        backward[d, d] = 1
    is_reduced = True  # as it is given
    for _ in range(100):
        changed = False
        for i in range(3):
            for j in range(3):
                if i == j:
                    continue
                overlap = 0.0
                square = 0.0
                for d in range(3):
                    overlap += reduced[i, d] * reduced[j, d]
                    square += reduced[j, d] * reduced[j, d]
                steps = math.floor(overlap / square + 0.5)
                # exactly a half is left alone: both choices are equally short
                if steps == 0 or abs(overlap) <= 0.5 * square * (1.0 + 1e-9):
                    continue
                changed = True
                for d in range(3):
                    reduced[i, d] -= steps * reduced[j, d]
                    forward[i, d] -= steps * forward[j, d]
                    backward[d, j] += steps * backward[d, i]
        if not changed:
            break
        is_reduced = False
    return reduced, forward, backward, is_reduced


@compiled
def find_short_vector(reduced, limit):
    """Return the number of a lattice vector shorter than `limit` in Å, and its length, or -1."""
    for d in range(3):
        length = math.sqrt(reduced[d, 0] ** 2 + reduced[d, 1] ** 2 + reduced[d, 2] ** 2)
        if length < limit:
            return d, length
    return -1, 0.0


@compiled
def plane_spacings(lattice):
    """Return the distances between opposite faces of the cell, and its volume."""
    spacings = np.empty(3)
    volume = 0.0
    for d in range(3):
        a, b = lattice[(d + 1) % 3], lattice[(d + 2) % 3]
        x = a[1] * b[2] - a[2] * b[1]
        y = a[2] * b[0] - a[0] * b[2]
        z = a[0] * b[1] - a[1] * b[0]
        volume = abs(lattice[d, 0] * x + lattice[d, 1] * y + lattice[d, 2] * z)
        spacings[d] = volume / math.sqrt(x * x + y * y + z * z)
    return spacings, volume


@compiled
def wrap_positions(fractional, backward):
    """Return positions in the reduced cell, in [0, 1), and the whole cells that were taken off."""
    n_atoms = len(fractional)
    wrapped = np.empty((n_atoms, 3))
    cells = np.empty((n_atoms, 3), np.int64)
    for atom in range(n_atoms):
        for d in range(3):
            x = 0.0
            for e in range(3):
                x += fractional[atom, e] * backward[e, d]
            cell = math.floor(x)
            x -= cell
            if x >= 1.0:  # -1e-17 is wrapped to 1.0 by rounding
                x -= 1.0
                cell += 1
            wrapped[atom, d] = x
            cells[atom, d] = int(cell)
    return wrapped, cells


@compiled
def sort_into_bins(wrapped, n_bins):
    """Return the atoms in the order of their bins, and where each bin begins."""
    starts = np.zeros(n_bins[0] * n_bins[1] * n_bins[2] + 1, np.int64)
    bins = np.empty(len(wrapped), np.int64)
    for atom in range(len(wrapped)):
        index = 0
        for d in range(3):
            index = index * n_bins[d] + min(int(wrapped[atom, d] * n_bins[d]), n_bins[d] - 1)
        bins[atom] = index
        starts[index + 1] += 1
    for index in range(len(starts) - 1):
        starts[index + 1] += starts[index]
    fill = starts[:-1].copy()
    atoms = np.empty(len(wrapped), np.int64)
    for atom in range(len(wrapped)):
        atoms[fill[bins[atom]]] = atom
        fill[bins[atom]] += 1
    return atoms, starts


@compiled
def collect_among_few(centre, radius, reduced, spacings, wrapped, squares, found):
    """Collect all images within `radius` of the atom `centre`, atom by atom.

    For each atom only the images are looked at that can be near enough: the way for small cells.
    Fills `squares` (squared distances) and `found` (neighbour, then image in the reduced cell) and
    gives how many there are; where there is no room for all, the rest is only counted.
    """
    n_found = 0
    limit = radius * radius
    reach_a, reach_b, reach_c = radius / spacings[0], radius / spacings[1], radius / spacings[2]
    for atom in range(len(wrapped)):
        start_a = wrapped[atom, 0] - wrapped[centre, 0]
        start_b = wrapped[atom, 1] - wrapped[centre, 1]
        start_c = wrapped[atom, 2] - wrapped[centre, 2]
        low_b, high_b = math.ceil(-reach_b - start_b), math.floor(reach_b - start_b)
        low_c, high_c = math.ceil(-reach_c - start_c), math.floor(reach_c - start_c)
        for image_a in range(math.ceil(-reach_a - start_a), math.floor(reach_a - start_a) + 1):
            a = start_a + image_a
            for image_b in range(low_b, high_b + 1):
                b = start_b + image_b
                x_ab = a * reduced[0, 0] + b * reduced[1, 0]
                y_ab = a * reduced[0, 1] + b * reduced[1, 1]
                z_ab = a * reduced[0, 2] + b * reduced[1, 2]
                for image_c in range(low_c, high_c + 1):
                    c = start_c + image_c
                    x = x_ab + c * reduced[2, 0]
                    y = y_ab + c * reduced[2, 1]
                    z = z_ab + c * reduced[2, 2]
                    square = x * x + y * y + z * z
                    if square > limit:
                        continue
                    if atom == centre and image_a == 0 and image_b == 0 and image_c == 0:
                        continue
                    if n_found < len(squares):
                        squares[n_found] = square
                        found[n_found, 0] = atom
                        found[n_found, 1] = image_a
                        found[n_found, 2] = image_b
                        found[n_found, 3] = image_c
                    n_found += 1
    return n_found


@compiled
def collect_from_bins(
    centre, radius, reduced, spacings, wrapped, n_bins, atoms, starts, squares, found
):
    """Collect all images within `radius` of the atom `centre`, bin by bin.

    Only the bins are looked into that the sphere can touch: the way for large cells. Fills and
    gives the same as `collect_among_few`.
    """
    n_found = 0
    limit = radius * radius
    low = np.empty(3, np.int64)
    high = np.empty(3, np.int64)
    for d in range(3):
        reach = radius / spacings[d]
        low[d] = math.floor((wrapped[centre, d] - reach) * n_bins[d])
        high[d] = math.floor((wrapped[centre, d] + reach) * n_bins[d])
    for bin_a in range(low[0], high[0] + 1):
        image_a = bin_a // n_bins[0]
        row_a = (bin_a - image_a * n_bins[0]) * n_bins[1]
        for bin_b in range(low[1], high[1] + 1):
            image_b = bin_b // n_bins[1]
            row_b = (row_a + bin_b - image_b * n_bins[1]) * n_bins[2]
            for bin_c in range(low[2], high[2] + 1):
                image_c = bin_c // n_bins[2]
                index = row_b + bin_c - image_c * n_bins[2]
                for place in range(starts[index], starts[index + 1]):
                    atom = atoms[place]
                    a = wrapped[atom, 0] - wrapped[centre, 0] + image_a
                    b = wrapped[atom, 1] - wrapped[centre, 1] + image_b
                    c = wrapped[atom, 2] - wrapped[centre, 2] + image_c
                    x = a * reduced[0, 0] + b * reduced[1, 0] + c * reduced[2, 0]
                    y = a * reduced[0, 1] + b * reduced[1, 1] + c * reduced[2, 1]
                    z = a * reduced[0, 2] + b * reduced[1, 2] + c * reduced[2, 2]
                    square = x * x + y * y + z * z
                    if square > limit:
                        continue
                    if atom == centre and image_a == 0 and image_b == 0 and image_c == 0:
                        continue
                    if n_found < len(squares):
                        squares[n_found] = square
                        found[n_found, 0] = atom
                        found[n_found, 1] = image_a
                        found[n_found, 2] = image_b
                        found[n_found, 3] = image_c
                    n_found += 1
    return n_found


@compiled
def restore_images(centre, n_found, is_reduced, forward, cells, found):
    """Turn images of the reduced cell into those for the lattice and the positions as given."""
    for candidate in range(n_found):
        atom = found[candidate, 0]
        a = found[candidate, 1] - cells[atom, 0] + cells[centre, 0]
        b = found[candidate, 2] - cells[atom, 1] + cells[centre, 1]
        c = found[candidate, 3] - cells[atom, 2] + cells[centre, 2]
        if is_reduced:
            found[candidate, 1] = a
            found[candidate, 2] = b
            found[candidate, 3] = c
        else:
            for d in range(3):
                found[candidate, 1 + d] = a * forward[0, d] + b * forward[1, d] + c * forward[2, d]


@compiled
def comes_before(found, first, second):
    """Return whether one of two equally distant candidates precedes: by neighbour, then image."""
    for column in range(4):
        if found[first, column] != found[second, column]:
            return found[first, column] < found[second, column]
    return False


@compiled
def sort_candidates(squares, found, n_found, lengths, order):
    """Write the candidates' places and their distances, both sorted, into `order` and `lengths`.

    A few are ranked by counting how many are nearer, which has no branch to mispredict and is four
    times as fast as inserting them. Then equal distances are put in order of neighbour and image.
    """
    if n_found <= COUNTED:
        for candidate in range(n_found):
            square = squares[candidate]
            rank = 0
            for other in range(n_found):
                rank += squares[other] < square
            for other in range(candidate):
                rank += squares[other] == square
            order[rank] = candidate
    else:
        order[:n_found] = np.argsort(squares[:n_found])
    for place in range(n_found):
        candidate = order[place]
        length = math.sqrt(squares[candidate])
        hole = place
        while (
            hole > 0
            and length == lengths[hole - 1]
            and comes_before(found, candidate, order[hole - 1])
        ):
            order[hole] = order[hole - 1]
            hole -= 1
        lengths[place] = length
        order[hole] = candidate


@compiled
def grown(array, n_filled, room):
    """Return a longer array that begins with the filled part of this one."""
    longer = np.empty((room, *array.shape[1:]), array.dtype)
    longer[:n_filled] = array[:n_filled]
    return longer


@compiled
def count_kept(rule, lengths, n_found, n_neighbours):
    """Return how many of the sorted candidates the rule keeps."""
    if rule == RADIUS or n_found < n_neighbours:
        return n_found
    n_kept = n_neighbours
    if rule == SHELL:
        reach = lengths[n_neighbours - 1] + SAME_SHELL
        while n_kept < n_found and lengths[n_kept] <= reach:
            n_kept += 1
    return n_kept


@compiled
def find_neighbours(lattices, fractional, offsets, first, last, rule, n_neighbours, cutoff):
    """Find the edges of the crystals `first` to `last` (exclusive) of a store.

    Gives for each edge the centre and the neighbour (counted from the first atom of crystal
    `first`), the image and the distance in Å, and for each atom the number of its edges. Edges are
    sorted by (centre, distance, neighbour, image). Of a crystal with a lattice vector below 0.2 Å,
    which is an error of its source, only each atom's image along that vector is given.
    """
    first_atom = offsets[first]
    n_atoms_all = offsets[last] - first_atom
    room = n_atoms_all * (n_neighbours + 6) + 64
    neighbours = np.empty(room, np.int64)
    images = np.empty((room, 3), np.int32)
    distances = np.empty(room)
    counts = np.zeros(n_atoms_all, np.int64)
    n_edges = 0

    squares = np.empty(FIRST_ROOM)
    lengths = np.empty(FIRST_ROOM)
    found = np.empty((FIRST_ROOM, 4), np.int64)
    order = np.empty(FIRST_ROOM, np.int64)
    n_bins = np.empty(3, np.int64)
    furthest = cutoff + ROUNDING

    for crystal in range(first, last):
        begin, end = offsets[crystal], offsets[crystal + 1]
        n_atoms = end - begin
        reduced, forward, backward, is_reduced = reduce_lattice(lattices[crystal])
        short, length = find_short_vector(reduced, min(DEGENERATE, cutoff))
        if short >= 0:
            if n_edges + n_atoms > room:
                room = 2 * (n_edges + n_atoms)
                neighbours = grown(neighbours, n_edges, room)
                images = grown(images, n_edges, room)
                distances = grown(distances, n_edges, room)
            for atom in range(begin - first_atom, end - first_atom):
                neighbours[n_edges] = atom
                images[n_edges] = forward[short]
                distances[n_edges] = length
                counts[atom] = 1
                n_edges += 1
            continue
        wrapped, cells = wrap_positions(fractional[begin:end], backward)
        spacings, volume = plane_spacings(reduced)
        guess = 1.1 * (0.239 * (n_neighbours + 2) * volume / n_atoms) ** (1.0 / 3.0)
        guess = furthest if rule == RADIUS else min(guess, furthest)
        is_small = n_atoms <= FEW
        bin_width = max(guess, (volume / n_atoms) ** (1.0 / 3.0))  # no more bins than atoms
        for d in range(3):
            n_bins[d] = 1 if is_small else max(1, int(spacings[d] / bin_width))
        atoms, starts = sort_into_bins(wrapped, n_bins)

        for centre in range(n_atoms):
            radius = guess
            n_kept = 0
            while True:
                if is_small:
                    n_found = collect_among_few(
                        centre, radius, reduced, spacings, wrapped, squares, found
                    )
                else:
                    n_found = collect_from_bins(
                        centre, radius, reduced, spacings, wrapped, n_bins, atoms, starts, squares,
                        found,
                    )  # fmt: skip
                if n_found > len(squares):
                    squares = np.empty(2 * n_found)
                    lengths = np.empty(2 * n_found)
                    found = np.empty((2 * n_found, 4), np.int64)
                    order = np.empty(2 * n_found, np.int64)
                    continue
                if n_found < n_neighbours and radius < furthest:
                    radius = min(radius * 1.3, furthest)
                    continue
                restore_images(centre, n_found, is_reduced, forward, cells, found)
                sort_candidates(squares, found, n_found, lengths, order)
                if rule == SHELL and n_found >= n_neighbours and radius < furthest:
                    reach = lengths[n_neighbours - 1] + SAME_SHELL
                    if reach > radius:  # the last shell may go on outside the sphere
                        radius = min(reach, furthest)
                        continue
                n_kept = count_kept(rule, lengths, n_found, n_neighbours)
                break

            if n_edges + n_kept > room:
                room = 2 * (n_edges + n_kept)
                neighbours = grown(neighbours, n_edges, room)
                images = grown(images, n_edges, room)
                distances = grown(distances, n_edges, room)

            for place in range(n_kept):
                candidate = order[place]
                atom = found[candidate, 0]
                neighbours[n_edges] = begin - first_atom + atom
                distances[n_edges] = lengths[place]
                for d in range(3):
                    images[n_edges, d] = found[candidate, 1 + d]
                n_edges += 1
            counts[begin - first_atom + centre] = n_kept

    return neighbours[:n_edges], images[:n_edges], distances[:n_edges], counts


@compiled
def has_pair_within(lattice, fractional, radius):
    """Return whether any two atoms of one crystal, images included, are within `radius` in Å."""
    reduced, _, backward, _ = reduce_lattice(lattice)
    if find_short_vector(reduced, radius)[0] >= 0:
        return True
    wrapped, _ = wrap_positions(fractional, backward)
    spacings, volume = plane_spacings(reduced)
    n_atoms = len(fractional)
    squares = np.empty(0)  # no room: the pairs are only counted
    found = np.empty((0, 4), np.int64)
    if n_atoms <= FEW:
        for centre in range(n_atoms):
            if collect_among_few(centre, radius, reduced, spacings, wrapped, squares, found):
                return True
        return False
    n_bins = np.empty(3, np.int64)
    for d in range(3):
        n_bins[d] = max(1, int(spacings[d] / max(radius, (volume / n_atoms) ** (1.0 / 3.0))))
    atoms, starts = sort_into_bins(wrapped, n_bins)
    for centre in range(n_atoms):
        if collect_from_bins(
            centre, radius, reduced, spacings, wrapped, n_bins, atoms, starts, squares, found
        ):
            return True
    return False
