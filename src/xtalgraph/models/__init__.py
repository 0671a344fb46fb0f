"""Networks: element and bond vectors, convolutions, pooling; tasks, and models on disk."""

from typing import TYPE_CHECKING

from xtalgraph.lazy import load_when_used

if TYPE_CHECKING:
    from xtalgraph.models.cgcnn import Cgcnn, CgcnnConfig
    from xtalgraph.models.element_properties import (
        Component,
        describe_components,
        element_table,
    )
    from xtalgraph.models.element_vectors import paper_vectors, read_element_vectors
    from xtalgraph.models.network import Network
    from xtalgraph.models.normaliser import Normaliser
    from xtalgraph.models.registry import MODELS, ModelKind, find_model, model_name
    from xtalgraph.models.residual import ResidualConfig, ResidualNetwork
    from xtalgraph.models.saved import read_model, save_model
    from xtalgraph.models.saved_model import SavedModel
    from xtalgraph.models.task import Task
    from xtalgraph.models.unknown_elements import refuse_unknown_elements

__getattr__, __dir__ = load_when_used(
    __name__,
    {
        "cgcnn": "Cgcnn CgcnnConfig",
        "element_properties": "Component describe_components element_table",
        "element_vectors": "paper_vectors read_element_vectors",
        "network": "Network",
        "normaliser": "Normaliser",
        "registry": "MODELS ModelKind find_model model_name",
        "residual": "ResidualConfig ResidualNetwork",
        "saved": "read_model save_model",
        "saved_model": "SavedModel",
        "task": "Task",
        "unknown_elements": "refuse_unknown_elements",
    },
)

__all__ = [
    "MODELS",
    "Cgcnn",
    "CgcnnConfig",
    "Component",
    "ModelKind",
    "Network",
    "Normaliser",
    "ResidualConfig",
    "ResidualNetwork",
    "SavedModel",
    "Task",
    "describe_components",
    "element_table",
    "find_model",
    "model_name",
    "paper_vectors",
    "read_element_vectors",
    "read_model",
    "refuse_unknown_elements",
    "save_model",
]
