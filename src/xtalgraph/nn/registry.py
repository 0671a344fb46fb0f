"""The models, by name: one entry for each folder of this room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from xtalgraph.errors import UnknownName
from xtalgraph.nn.cgcnn.config import CgcnnConfig
from xtalgraph.nn.cgcnn.in_numpy import CgcnnInNumpy
from xtalgraph.nn.residual.config import ResidualConfig
from xtalgraph.nn.residual.in_numpy import ResidualInNumpy


@dataclass(frozen=True)
class ModelKind:
    """One kind of model: its config's class, its network in torch, and the same in numpy.

    The network has `forward`, `fingerprint` and `atom_vectors`, each a function of a
    `CrystalGraph`, and `known_elements` and `learns_from_deduplicated`. Its `output` is an
    `nn.Sequential` from the fingerprint to the outputs: what fine-tuning learns anew. That in numpy
    has `fingerprint`, a function of `GraphArrays`, `output` and `known_elements`, and gives the
    same numbers; `can_compute` says for which settings it is there.
    """

    config: type[Any]
    network: str  # its module and class: loaded when one is built, because torch takes long to load
    in_numpy: type[CgcnnInNumpy] | type[ResidualInNumpy] | None = None  # None: torch predicts

    def build(self, config: Any, n_outputs: int, element_vectors: Any = None) -> Any:
        """Build a network from its settings; a saved model gives its own element vectors."""
        module, name = self.network.rsplit(".", 1)
        return getattr(import_module(module), name)(config, n_outputs, element_vectors)

    def build_in_numpy(
        self, config: Any, n_outputs: int, numbers: Mapping[str, np.ndarray]
    ) -> CgcnnInNumpy | ResidualInNumpy | None:
        """Give the network in numpy, or nothing where it has not what the settings ask for."""
        is_single = all(value.dtype != np.float64 for value in numbers.values())
        if self.in_numpy is None or not is_single or not self.in_numpy.can_compute(config):
            return None
        return self.in_numpy(config, n_outputs, numbers)


MODELS: dict[str, ModelKind] = {
    "cgcnn": ModelKind(CgcnnConfig, "xtalgraph.nn.cgcnn.network.Cgcnn", CgcnnInNumpy),
    "residual": ModelKind(
        ResidualConfig, "xtalgraph.nn.residual.network.ResidualNetwork", ResidualInNumpy
    ),
}


def find_model(name: str) -> ModelKind:
    """Give the kind of model of that name."""
    if name not in MODELS:
        raise UnknownName("model", name, MODELS)
    return MODELS[name]


def model_name(config: object) -> str:
    """Give the name of the model that a config belongs to."""
    for name, kind in MODELS.items():
        if type(config) is kind.config:
            return name
    legal = [kind.config.__name__ for kind in MODELS.values()]
    raise UnknownName("model config", type(config).__name__, legal)
