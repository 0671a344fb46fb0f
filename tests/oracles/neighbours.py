"""Neighbours by two other programs, in one form: rows of (centre, neighbour, image, distance)."""

import numpy as np
import pandas as pd
from vesin import NeighborList

from xtalgraph.graphs import CrystalGraph
from xtalgraph.structures import Crystal

COLUMNS = ["centre", "neighbour", "a", "b", "c"]


def edges_of(graph: CrystalGraph) -> pd.DataFrame:
    """The edges of a graph of one crystal, sorted by what does not depend on rounding."""
    return _table(graph.centre.numpy(), graph.neighbour.numpy(), graph.image, graph.distance)


def pymatgen_edges(crystal: Crystal, radius: float) -> pd.DataFrame:
    """All neighbours within `radius` Å by pymatgen."""
    found = crystal.to_pymatgen().get_neighbor_list(radius)
    centre, neighbour, image, distance = found
    return _table(centre, neighbour, image.astype(int), distance)


def vesin_edges(crystal: Crystal, radius: float) -> pd.DataFrame:
    """All neighbours within `radius` Å by vesin."""
    centre, neighbour, image, distance = NeighborList(cutoff=radius, full_list=True).compute(
        points=crystal.cartesian_positions, box=crystal.lattice, periodic=True, quantities="ijSd"
    )
    return _table(centre.astype(int), neighbour.astype(int), image, distance)


def cut(edges: pd.DataFrame, rule: str, n_neighbours: int, tie: float = 1e-3) -> pd.DataFrame:
    """Choose among all edges by the rule, written as plainly as it is said."""
    kept = []
    for _, mine in edges.groupby("centre"):
        distances = np.sort(mine.distance.to_numpy())
        if rule == "radius" or len(distances) <= n_neighbours:
            kept.append(mine)
        elif rule == "shell":
            kept.append(mine[mine.distance <= distances[n_neighbours - 1] + tie])
        else:
            kept.append(mine.sort_values("distance", kind="stable").iloc[:n_neighbours])
    return pd.concat(kept).sort_values(COLUMNS, ignore_index=True)


def _table(centre, neighbour, image, distance) -> pd.DataFrame:
    image = np.asarray(image).astype(int)
    table = pd.DataFrame(
        {
            "centre": centre,
            "neighbour": neighbour,
            "a": image[:, 0],
            "b": image[:, 1],
            "c": image[:, 2],
            "distance": np.asarray(distance),
        }
    )
    return table.sort_values(COLUMNS, ignore_index=True)
