"""Fine-tuning: a run that begins with the weights of a trained network, some of them held fast."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor, nn

from xtalgraph.datasets.splits import PARTS
from xtalgraph.errors import BadCheckpoint, BadConfig
from xtalgraph.models import Normaliser, SavedModel, Task, find_model, model_name, read_model
from xtalgraph.models.registry import Network
from xtalgraph.models.selecting import COMPOSITION, OUTPUT, select_outputs, select_targets
from xtalgraph.models.shipped import ENSEMBLE, find_shipped, shipped_names
from xtalgraph.training.config import RunConfig, preset
from xtalgraph.training.config_toml import config_tables
from xtalgraph.training.module import TrainingModule
from xtalgraph.training.problem import Problem

START_WEIGHTS = "start_weights"  # in `[data]` of config.toml: the checksum of the source's weights


def start_from(
    model: str | Path, base: RunConfig | None = None, *, freeze: str = "none"
) -> RunConfig:
    """Give the settings of a run that begins with the weights of a trained network.

    `model` is the name of a shipped model, a run folder, a model file, or a checkpoint of the 2018
    code. Of an ensemble the first member is taken, unless one is named: `NAME/member-2`; the
    settings say which it is. The settings of network
    and graph are those of that model; those of the training are those of `base`, the preset
    `default` where it is left out. `freeze` is `none`, or `convolutions`: then all up to pooling
    stays as it is, and only the layers after it learn.
    """
    base = base or preset("default")
    member = _choose_member(str(model))
    source = _read_network(member)
    train = replace(base.train, start_from=member, freeze=freeze)
    return RunConfig(source.graph_config, source.model_config, train)


def read_source(config: RunConfig) -> SavedModel | None:
    """Give the network that a run starts from, or None where it starts at random.

    Refused: settings of network or graph that are not the source's.
    """
    if not config.train.start_from:
        return None
    source = _read_network(_choose_member(config.train.start_from))
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
    predicts the same in the new normaliser; so is its single output of the same kind for another
    target. Else the last layer is new, begun at random, and the hidden layers before it are taken.
    """
    outputs = _find_outputs(source.task, task)
    names = [target.name for target in task.targets]
    if outputs is not None and {target.name for target in source.task.targets} >= set(names):
        source = select_targets(source, names)
        state = dict(source.network.state_dict())
        if normaliser is not None and source.normaliser is not None:
            _restate(state, source.network, source.normaliser, normaliser)
    else:
        state = select_outputs(source.network, outputs or [])
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


def _choose_member(model: str) -> str:
    """Give the name or path of a single network: of an ensemble, its first."""
    return f"{model}/member-1" if (_find_folder(model) / ENSEMBLE).is_file() else model


def _read_network(model: str) -> SavedModel:
    """Read a single network, of an ensemble's member what predicts the ensemble's targets.

    Members can lie elsewhere than in the ensemble's folder, which says where.
    """
    folder = _find_folder(model)
    ensemble = folder.parent / ENSEMBLE
    number = folder.name.removeprefix("member-")
    if not (ensemble.is_file() and number.isdecimal()):
        return read_model(folder)
    description = json.loads(ensemble.read_text(encoding="utf-8"))
    members = description["members"]
    if not 1 <= int(number) <= len(members):
        raise BadConfig(f"{model}: the ensemble has {len(members)} members, from member-1 on.")
    saved = read_model(folder.parent / members[int(number) - 1])
    return select_targets(saved, description["targets"])


def _find_folder(model: str) -> Path:
    """Give the path of a model that is named by a path, or as `NAME` or `NAME/MEMBER`."""
    path = Path(model)
    if path.exists() or not (len(path.parts) == 1 or path.parts[0] in shipped_names()):
        return path
    if path.suffix:  # the name of a file
        return path
    return find_shipped(path.parts[0]).joinpath(*path.parts[1:])


def _checksum_weights(network: nn.Module) -> str:
    """Give one checksum for all numbers, whatever file they lie in."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)} ".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
