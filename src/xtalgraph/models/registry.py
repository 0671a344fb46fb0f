"""The models, by name: one entry for each folder of this room."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from xtalgraph.errors import UnknownName
from xtalgraph.models.cgcnn import Cgcnn, CgcnnConfig
from xtalgraph.models.residual import ResidualConfig, ResidualNetwork

Network: TypeAlias = Cgcnn | ResidualNetwork


@dataclass(frozen=True)
class ModelKind:
    """One kind of model: its config's class, and how to build a network from a config.

    `build(config, n_outputs, element_vectors)` gives a network with `forward`, `fingerprint` and
    `atom_vectors`, each a function of a `CrystalGraph`, and with `known_elements` and
    `learns_from_merged`. Its `output` is an `nn.Sequential` from the fingerprint to the outputs:
    what fine-tuning learns anew. The last argument may be left out; a saved model gives its own
    vectors through it.
    """

    config: type[Any]
    build: Callable[..., Network]


MODELS: dict[str, ModelKind] = {
    "cgcnn": ModelKind(CgcnnConfig, Cgcnn),
    "residual": ModelKind(ResidualConfig, ResidualNetwork),
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
