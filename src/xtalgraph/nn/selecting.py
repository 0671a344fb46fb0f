"""Of a model that predicts several targets, the model of some of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from xtalgraph.errors import UnknownName
from xtalgraph.nn.normaliser import Normaliser
from xtalgraph.nn.saved_model import SavedModel
from xtalgraph.nn.task import Task

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
    normaliser = saved.normaliser
    if normaliser is not None:
        mean, std = normaliser.mean, normaliser.std
        normaliser = Normaliser(
            tuple(mean[place] for place in outputs), tuple(std[place] for place in outputs)
        )
    numbers = select_outputs(saved.numbers, outputs)
    return replace(saved, weights=numbers, task=task, normaliser=normaliser)


def select_outputs(state: Mapping[str, Any], outputs: Sequence[int]) -> dict[str, Any]:
    """Give the numbers of a network, arrays or tensors by name, with only these of its outputs."""
    places = list(outputs)
    last = last_layer(state)
    chosen = dict(state)
    for name, value in state.items():
        if name.startswith(last):
            chosen[name] = value[places]
        elif name.startswith(COMPOSITION):
            chosen[name] = value[:, places]
    return chosen


def last_layer(names: Iterable[str]) -> str:
    """Give how the names of the last layer's numbers begin."""
    found = [name.split(".")[1] for name in names if name.startswith(OUTPUT)]
    return f"{OUTPUT}{max(map(int, found))}."
