"""Networks of an ensemble computed in numpy and compiled loops: on a CPU, torch is not loaded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from xtalgraph.graphs import GraphArrays
from xtalgraph.nn import NumpyNetwork


class NetworksInNumpy:
    """The networks of members all of which have a form in numpy."""

    device = "cpu"

    def __init__(self, networks: Sequence[NumpyNetwork]) -> None:
        self.networks = networks
        self.known_elements = [network.known_elements for network in self.networks]

    def take(self, graph: GraphArrays) -> GraphArrays:
        """Give the graph as it is."""
        return graph

    def fingerprint(
        self, number: int, graph: GraphArrays
    ) -> Float32[np.ndarray, "n_crystals width"]:
        """Give the pooled vectors of the network of that number."""
        return self.networks[number].fingerprint(graph)

    def output(
        self, number: int, pooled: Float32[np.ndarray, "n_crystals width"]
    ) -> Float32[np.ndarray, "n_crystals n_outputs"]:
        """Give standardised values or logits of the network of that number."""
        return self.networks[number].output(pooled)
