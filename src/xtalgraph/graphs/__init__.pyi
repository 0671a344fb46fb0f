from .build import (
    GraphArrays as GraphArrays,
    build_arrays as build_arrays,
    nearest_distances as nearest_distances,
)
from .config import (
    GraphConfig as GraphConfig,
)
from .graph import (
    CrystalGraph as CrystalGraph,
    build_graphs as build_graphs,
)
from .loader import (
    GraphLoader as GraphLoader,
)
