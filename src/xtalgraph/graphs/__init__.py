"""Crystal graphs: the neighbour rules, the graph, and batches of graphs."""

from typing import TYPE_CHECKING

from xtalgraph.lazy import load_when_used

if TYPE_CHECKING:
    from xtalgraph.graphs.arrays import GraphArrays
    from xtalgraph.graphs.build import build_arrays, nearest_distances
    from xtalgraph.graphs.config import GraphConfig
    from xtalgraph.graphs.graph import CrystalGraph, build_graphs
    from xtalgraph.graphs.loader import GraphLoader

__getattr__, __dir__ = load_when_used(
    __name__,
    {
        "arrays": "GraphArrays",
        "build": "build_arrays nearest_distances",
        "config": "GraphConfig",
        "graph": "CrystalGraph build_graphs",
        "loader": "GraphLoader",
    },
)

__all__ = [
    "CrystalGraph",
    "GraphArrays",
    "GraphConfig",
    "GraphLoader",
    "build_arrays",
    "build_graphs",
    "nearest_distances",
]
