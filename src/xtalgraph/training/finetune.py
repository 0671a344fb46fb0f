"""Fine-tuning: a run that begins with the weights of a trained network, some of them held fast."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from xtalgraph.data.splits import PARTS
from xtalgraph.errors import BadCheckpoint, BadConfig
from xtalgraph.nn import Normaliser, SavedModel, Task, find_model, model_name
from xtalgraph.nn.network import Network
from xtalgraph.nn.resolve import name_network, read_network
from xtalgraph.nn.selecting import COMPOSITION, OUTPUT, select_outputs, select_targets
from xtalgraph.training.config import RunConfig, config_tables, preset
from xtalgraph.training.element_shifts import differ_by_references
from xtalgraph.training.lightning import Callback, Trainer
from xtalgraph.training.module import TrainingModule
from xtalgraph.training.problem import Problem

START_WEIGHTS = "start_weights"  # in `[data]` of config.toml: the checksum of the source's weights


def start_from(
    model: str | Path, base: RunConfig | None = None, *, freeze: str = "none"
) -> RunConfig:
    """Give the settings of a run that begins with the weights of a trained network.

    `model` is the name of a shipped model, `hf:OWNER/NAME` for one of the hub, a run folder, a
    model file, or a checkpoint of the 2018 code. Of an ensemble the first member is taken, unless
    one is named: `NAME/member-2`; the settings say which it is. The settings of network and graph
    are those of that model; those of the training are those of `base`, the preset `default` where
    it is left out. `freeze` is `none`, or `convolutions`: then all up to pooling stays as it is,
    and only the layers after it learn.
    """
    base = base or preset("default")
    member = name_network(model)
    source = read_network(member)
    train = replace(base.train, start_from=member, freeze=freeze)
    return RunConfig(source.graph_config, source.model_config, train)


def read_source(config: RunConfig) -> SavedModel | None:
    """Give the network that a run starts from, or None where it starts at random.

    Refused: settings of network or graph that are not the source's.
    """
    if not config.train.start_from:
        return None
    source = read_network(name_network(config.train.start_from))
    theirs = config_tables(RunConfig(source.graph_config, source.model_config, config.train))
    ours = config_tables(config)
    conflicts = [
        f"  {section}.{key}: {ours[section].get(key)!r} here, {value!r} there"
        for section in ("graph", "model")
        for key, value in theirs[section].items()
        if ours[section].get(key) != value
    ]
    if conflicts:
        raise BadConfig(
            f"a run that starts from {config.train.start_from} has its network and graph, and "
            "this differs:\n" + "\n".join(conflicts) + "\nLeave these settings out."
        )
    return source


def record_source(
    record: dict[str, Any], source: SavedModel, config: RunConfig, begun: Mapping[str, Any]
) -> None:
    """Write the checksum of the source's weights into a record; `begun` is that of a run resumed.

    Raises `BadCheckpoint` where the run was begun with other weights.
    """
    checksum = _checksum_weights(source.network)
    if begun.get(START_WEIGHTS, checksum) != checksum:
        raise BadCheckpoint(
            f"{config.train.start_from} has other weights than when the run was begun. Give back "
            "the model of then, or train anew."
        )
    record[START_WEIGHTS] = checksum


def start_network(source: SavedModel, task: Task, normaliser: Normaliser | None) -> Network:
    """Give a new network with the source's weights, for a task and its normaliser.

    What the source has learned of the task's targets is taken, of several the right ones, and
    predicts the same in the new normaliser. So are outputs for other targets of the same units,
    where these may differ by the references of elements, and so is, as standardised values, a
    single output of the same kind for any other target. Else the last layer is new, begun at
    random, and the hidden layers before it are taken.
    """
    outputs = _find_outputs(source.task, task)
    names = [target.name for target in task.targets]
    if outputs is not None and {target.name for target in source.task.targets} >= set(names):
        source = select_targets(source, names)
        state = dict(source.network.state_dict())
        if normaliser is not None and source.normaliser is not None:
            _restate(state, source.network, source.normaliser, normaliser)
    else:
        state = select_outputs(source.network.state_dict(), outputs or [])
        if normaliser and source.normaliser and differ_by_references(source, task):
            _restate(state, source.network, source.normaliser, normaliser)
    if outputs is None:
        state = {name: value for name, value in state.items() if len(value.flatten())}
    kind = find_model(model_name(source.model_config))
    vectors = state.get("element_vectors.vectors")
    network = kind.build(source.model_config, task.n_outputs, vectors)
    network.load_state_dict(network.state_dict() | state)
    return network


def _restate(state: dict[str, Tensor], network: Network, old: Normaliser, new: Normaliser) -> None:
    """Change the last layer so that its outputs, restored by `new`, are what they were by `old`."""
    means, stds = torch.tensor([old.mean, new.mean]), torch.tensor([old.std, new.std])
    ratio = stds[0] / stds[1]
    last = f"{OUTPUT}{len(network.output) - 1}."
    state[f"{last}weight"] = state[f"{last}weight"] * ratio[:, None]
    state[f"{last}bias"] = state[f"{last}bias"] * ratio + (means[0] - means[1]) / stds[1]
    for name in state:
        if name.startswith(COMPOSITION):
            state[name] = state[name] * ratio


def _find_outputs(theirs: Task, task: Task) -> list[int] | None:
    """Give which outputs of another task are those of this one; None where it has none of them."""
    if theirs.kind != task.kind:
        return None
    if task.kind == "regression":
        names = [target.name for target in theirs.targets]
        wanted = [target.name for target in task.targets]
        if set(wanted) <= set(names):
            return [names.index(name) for name in wanted]
    if theirs.n_outputs == task.n_outputs:
        return list(range(task.n_outputs))
    return None


def refuse_unseen_elements(source: SavedModel, problem: Problem, freeze: str) -> None:
    """Raise `BadConfig` where learned element vectors would stay as random as they began."""
    if freeze == "none" or source.model_config.element_vectors != "learned":
        return
    found = {symbol for part in PARTS for symbol in problem.elements_of(part)}
    unseen = sorted(found - set(source.elements))
    if unseen:
        raise BadConfig(
            f"the source has learned nothing of {', '.join(unseen)}, and train.freeze = "
            f"{freeze!r} leaves that so. Leave these crystals out, or freeze nothing."
        )


class Frozen(Callback):
    """Holds all of a network fast but the layers after pooling.

    Its normalisation uses the running statistics of the source, and does not move them.
    """

    def __init__(self, network: nn.Module) -> None:
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(name.startswith(OUTPUT))
        self.parts = [part for name, part in network.named_children() if f"{name}." != OUTPUT]

    def on_train_epoch_start(self, trainer: Trainer, pl_module: TrainingModule) -> None:
        """Take the frozen parts out of training mode, into which each epoch puts all."""
        for part in self.parts:
            part.eval()


def _checksum_weights(network: nn.Module) -> str:
    """Give one checksum for all numbers, whatever file they lie in."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)} ".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
