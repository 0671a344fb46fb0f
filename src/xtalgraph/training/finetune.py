"""Fine-tuning: a run that starts from the weights of a trained network, some of them frozen."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from xtalgraph.data.splits import PARTS
from xtalgraph.errors import BadCheckpoint, BadConfig
from xtalgraph.graphs import GraphConfig
from xtalgraph.nn import NETWORKS, Network, Normaliser, Rows, SavedModel, Task, network_name
from xtalgraph.nn.registry import learns_elements, pooling_of
from xtalgraph.nn.resolve import name_network, read_network
from xtalgraph.nn.saved_model import COMPOSITION, OUTPUT, select_outputs, select_targets
from xtalgraph.structures import CrystalStore
from xtalgraph.training.config import RunConfig, config_tables, preset
from xtalgraph.training.problem import Problem, refuse_bad_crystals
from xtalgraph.training.scoring import predict_rows

COMPOSITION_TERM = f"{COMPOSITION}weight"
_STRENGTHS = np.logspace(-4, 1, 11)  # of the ridge, chosen by leave-one-out cross-validation
_BATCH_SIZE = 256
START_WEIGHTS = "start_weights"  # in `[data]` of config.toml: the checksum of the source's weights


def start_from(
    model: str | Path, base: RunConfig | None = None, *, freeze: str = "none"
) -> RunConfig:
    """Return the settings of a run that starts from the weights of a trained network.

    Args:
        model: The name of a shipped model, `hf:OWNER/NAME` for one on the hub, a run folder, a
            model file, or a checkpoint of the 2018 code. Of an ensemble, the first member is used,
            unless one is named: `NAME/member-2`; the settings record which.
        base: Training settings; the preset `default` if None.
        freeze: `none`, or `convolutions` to train only the layers after pooling.

    Returns:
        Settings with the network and the graph of the model.

    Raises:
        BadCheckpoint: The model cannot be read.
        UnknownName: There is no such model, or nothing of this name to freeze.
    """
    base = base or preset("default")
    member = name_network(model)
    source = read_network(member)
    train = replace(base.train, start_from=member, freeze=freeze)
    return RunConfig(source.graph_config, source.model_config, train)


def start_network(
    problem: Problem, config: RunConfig, record: dict[str, Any], begun: Mapping[str, Any]
) -> Network:
    """Return the network that fine-tuning starts from, after checking that the data fit it.

    The checksum of the source's weights is added to `record`; `begun` is that of a resumed run.
    """
    source = read_source(config)
    record_source(record, source, config, begun)
    refuse_unseen_elements(source, problem, config.train.freeze)
    network = adapt_network(source, problem.task, problem.normaliser)
    refuse_bad_crystals(problem, network.known_elements, config.graph)
    if differ_by_element_shifts(source, problem.task):
        fit_element_shifts(network, problem, config.graph)
    return network


def read_source(config: RunConfig) -> SavedModel:
    """Return the network that a run starts from.

    Network and graph settings that differ from the source's are refused.
    """
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
            f"a run that starts from {config.train.start_from} must have its network and graph, "
            "but these settings differ:\n" + "\n".join(conflicts) + "\nLeave them out."
        )
    return source


def record_source(
    record: dict[str, Any], source: SavedModel, config: RunConfig, begun: Mapping[str, Any]
) -> None:
    """Add the checksum of the source's weights to a record; `begun` is that of a resumed run.

    Raises `BadCheckpoint` if the run was started with other weights.
    """
    checksum = _checksum_weights(source.network)
    if begun.get(START_WEIGHTS, checksum) != checksum:
        raise BadCheckpoint(
            f"{config.train.start_from} has other weights than when the run was started. Restore "
            "the original model, or start a new run."
        )
    record[START_WEIGHTS] = checksum


def adapt_network(source: SavedModel, task: Task, normaliser: Normaliser | None) -> Network:
    """Return a new network with the source's weights, for a task and its normaliser.

    Outputs for the task's targets are kept, and predict the same values with the new normaliser.
    So are outputs for other targets with the same units, if these may differ by the references of
    elements, and, as standardised values, a single output of the same kind for any other target.
    Otherwise the last layer is new, with random weights, and the hidden layers before it are kept.
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
        if normaliser and source.normaliser and differ_by_element_shifts(source, task):
            _restate(state, source.network, source.normaliser, normaliser)
    if outputs is None:
        state = {name: value for name, value in state.items() if len(value.flatten())}
    kind = NETWORKS[network_name(source.model_config)]
    vectors = state.get("element_vectors.vectors")
    network = kind.build(source.model_config, task.n_outputs, vectors)
    network.load_state_dict(network.state_dict() | state)
    return network


def _restate(state: dict[str, Tensor], network: Network, old: Normaliser, new: Normaliser) -> None:
    """Change the last layer so that its outputs give the same values with `new` as with `old`."""
    means, stds = torch.tensor([old.mean, new.mean]), torch.tensor([old.std, new.std])
    ratio = stds[0] / stds[1]
    last = f"{OUTPUT}{len(network.output) - 1}."
    state[f"{last}weight"] = state[f"{last}weight"] * ratio[:, None]
    state[f"{last}bias"] = state[f"{last}bias"] * ratio + (means[0] - means[1]) / stds[1]
    for name in state:
        if name.startswith(COMPOSITION):
            state[name] = state[name] * ratio


def _find_outputs(theirs: Task, task: Task) -> list[int] | None:
    """Return which outputs of another task are those of this one; None if there are none."""
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
    """Raise `BadConfig` if learned element vectors would keep their random initial values."""
    if freeze == "none" or not learns_elements(source.model_config):
        return
    found = {symbol for part in PARTS for symbol in problem.elements_of(part)}
    unseen = sorted(found - set(source.elements))
    if unseen:
        raise BadConfig(
            f"the source was not trained on {', '.join(unseen)}, and train.freeze = {freeze!r} "
            "would keep it so. Leave these crystals out, or freeze nothing."
        )


def differ_by_element_shifts(source: SavedModel, task: Task) -> bool:
    """Return whether a source's values are a starting point for other targets in the same units.

    Its network must have a term that is linear in the composition, and mean pooling: for example,
    formation energies per atom become total energies by adding the elements' references.
    """
    pooling = pooling_of(source.model_config)
    theirs, units = source.task, [target.unit for target in task.targets]
    return (
        task.kind == theirs.kind == "regression"
        and COMPOSITION_TERM in source.network.state_dict()
        and pooling is not None
        and pooling.is_mean
        and not {target.name for target in theirs.targets} >= {t.name for t in task.targets}
        and units == [target.unit for target in theirs.targets]
        and all(units)
    )


def fit_element_shifts(network: Network, problem: Problem, graph: GraphConfig) -> None:
    """Add the difference of the training labels, as one number per element, to the network.

    Ridge regression of label - prediction on the fractions of the elements; an element that is not
    in the training set gets the mean difference.
    """
    from sklearn.linear_model import RidgeCV

    rows = problem.rows("train")
    predicted = predict_rows(network, problem, graph, rows, _BATCH_SIZE).double().numpy()
    difference = problem.standardized_labels[rows].double().numpy() - predicted
    terms = network.get_parameter(COMPOSITION_TERM)
    fractions = count_fractions(problem.dataset.crystals, rows, len(terms))
    found = torch.zeros_like(terms)
    for output, column in enumerate(difference.T):
        known = ~np.isnan(column)
        ridge = RidgeCV(_STRENGTHS).fit(fractions[known], column[known])
        found[:, output] = torch.from_numpy(ridge.coef_ + ridge.intercept_)
    with torch.no_grad():
        terms.add_(found)
    network.train()  # prediction switched to eval mode


def count_fractions(
    crystals: CrystalStore, rows: Rows, n_elements: int
) -> Float64[np.ndarray, "n_rows n_elements"]:
    """Return the fraction of each atomic number in each crystal."""
    fractions = np.zeros((len(rows), n_elements))
    for place, row in enumerate(rows.tolist()):
        numbers = crystals[row].atomic_numbers
        fractions[place] = np.bincount(numbers, minlength=n_elements) / len(numbers)
    return fractions


def _checksum_weights(network: Network) -> str:
    """Return one checksum of all weights, independent of their file."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)} ".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
