"""Roles of sites: A, B and X in a perovskite, otherwise the element.

Roles are determined by coordination, not by the order of atoms in a file. A crystal is considered a
perovskite if the most electronegative elements are three fifths of its atoms (the anions X), and
half of the other atoms, those closer to their six nearest anions (B), form one framework of
corner-sharing octahedra: every anion belongs to two octahedra, and every octahedron touches six
others. The remaining atoms fill the cages: A. This includes tilted and distorted perovskites and
ordered B sites, but not octahedra that share edges or faces (ilmenite, hexagonal polytypes), nor
antiperovskites, whose octahedra consist of cations.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float64

from xtalgraph.graphs import GraphConfig, build_graphs
from xtalgraph.nn import element_table
from xtalgraph.structures import Crystal, find_orbits
from xtalgraph.structures.elements import SYMBOLS

PEROVSKITE = "perovskite"
NEAREST = GraphConfig("nearest", n_neighbours=40, cutoff=10.0, isolated="ignore")
LONGEST_BOND = 2.0  # of an octahedron, relative to its shortest; otherwise a smaller polyhedron
NONMETALS = frozenset(["H", "C", "N", "O", "F", "P", "S", "Cl", "As", "Se", "Br", "Te", "I"])
TIE = 1e-3  # Å; A and B that are as near to their anions as this cannot be distinguished


@dataclass(frozen=True)
class Roles:
    """The role of every site of a crystal.

    Attributes:
        sites: The role of each site, in the order of the atoms.
        kind: `perovskite` or empty.
        anions: The elements on X, in alphabetical order.
    """

    sites: tuple[str, ...]
    kind: str = ""
    anions: tuple[str, ...] = ()


def find_roles(crystal: Crystal) -> Roles:
    """Return the roles of a crystal's sites, in the order of its atoms.

    In a perovskite they are A, B and X. In all other crystals a site is named by its element; if an
    element is on several orbits of the space group, these are numbered, the one with the nearest
    neighbours first: Fe1 is the tetrahedral site of magnetite, Fe2 the octahedral one.

    Args:
        crystal: The crystal.

    Returns:
        The role of each site, and whether the crystal is a perovskite.

    >>> sites = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    >>> cell = 3.905 * np.eye(3)
    >>> find_roles(Crystal.from_symbols(cell, sites, ["Sr", "Ti", "O", "O", "O"])).sites
    ('A', 'B', 'X', 'X', 'X')
    """
    is_anion = _find_anions(crystal)
    octahedra = None if is_anion is None else _find_octahedra(crystal, is_anion)
    if is_anion is None or octahedra is None:
        return Roles(tuple(_name_orbits(crystal)))
    sites = np.where(is_anion, "X", "A")
    sites[octahedra] = "B"
    anions = sorted({SYMBOLS[number] for number in crystal.atomic_numbers[is_anion]})
    return Roles(tuple(sites.tolist()), PEROVSKITE, tuple(anions))


def _find_anions(crystal: Crystal) -> np.ndarray | None:
    """Return which atoms are the most electronegative elements, if these are three fifths."""
    counts = Counter(crystal.atomic_numbers.tolist())
    numbers = sorted(counts, key=lambda number: -_electronegativities()[number])
    n_found, anions = 0, []
    for number in numbers:
        if 5 * n_found >= 3 * crystal.n_atoms:
            break
        n_found += counts[number]
        anions.append(number)
    if 5 * n_found != 3 * crystal.n_atoms or not {SYMBOLS[z] for z in anions} <= NONMETALS:
        return None
    return np.isin(crystal.atomic_numbers, anions)


@cache
def _electronegativities() -> Float64[np.ndarray, "n_elements"]:
    """Return Pauling electronegativities by atomic number, 0 where there is none."""
    return element_table()["electronegativity"].reindex(range(len(SYMBOLS))).fillna(0.0).to_numpy()


def _find_octahedra(crystal: Crystal, is_anion: np.ndarray) -> list[int] | None:
    """Return the atoms at the centres of a framework of corner-sharing octahedra, or None."""
    graph = build_graphs(crystal, NEAREST)
    centre, neighbour, distance = (
        array.numpy() for array in (graph.centre, graph.neighbour, graph.distance)
    )
    bonds: dict[int, list[int]] = {atom: [] for atom in np.flatnonzero(~is_anion).tolist()}
    for edge in np.flatnonzero(~is_anion[centre] & is_anion[neighbour]).tolist():  # nearest first
        bonds[centre[edge]].append(edge)
    if any(len(edges) < 7 for edges in bonds.values()):
        return None
    reach = {atom: float(distance[edges[:6]].mean()) for atom, edges in bonds.items()}
    ranked = sorted(bonds, key=lambda atom: reach[atom])
    chosen, others = ranked[: len(ranked) // 2], ranked[len(ranked) // 2 :]
    if reach[others[0]] - reach[chosen[-1]] < TIE:
        return None
    if not all(_is_octahedron(distance[bonds[b][:7]]) for b in chosen):
        return None
    image = graph.image.tolist()
    links = [(b, int(neighbour[edge]), image[edge]) for b in chosen for edge in bonds[b][:6]]
    return chosen if _share_corners(links) else None


def _is_octahedron(nearest: Float64[np.ndarray, "n_edges"]) -> bool:
    """Return whether exactly six of the seven nearest anions are bonded (distances in Å)."""
    return bool(nearest[5] <= LONGEST_BOND * nearest[0] and nearest[6] - nearest[5] > TIE)


def _share_corners(links: list[tuple[int, int, list[int]]]) -> bool:
    """Return whether every anion links two octahedra, and every octahedron touches six others.

    A link is (B, X, image of X).
    """
    around: dict[int, list[tuple[int, np.ndarray]]] = {}
    for b, x, image in links:
        around.setdefault(x, []).append((b, np.array(image)))
    touched: dict[int, set[tuple[int, ...]]] = {}
    for ends in around.values():
        if len(ends) != 2:
            return False
        (first, here), (second, there) = ends
        touched.setdefault(first, set()).add((second, *(here - there).tolist()))
        touched.setdefault(second, set()).add((first, *(there - here).tolist()))
    return all(len(others) == 6 for others in touched.values())


def _name_orbits(crystal: Crystal) -> list[str]:
    """Return the element of each site, numbered where the element is on several orbits."""
    orbits = find_orbits(crystal)
    by_element: dict[str, set[int]] = {}
    for symbol, orbit in zip(crystal.symbols, orbits, strict=True):
        by_element.setdefault(symbol, set()).add(orbit)
    if all(len(found) == 1 for found in by_element.values()):
        return crystal.symbols
    graph = build_graphs(crystal, NEAREST)
    nearness = graph.distance.numpy() ** -12.0  # so that the nearest decide
    crowding = np.bincount(graph.centre.numpy(), nearness, crystal.n_atoms)
    names = {}
    for symbol, found in by_element.items():
        ranked = sorted(found, key=lambda orbit: -float(crowding[orbit]))
        for number, orbit in enumerate(ranked, start=1):
            names[orbit] = f"{symbol}{number}" if len(ranked) > 1 else symbol
    return [names[orbit] for orbit in orbits]
