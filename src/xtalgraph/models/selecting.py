"""Of a model that predicts several targets, the model of some of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from xtalgraph.errors import UnknownName
from xtalgraph.models.normaliser import Normaliser
from xtalgraph.models.registry import Network, find_model, model_name
from xtalgraph.models.saved_model import SavedModel
from xtalgraph.models.task import Task

COMPOSITION = "composition."  # a term beside the output layers, with as many outputs
OUTPUT = "output."  # the layers after pooling


def select_targets(saved: SavedModel, names: Sequence[str]) -> SavedModel:
    """Give the model that predicts only these targets, in this order, with the same values.

    Raises `UnknownName` for a target that the model does not predict.
    """
    theirs = [target.name for target in saved.task.targets]
    for name in names:
        if name not in theirs:
            raise UnknownName("target of this model", name, theirs)
    if list(names) == theirs:
        return saved
    outputs = [theirs.index(name) for name in names]
    task = Task(saved.task.kind, tuple(saved.task.targets[place] for place in outputs))
    state = select_outputs(saved.network, outputs)
    kind = find_model(model_name(saved.model_config))
    network = kind.build(saved.model_config, task.n_outputs, state.get("element_vectors.vectors"))
    network.load_state_dict(state)
    normaliser = saved.normaliser
    if normaliser is not None:
        mean, std = normaliser.mean, normaliser.std
        normaliser = Normaliser(
            tuple(mean[place] for place in outputs), tuple(std[place] for place in outputs)
        )
    return replace(saved, network=network.eval(), task=task, normaliser=normaliser)


def select_outputs(network: Network, outputs: Sequence[int]) -> dict[str, Tensor]:
    """Give the state of a network with only these of its outputs."""
    places = list(outputs)
    last = f"{OUTPUT}{len(network.output) - 1}."
    state = dict(network.state_dict())
    for name, value in state.items():
        if name.startswith(last):
            state[name] = value[places]
        elif name.startswith(COMPOSITION):
            state[name] = value[:, places]
    return state
