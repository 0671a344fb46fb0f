"""What a saved model is, once it is in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from xtalgraph.graphs.config import GraphConfig
from xtalgraph.nn.normaliser import Normaliser
from xtalgraph.nn.registry import (
    NETWORKS,
    Network,
    NetworkConfig,
    NumpyNetwork,
    network_name,
)
from xtalgraph.nn.task import Task


@dataclass(frozen=True, eq=False)
class SavedModel:
    """A network with all that is needed to use it, and to know what it can be used for."""

    weights: Network | Mapping[str, np.ndarray]  # by name: the network is built when asked for
    model_config: NetworkConfig  # of the class of the model's kind, see `NETWORKS`
    graph_config: GraphConfig  # the graphs that it was trained on; others are other questions
    task: Task
    normaliser: Normaliser | None  # None for a classification
    elements: tuple[str, ...]  # symbols seen while training, in the order of atomic numbers
    provenance: Mapping[str, Any]  # data checksum, versions, seed, …: for people, JSON values

    @cached_property
    def network(self) -> Network:
        """The network in torch; one that was read is on the CPU, ready to predict."""
        if not isinstance(self.weights, Mapping):
            return self.weights
        kind = NETWORKS[network_name(self.model_config)]  # loads torch: most predictions do without
        return kind.restore(self.model_config, self.task.n_outputs, self.numbers)

    @cached_property
    def numbers(self) -> Mapping[str, np.ndarray]:
        """The numbers of the network by name."""
        if isinstance(self.weights, Mapping):
            return self.weights
        state = self.weights.state_dict()
        return {name: value.detach().cpu().numpy().copy() for name, value in state.items()}

    @cached_property
    def in_numpy(self) -> NumpyNetwork | None:
        """The network in numpy, or None where it has no such form (see `NetworkKind`)."""
        kind = NETWORKS[network_name(self.model_config)]
        return kind.restore_in_numpy(self.model_config, self.task.n_outputs, self.numbers)
