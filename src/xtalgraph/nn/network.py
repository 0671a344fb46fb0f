"""The networks, in torch, from the numbers of a saved model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import torch

from xtalgraph.nn.cgcnn.network import Cgcnn
from xtalgraph.nn.registry import find_model, model_name
from xtalgraph.nn.residual.network import ResidualNetwork
from xtalgraph.nn.state_reader import refuse_misfit

Network: TypeAlias = Cgcnn | ResidualNetwork


def build_network(config: Any, n_outputs: int, numbers: Mapping[str, np.ndarray]) -> Network:
    """Give the network of these numbers on the CPU, ready to predict, in their type.

    Raises `BadCheckpoint` where the numbers are not those of a network with its settings.
    """
    state = {name: torch.from_numpy(np.array(value)) for name, value in numbers.items()}
    vectors = state.get("element_vectors.vectors")
    network = find_model(model_name(config)).build(config, n_outputs, vectors)
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    refuse_misfit({name: tuple(value.shape) for name, value in state.items()}, expected)
    floating = [value.dtype for value in state.values() if value.is_floating_point()]
    network.to(floating[0])
    network.load_state_dict(state)
    return network.eval()
