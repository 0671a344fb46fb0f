"""Networks: element and bond vectors, convolutions, pooling; tasks, and models on disk."""

from xtalgraph.models.cgcnn import Cgcnn, CgcnnConfig
from xtalgraph.models.element_properties import Component, describe_components, element_table
from xtalgraph.models.element_vectors import (
    paper_vectors,
    read_element_vectors,
    refuse_unknown_elements,
)
from xtalgraph.models.normaliser import Normaliser
from xtalgraph.models.registry import MODELS, ModelKind, Network, find_model, model_name
from xtalgraph.models.residual import ResidualConfig, ResidualNetwork
from xtalgraph.models.saved import read_model, save_model
from xtalgraph.models.saved_model import SavedModel
from xtalgraph.models.task import Task

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
