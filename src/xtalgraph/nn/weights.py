"""The weights of a network by name: quantization for storing them, and those of some outputs.

Networks compute in float32 whatever they were stored as. `int8` holds each row of a large matrix
(what makes one component of the output) as whole numbers from -127 to 127 and one scale; vectors,
small matrices and the numbers of an element are float16 then. For networks such as those that come
with the package the error of prediction changes by less than 1 % (docs/accuracy.md), and a file is
half as large as one in float16.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from xtalgraph.errors import BadCheckpoint, UnknownName

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


def quantize(state: State, form: str) -> dict[str, np.ndarray]:
    """Give the weights of a network as they are to be stored.

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
    """Give the weights as networks compute with them: float16 and int8 become float32."""
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
    """Say whether integers with a scale a row are worth it."""
    is_matrix = np.issubdtype(value.dtype, np.floating) and value.ndim == 2
    return is_matrix and value.size >= FEWEST_NUMBERS and value.shape[1] >= SHORTEST_ROW


def _count_steps(name: str, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give a matrix as whole numbers, and for each row what one of them is worth."""
    value = value.astype(np.float32)
    scale = np.abs(value).max(axis=1) / np.float32(MOST)
    if not np.isfinite(scale).all():
        raise BadCheckpoint(f"{name} has numbers that are not finite, and no integer is. Train on.")
    steps = value / np.where(scale > 0, scale, 1.0)[:, None]
    return np.clip(np.round(steps), -MOST, MOST).astype(np.int8), scale


def _halve(name: str, value: np.ndarray, is_learned: bool) -> np.ndarray:
    """Give weights as float16; other numbers, as the places of Gaussians, where it is exact."""
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
    """Give the weights of a network, arrays or tensors by name, with only these of its outputs."""
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
    """Give how the names of the last layer's weights begin."""
    found = [name.split(".")[1] for name in names if name.startswith(OUTPUT)]
    return f"{OUTPUT}{max(map(int, found))}."
