"""What a saved model is, once it is in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xtalgraph.graphs import GraphConfig
from xtalgraph.models.normaliser import Normaliser
from xtalgraph.models.registry import Network
from xtalgraph.models.task import Task


@dataclass(frozen=True, eq=False)
class SavedModel:
    """A network with all that is needed to use it, and to know what it can be used for."""

    network: Network
    model_config: Any  # the config class of the model's kind, see `MODELS`
    graph_config: GraphConfig  # the graphs that it was trained on; others are other questions
    task: Task
    normaliser: Normaliser | None  # None for a classification
    elements: tuple[str, ...]  # symbols seen while training, in the order of atomic numbers
    provenance: Mapping[str, Any]  # data checksum, versions, seed, …: for people, JSON values
