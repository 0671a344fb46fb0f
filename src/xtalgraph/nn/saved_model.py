"""A saved model in memory: the network by its weights, quantization, and models of some targets.

Networks compute in float32 whatever they were stored as. `int8` holds each row of a large matrix
(what makes one component of the output) as whole numbers from -127 to 127 and one scale; vectors,
small matrices and the numbers of an element are float16 then. For networks such as those that come
with the package the error of prediction changes by less than 1 % (docs/accuracy.md), and a file is
half as large as one in float16.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from xtalgraph.errors import BadCheckpoint, UnknownName
from xtalgraph.files import checksum
from xtalgraph.graphs.config import GraphConfig
from xtalgraph.nn.registry import NETWORKS, Network, NetworkConfig, NumpyNetwork, network_name
from xtalgraph.nn.task import Normaliser, Task

FORMS = ("float32", "float16", "int8")
SCALE = ":scale"  # ends the name of the scales of a matrix; no module's name has a colon
MOST = 127  # of the whole numbers, so that they are as far below 0 as above
# smaller matrices, as the last layer, weigh little in the file and most in the answer
FEWEST_NUMBERS, SHORTEST_ROW = 2048, 16
NOT_LEARNED = (".vectors", ".refusal", ".running_mean", ".running_var", ".num_batches_tracked")
"""How the names of numbers end that a network has, but does not learn by its gradient."""

COMPOSITION = "composition."  # a term beside the output layers, with as many outputs
OUTPUT = "output."  # the layers after pooling

State = Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Block:
    """A part of a saved model that not every model has, by name in `blocks`.

    Attributes:
        schema: The version of what the block holds; raised when a reader of before cannot use it.
        info: JSON values.
        stored: Numbers by name, or the safetensors file that holds them.
        required: Without the block the predictions would be wrong: a reader that does not know it
            refuses the model.
        sha256: The checksum of the file.
    """

    schema: int
    info: Mapping[str, Any] = field(default_factory=dict)
    stored: Mapping[str, np.ndarray] | Path = field(default_factory=dict)
    required: bool = False
    sha256: str = ""

    @cached_property
    def arrays(self) -> Mapping[str, np.ndarray]:
        """Numbers by name; a file is read and checked when they are first asked for."""
        return (
            read_arrays(self.stored, self.sha256) if isinstance(self.stored, Path) else self.stored
        )


@dataclass(frozen=True, eq=False)
class SavedModel:
    """A network with all that is needed to use it, and to know what it can be used for.

    Attributes:
        weights: The network, or its weights by name: then it is built when it is asked for.
        model_config: Its settings, of the config class of its kind.
        graph_config: The graphs that it was trained on; others are other questions.
        task: What it predicts, with names and units.
        normaliser: Of the targets; None for a classification.
        elements: Symbols seen while training, in the order of atomic numbers.
        provenance: Data checksum, versions, seed, …: for people, JSON values.
        name: What the model is called where it is handed on; empty for a run.
        version: Its release, such as `0.1`; empty for a run.
        blocks: Optional parts, see `Block`. Those of a later version are kept as they are.
        weights_sha256: The checksum of the file that it was read from; empty for one that was not.
    """

    weights: Network | Mapping[str, np.ndarray]
    model_config: NetworkConfig
    graph_config: GraphConfig
    task: Task
    normaliser: Normaliser | None
    elements: tuple[str, ...]
    provenance: Mapping[str, Any]
    name: str = ""
    version: str = ""
    blocks: Mapping[str, Block] = field(default_factory=dict)
    weights_sha256: str = ""

    @cached_property
    def network(self) -> Network:
        """The network in torch; one that was read is on the CPU, ready to predict."""
        if not isinstance(self.weights, Mapping):
            return self.weights
        kind = NETWORKS[network_name(self.model_config)]  # loads torch: most predictions do without
        return kind.restore(self.model_config, self.task.n_outputs, self.numbers)

    @cached_property
    def numbers(self) -> Mapping[str, np.ndarray]:
        """The weights and buffers of the network by name."""
        if isinstance(self.weights, Mapping):
            return self.weights
        state = self.weights.state_dict()
        return {name: value.detach().cpu().numpy().copy() for name, value in state.items()}

    @cached_property
    def in_numpy(self) -> NumpyNetwork | None:
        """The network in numpy, or None where it has no such form (see `NetworkKind`)."""
        kind = NETWORKS[network_name(self.model_config)]
        return kind.restore_in_numpy(self.model_config, self.task.n_outputs, self.numbers)


def select_targets(saved: SavedModel, names: Sequence[str]) -> SavedModel:
    """Return the model that predicts only some of the targets, with the same values.

    Args:
        saved: A model of several targets.
        names: Of the targets to keep, in the order that is wanted.

    Returns:
        The model with these outputs, without its blocks.

    Raises:
        UnknownName: The model does not predict one of them.
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
    chosen = replace(saved, weights=numbers, task=task, normaliser=normaliser, blocks={})
    whole = vars(saved).get("in_numpy")
    if whole is not None:  # then most of the network need not be made anew, nor computed twice
        vars(chosen)["in_numpy"] = whole.select(outputs)
    return chosen


def quantize(state: State, form: str) -> dict[str, np.ndarray]:
    """Return the weights of a network as they are to be stored.

    Args:
        state: Weights and buffers by name. Those that are not learned, such as the centres of
            Gaussians, are never changed.
        form: `float32`, `float16` or `int8`.

    Returns:
        Arrays by name; the scales of an int8 matrix, one a row, are under `NAME:scale`.

    Raises:
        BadCheckpoint: A weight is beyond what the form can hold.
    """
    if form not in FORMS:
        raise UnknownName("form of stored weights", form, FORMS)
    # safetensors takes the memory as it lies: a transposed array would come back scrambled
    whole = {name: np.asarray(value, order="C") for name, value in state.items()}
    if form == "float32":
        return whole
    stored = {}
    for name, value in whole.items():
        is_learned = not name.endswith(NOT_LEARNED)
        if form == "int8" and is_learned and _is_large(value):
            stored[name], stored[name + SCALE] = _count_steps(name, value)
        else:
            stored[name] = _halve(name, value, is_learned)
    return stored


def dequantize(stored: State) -> dict[str, np.ndarray]:
    """Return the weights as networks compute with them: float16 and int8 become float32."""
    state = {}
    for name, value in stored.items():
        if name.endswith(SCALE):
            continue
        if value.dtype == np.int8 and name + SCALE in stored:
            scale = stored[name + SCALE]
            if value.ndim != 2 or scale.shape != value.shape[:1]:
                raise BadCheckpoint(f"{name} is {value.shape} with scales {scale.shape}.")
            state[name] = value.astype(np.float32) * scale[:, None]
        else:
            state[name] = value.astype(np.float32) if value.dtype == np.float16 else value
    return state


def _is_large(value: np.ndarray) -> bool:
    """Return whether integers with a scale a row are worth it."""
    is_matrix = np.issubdtype(value.dtype, np.floating) and value.ndim == 2
    return is_matrix and value.size >= FEWEST_NUMBERS and value.shape[1] >= SHORTEST_ROW


def _count_steps(name: str, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a matrix as whole numbers, and for each row what one of them is worth."""
    value = value.astype(np.float32)
    scale = np.abs(value).max(axis=1) / np.float32(MOST)
    if not np.isfinite(scale).all():
        raise BadCheckpoint(f"{name} has numbers that are not finite, and no integer is. Train on.")
    steps = value / np.where(scale > 0, scale, 1.0)[:, None]
    return np.clip(np.round(steps), -MOST, MOST).astype(np.int8), scale


def _halve(name: str, value: np.ndarray, is_learned: bool) -> np.ndarray:
    """Return weights as float16; other numbers, as the places of Gaussians, where it is exact."""
    if not np.issubdtype(value.dtype, np.floating):
        return value
    with np.errstate(over="ignore"):
        rounded = value.astype(np.float16)
    if not is_learned:
        return rounded if np.array_equal(rounded, value, equal_nan=True) else value
    if np.isinf(rounded).any():
        raise BadCheckpoint(f"{name} has numbers that float16 cannot hold. Save it with float32.")
    return rounded


def select_outputs(state: Mapping[str, Any], outputs: Sequence[int]) -> dict[str, Any]:
    """Return the weights of a network (arrays or tensors by name) with only these outputs."""
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
    """Return how the names of the last layer's weights begin."""
    found = [name.split(".")[1] for name in names if name.startswith(OUTPUT)]
    return f"{OUTPUT}{max(map(int, found))}."


def read_arrays(file: Path, sha256: str) -> dict[str, np.ndarray]:
    """Read a safetensors file whose checksum stands in a description next to it."""
    if not file.is_file():
        raise BadCheckpoint(f"{file} does not exist. Copy the whole folder again.")
    content = file.read_bytes()
    try:
        arrays = safetensors.numpy.load(content)
    except (SafetensorError, KeyError) as error:  # KeyError: a type of number that numpy lacks
        raise BadCheckpoint(
            f"{file} is broken ({error}; {len(content)} bytes). Copy it again."
        ) from None
    if checksum(content) != sha256:
        raise BadCheckpoint(
            f"{file} is not the file that the description next to it was written with (the "
            "checksums differ). Copy both files again from one folder."
        )
    return arrays
