"""How the numbers of a network are stored: whole, as float16, or as integers of one byte.

Networks compute in float32 whatever they were stored as. `int8` holds each row of a large matrix
(what makes one component of the output) as whole numbers from -127 to 127 and one scale; vectors,
small matrices and the numbers of an element are float16 then. Of networks as those that come with
the package the error of prediction moves by less than 1 % (docs/accuracy.md has the figures), and
a file is half of one in float16.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from xtalgraph.errors import BadCheckpoint, UnknownName

FORMS = ("float32", "float16", "int8")
SCALE = ":scale"  # ends the name of the scales of a matrix; no module's name has a colon
MOST = 127  # of the whole numbers, so that they are as far below 0 as above
# smaller matrices, as the last layer, weigh little in the file and most in the answer
FEWEST_NUMBERS, SHORTEST_ROW = 2048, 16


def store_weights(network: nn.Module, form: str) -> dict[str, Tensor]:
    """Give the numbers of a network as they are to be written, by name.

    Numbers that are not learned, as the places of Gaussians, are never changed. Raises
    `BadCheckpoint` where a number is beyond what the form can hold.
    """
    if form not in FORMS:
        raise UnknownName("form of stored weights", form, FORMS)
    numbers = network.state_dict()
    state = {name: value.detach().cpu().contiguous() for name, value in numbers.items()}
    if form == "float32":
        return state
    learned = {name for name, _ in network.named_parameters()}
    stored = {}
    for name, value in state.items():
        if form == "int8" and name in learned and _is_large(value):
            stored[name], stored[name + SCALE] = _count_steps(name, value)
        else:
            stored[name] = _halve(name, value, name in learned)
    return stored


def restore_weights(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the numbers as networks compute with them: float16 and int8 become float32."""
    state = {}
    for name, value in stored.items():
        if name.endswith(SCALE):
            continue
        if value.dtype == torch.int8 and name + SCALE in stored:
            state[name] = value.float() * stored[name + SCALE][:, None]
        else:
            state[name] = value.float() if value.dtype == torch.float16 else value
    return state


def _is_large(value: Tensor) -> bool:
    """Say whether integers with a scale a row are worth it."""
    is_matrix = value.is_floating_point() and value.dim() == 2
    return is_matrix and value.numel() >= FEWEST_NUMBERS and value.shape[1] >= SHORTEST_ROW


def _count_steps(name: str, value: Tensor) -> tuple[Tensor, Tensor]:
    """Give a matrix as whole numbers, and for each row what one of them is worth."""
    scale = value.float().abs().amax(dim=1) / MOST
    if not scale.isfinite().all():
        raise BadCheckpoint(f"{name} has numbers that are not finite, and no integer is. Train on.")
    steps = value.float() / scale.where(scale > 0, 1.0)[:, None]
    return steps.round().clamp(-MOST, MOST).to(torch.int8), scale


def _halve(name: str, value: Tensor, is_learned: bool) -> Tensor:
    """Give weights as float16; other numbers, as the places of Gaussians, where it is exact."""
    if not value.is_floating_point():
        return value
    rounded = value.half()
    if not is_learned:
        return rounded if torch.equal(rounded.to(value).nan_to_num(), value.nan_to_num()) else value
    if rounded.isinf().any():
        raise BadCheckpoint(f"{name} has numbers that float16 cannot hold. Save it with float32.")
    return rounded
