"""A trained model in two files: `model.safetensors` (numbers) and `model.json` (what they mean).

Neither can run code when it is read; a pickle can, and is refused, but for the `.pth.tar` files of
the 2018 code, of which numbers alone are read (see `checkpoint_2018.py`). `model.json` holds the
version of the format, the network's and the graph's settings, the task with its units, the
normaliser, the elements of the training crystals, where the model comes from, and the checksum of
the numbers.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from xtalgraph.errors import BadCheckpoint, XtalgraphError
from xtalgraph.graphs.config import GraphConfig
from xtalgraph.nn.configs import SUFFIX_OF_2018
from xtalgraph.nn.normaliser import Normaliser
from xtalgraph.nn.quantization import restore_weights, store_weights
from xtalgraph.nn.registry import NETWORKS, network_name
from xtalgraph.nn.saved_model import SavedModel
from xtalgraph.nn.task import Task
from xtalgraph.settings import decisive_settings
from xtalgraph.units import Target

FORMAT = 1  # raised whenever a file of today could not be read by the code of yesterday
FORMAT_OF_INTEGERS = 2  # with weights as int8, which code that knows 1 alone would take for numbers
DESCRIPTION, WEIGHTS = "model.json", "model.safetensors"
ADDED_SETTINGS = {"radial_basis": "gaussian"}  # with what files of 0.1, which lack them, mean
RENAMED_SETTINGS = {"bond_ties": "distance_degeneracy"}  # as files of 0.1 spell them
PICKLES = {".pt", ".pth", ".tar", ".ckpt", ".pkl", ".pickle", ".bin", ".joblib"}

Settings = TypeVar("Settings")


def save_model(saved: SavedModel, folder: str | Path, *, weights: str = "float32") -> Path:
    """Write the two files into a folder, which is made, and give the folder.

    Each file is whole or not there, also when the program is stopped in between: first the
    numbers, then the description with their checksum. For models that are handed on, `weights` may
    be `float16`, half the size and some 3 digits, or `int8`, a quarter (see `stored_weights`):
    read again they are float32.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    content = safetensors.numpy.save(store_weights(saved.numbers, weights))
    description = {
        "format": FORMAT_OF_INTEGERS if weights == "int8" else FORMAT,
        "model": network_name(saved.model_config),
        "model_config": decisive_settings(saved.model_config),
        "graph": decisive_settings(saved.graph_config),
        "task": asdict(saved.task),
        "normaliser": asdict(saved.normaliser) if saved.normaliser else None,
        "elements": list(saved.elements),
        "weights_sha256": hashlib.sha256(content).hexdigest(),
        "provenance": dict(saved.provenance),
    }
    _write(folder / WEIGHTS, content)
    text = json.dumps(description, indent=2, ensure_ascii=False) + "\n"
    _write(folder / DESCRIPTION, text.encode())
    return folder


def read_model(path: str | Path) -> SavedModel:
    """Read a model from its folder or from either of its two files, on the CPU, ready to predict.

    A `.pth.tar` is read as a checkpoint of the 2018 code, without running what is pickled in it.
    Raises `BadCheckpoint` where a file is missing, broken, of another format or no model of ours.
    """
    path = Path(path)
    if path.name.endswith(SUFFIX_OF_2018):
        from xtalgraph.nn.checkpoint_2018 import read_checkpoint_2018  # torch reads these

        return read_checkpoint_2018(path)
    folder = _find_folder(path)
    file = folder / DESCRIPTION
    description = _read_description(file)
    state = _read_weights(folder / WEIGHTS, description["weights_sha256"])
    try:
        model_config = _rebuild(
            NETWORKS[description["model"]].config_class, description["model_config"]
        )
        graph_config = _rebuild(GraphConfig, description["graph"])
        task = _rebuild_task(description["task"])
        normaliser = description["normaliser"]
        if normaliser is not None:
            normaliser = Normaliser(tuple(normaliser["mean"]), tuple(normaliser["std"]))
    except (XtalgraphError, TypeError, KeyError) as error:
        raise BadCheckpoint(
            f"{file}: {error} It was written by another version of xtalgraph, or changed by hand."
        ) from error
    saved = SavedModel(
        state,
        model_config,
        graph_config,
        task,
        normaliser,
        tuple(description["elements"]),
        description["provenance"],
    )
    try:
        _ = saved.in_numpy or saved.network  # each refuses numbers that are not its own
    except BadCheckpoint as error:
        raise BadCheckpoint(
            f"{folder / WEIGHTS} does not fit the settings in {DESCRIPTION}: {error}"
        ) from None
    return saved


def _find_folder(path: Path) -> Path:
    """Give the folder of a model, or say why there is none."""
    if path.suffix in PICKLES:
        raise BadCheckpoint(
            f"{path} can be a pickle, which may run code when it is read, and is not read. Give "
            f"the run folder, {DESCRIPTION} or {WEIGHTS}."
        )
    if not path.exists():
        raise BadCheckpoint(f"{path} does not exist. Give a run folder or a {DESCRIPTION}.")
    folder = path if path.is_dir() else path.parent
    if path.is_file() and path.name not in (DESCRIPTION, WEIGHTS):
        raise BadCheckpoint(f"{path} is no model. Give a run folder, {DESCRIPTION} or {WEIGHTS}.")
    missing = [name for name in (DESCRIPTION, WEIGHTS) if not (folder / name).is_file()]
    if missing:
        raise BadCheckpoint(
            f"{folder} has no {' and no '.join(missing)}. A model is both files in one folder; a "
            "run that was stopped before its first validation has none."
        )
    return folder


_KEYS: dict[str, type | tuple[type, ...]] = {
    "model": str,
    "model_config": dict,
    "graph": dict,
    "task": dict,
    "normaliser": (dict, type(None)),
    "elements": list,
    "weights_sha256": str,
    "provenance": dict,
}


def _read_description(file: Path) -> dict[str, Any]:
    try:
        description = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadCheckpoint(f"{file} is not JSON ({error}). Copy it again.") from None
    found = description.get("format") if isinstance(description, dict) else None
    if found not in (FORMAT, FORMAT_OF_INTEGERS):
        raise BadCheckpoint(
            f"{file}: format {found!r}, expected {FORMAT} or {FORMAT_OF_INTEGERS}. Read it "
            "with the version of xtalgraph that wrote it, or train again."
        )
    for key, type_ in _KEYS.items():
        if not isinstance(description.get(key, ...), type_):
            raise BadCheckpoint(f"{file}: {key!r} is missing or of a wrong type.")
    return description


def _read_weights(file: Path, expected_sha256: str) -> dict[str, np.ndarray]:
    content = file.read_bytes()
    try:
        state = safetensors.numpy.load(content)
    except SafetensorError as error:
        raise BadCheckpoint(
            f"{file} is broken ({error}; {len(content)} bytes). Copy it again."
        ) from None
    if hashlib.sha256(content).hexdigest() != expected_sha256:
        raise BadCheckpoint(
            f"{file} is not the file that {DESCRIPTION} beside it was written with (the checksums "
            "differ). Copy both files again from one run."
        )
    return restore_weights(state)


def _rebuild(kind: type[Settings], values: Mapping[str, Any]) -> Settings:
    """Make a settings object of exactly the fields that were written; no default stands in."""
    values = {RENAMED_SETTINGS.get(name, name): value for name, value in values.items()}
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]
    names = {field.name for field in fields if field.compare}
    values = {name: ADDED_SETTINGS[name] for name in names & set(ADDED_SETTINGS)} | values
    if names != set(values):
        different = ", ".join(sorted(names ^ set(values)))
        raise BadCheckpoint(f"{kind.__name__} differs in the settings {different}.")
    return kind(**values)


def _rebuild_task(values: Mapping[str, Any]) -> Task:
    targets = tuple(_rebuild(Target, target) for target in values["targets"])
    return Task(values["kind"], targets, tuple(values["classes"]))


def _write(file: Path, content: bytes) -> None:
    """Write a file so that it is never seen half."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.write_bytes(content)
    os.replace(temporary, file)
