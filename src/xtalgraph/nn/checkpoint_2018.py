"""Checkpoints of the 2018 code, the `.pth.tar` files that it ships and writes, as models of ours.

Such a file is a pickle. It is read by torch's restricted reader, which makes tensors, numbers,
texts, lists and dicts, and refuses whatever else is named in the file before it is called.
"""

from __future__ import annotations

import io
import pickle
import re
import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xtalgraph.errors import BadCheckpoint
from xtalgraph.files import checksum
from xtalgraph.graphs import GraphConfig
from xtalgraph.nn.cgcnn import Cgcnn
from xtalgraph.nn.configs import NETWORK_OF_2018, SUFFIX_OF_2018, CgcnnConfig
from xtalgraph.nn.element_properties import N_COMPONENTS
from xtalgraph.nn.saved_model import SavedModel
from xtalgraph.nn.task import Normaliser, Task
from xtalgraph.structures.elements import SYMBOLS
from xtalgraph.units import KNOWN_TARGETS, Target

CITATION = "T. Xie and J. C. Grossman, Phys. Rev. Lett. 120, 145301 (2018)"

TARGETS_OF_2018 = {
    "formation-energy-per-atom": "formation_energy_per_atom",
    "final-energy-per-atom": "energy_per_atom",
    "band-gap": "band_gap",
    "efermi": "fermi_energy",
    "bulk-moduli": "log10_K_VRH",
    "shear-moduli": "log10_G_VRH",
    "poisson-ratio": "poisson_ratio",
    "semi-metal-classification": "is_metal",
}
"""What the shipped files predict, by their names: the files themselves do not say it."""

# the best score so far can be a number of numpy: what makes one of a dtype and eight bytes
_NUMPY_NUMBER = np.float64(0).__reduce__()[0]
_NUMPY_NUMBERS: list[Any] = [
    (_NUMPY_NUMBER, "numpy.core.multiarray.scalar"),  # its place before numpy 2
    (_NUMPY_NUMBER, "numpy._core.multiarray.scalar"),
    np.dtype,
    np.dtypes.Float64DType,
    np.dtypes.Float32DType,
]
_BROKEN = (
    *(ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, OSError),
    *(RuntimeError, TypeError, ValueError, pickle.UnpicklingError, struct.error),
)


def read_checkpoint_2018(path: str | Path) -> SavedModel:
    """Read a `.pth.tar` of the 2018 code on the CPU, ready to predict; no code in it is run.

    Its graphs are those of that code: exactly the 12 nearest within 8 Å, which is ambiguous where
    the 12th and the 13th are equally far. The target and its unit follow from the names of the
    shipped files; any other file predicts `target`, without a unit. Raises `BadCheckpoint` for a
    file that is broken, that names anything but numbers, or that holds no network of that code.
    """
    path = Path(path)
    if not path.is_file():
        raise BadCheckpoint(f"{path} does not exist. Give a {SUFFIX_OF_2018} of the 2018 code.")
    content = path.read_bytes()
    checkpoint = _read_numbers(path, content)
    state = checkpoint["state_dict"]
    try:
        config = config_of_2018_state(state)
        numbers = from_2018_state(state)
        task = _find_task(path, checkpoint, state["fc_out.weight"].shape[0])
        network = _make_network(config, task, numbers)
    except (BadCheckpoint, KeyError, IndexError, RuntimeError) as error:
        raise BadCheckpoint(f"{path} holds no network of the 2018 code: {error}") from error
    normaliser = None
    if task.kind == "regression":
        normaliser = _read_normaliser(path, checkpoint)
    return SavedModel(
        network.eval(),
        config,
        GraphConfig(rule="nearest"),
        task,
        normaliser,
        # the file does not say which ones were seen; these have a vector
        tuple(SYMBOLS[number] for number in network.known_elements),
        _tell_origin(path, content, checkpoint),
    )


def _read_numbers(path: Path, content: bytes) -> dict[str, Any]:
    """Return what the file holds, after a look at the kinds of its parts."""
    try:
        with torch.serialization.safe_globals(_NUMPY_NUMBERS):
            checkpoint = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except _BROKEN as error:
        raise BadCheckpoint(
            f"{path} can be a pickle that runs code when it is read, or is broken, and was not "
            f"read: {type(error).__name__}. A {SUFFIX_OF_2018} is read if it is a checkpoint of "
            "the 2018 code and names nothing but numbers."
        ) from error
    state = checkpoint.get("state_dict") if isinstance(checkpoint, dict) else None
    if not isinstance(state, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise BadCheckpoint(f"{path} is no checkpoint of the 2018 code: it has no 'state_dict'.")
    return checkpoint


def _find_task(path: Path, checkpoint: Mapping[str, Any], n_outputs: int) -> Task:
    """Return the target by the file's name, and the kind of task by the file or its outputs."""
    name = TARGETS_OF_2018.get(path.name.removesuffix(SUFFIX_OF_2018), "target")
    target = KNOWN_TARGETS.get(name, Target(name))
    arguments = checkpoint.get("args")
    kind = arguments.get("task") if isinstance(arguments, Mapping) else None
    if kind == "classification" or (kind is None and n_outputs > 1):
        # class 1 of the shipped file is a metal, as in our tables
        classes = ("false", "true") if name == "is_metal" else map(str, range(n_outputs))
        return Task("classification", (target,), tuple(classes))
    if n_outputs > 1:
        raise BadCheckpoint(f"a regression of {n_outputs} targets, and that code has one.")
    return Task("regression", (target,))


def _make_network(config: CgcnnConfig, task: Task, numbers: Mapping[str, Tensor]) -> Cgcnn:
    n_components = numbers["element_vectors.embedding.weight"].shape[1]
    if n_components != N_COMPONENTS:
        raise BadCheckpoint(
            f"its element vectors have {n_components} components, those of 2018 have "
            f"{N_COMPONENTS}. They are not in the file; train again with model.element_vectors."
        )
    network = Cgcnn(config, task.n_outputs)
    missing, _ = network.load_state_dict(dict(numbers), strict=False)
    lacking = [
        name
        for name in missing  # fixed vectors are ours, and counts of batches are of no use here
        if not name.startswith("element_vectors.") and not name.endswith("num_batches_tracked")
    ]
    if lacking:
        raise BadCheckpoint(f"{lacking[0]} is missing.")
    return network


def _read_normaliser(path: Path, checkpoint: Mapping[str, Any]) -> Normaliser:
    found = checkpoint.get("normalizer")
    try:
        mean, std = float(found["mean"]), float(found["std"])  # type: ignore[index]
    except (KeyError, TypeError, ValueError, RuntimeError):
        raise BadCheckpoint(f"{path}: 'normalizer' has no mean and std.") from None
    if not (np.isfinite(mean) and 0 < std < np.inf):
        raise BadCheckpoint(f"{path}: 'normalizer' has the mean {mean:g} and the std {std:g}.")
    return Normaliser((mean,), (std,))


def _tell_origin(path: Path, content: bytes, checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    epoch = checkpoint.get("epoch")
    return {
        "source_file": path.name,
        "source_sha256": checksum(content),
        "citation": CITATION,
        "elements": "not known; those with an element vector are listed",
        "epoch": epoch if isinstance(epoch, int) else None,
    }


_NAMES = {
    r"embedding\.(.+)": r"element_vectors.embedding.\1",
    r"convs\.(\d+)\.fc_full\.(.+)": r"convolutions.\1.gate_and_message.\2",
    r"convs\.(\d+)\.bn1\.(.+)": r"convolutions.\1.normalise_edges.\2",
    r"convs\.(\d+)\.bn2\.(.+)": r"convolutions.\1.normalise_sum.\2",
    r"conv_to_fc\.(.+)": r"output.1.\1",
}


def config_of_2018_state(state: Mapping[str, Tensor]) -> CgcnnConfig:
    """Return the settings of a network of the 2018 code from the shapes of its numbers.

    Its Gaussians are not among the numbers; they are taken to begin at 0 Å with a step of 0.2 Å.
    """
    if "embedding.weight" not in state or "convs.0.fc_full.weight" not in state:
        raise BadCheckpoint("these are not the numbers of a network of the 2018 code.")
    atom_width = state["embedding.weight"].shape[0]
    n_gaussians = state["convs.0.fc_full.weight"].shape[1] - 2 * atom_width
    n_convolutions = sum(name.endswith("fc_full.weight") for name in state)
    n_further = sum(bool(re.fullmatch(r"fcs\.\d+\.weight", name)) for name in state)
    return replace(
        NETWORK_OF_2018,
        n_convolutions=n_convolutions,
        atom_width=atom_width,
        n_gaussians=n_gaussians,
        gaussian_stop=0.2 * (n_gaussians - 1),
        hidden_width=state["conv_to_fc.weight"].shape[0],
        n_hidden=1 + n_further,
    )


def from_2018_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the numbers of a network of the 2018 code under our names.

    Load them with `strict=False`: the element vectors are in a file of their own there. A network
    that classifies gives logits here, to which the 2018 code adds a log-softmax.
    """
    n_hidden = config_of_2018_state(state).n_hidden
    names = dict(_NAMES)
    for i in range(n_hidden - 1):
        names[rf"fcs\.{i}\.(.+)"] = rf"output.{2 * i + 3}.\1"
    names[r"fc_out\.(.+)"] = rf"output.{2 * n_hidden + 1}.\1"
    renamed = {}
    for name, value in state.items():
        matches = [re.sub(old, new, name) for old, new in names.items() if re.fullmatch(old, name)]
        if not matches:
            raise BadCheckpoint(f"{name!r} is not a name of the 2018 code's network.")
        renamed[matches[0]] = value
    return renamed
