"""Crystal graphs: the neighbour kernel, the graph, and batches of graphs."""

from xtalgraph.graphs.build import build_graphs, nearest_distances
from xtalgraph.graphs.config import GraphConfig
from xtalgraph.graphs.graph import CrystalGraph
from xtalgraph.graphs.loader import GraphLoader

__all__ = ["CrystalGraph", "GraphConfig", "GraphLoader", "build_graphs", "nearest_distances"]
