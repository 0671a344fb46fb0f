"""A trained model in two files: `model.safetensors` (numbers) and `model.json` (what they mean).

Neither can run code when it is read; a pickle can, and is refused, but for the `.pth.tar` files of
the 2018 code, of which numbers alone are read (see `checkpoint_2018.py`). What is in the files, and
how an ensemble refers to them, is written down for people who write readers in
`docs/model_format.md`.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import safetensors.numpy

from xtalgraph.errors import BadCheckpoint, XtalgraphError
from xtalgraph.extras import import_extra
from xtalgraph.files import checksum, write_bytes, write_json
from xtalgraph.graphs.config import GraphConfig
from xtalgraph.nn.configs import SUFFIX_OF_2018
from xtalgraph.nn.registry import NETWORKS, network_name
from xtalgraph.nn.saved_model import Block, SavedModel, dequantize, quantize, read_arrays
from xtalgraph.nn.task import Normaliser, Task
from xtalgraph.settings import decisive_settings
from xtalgraph.units import Target

FORMAT = 3  # of model.json and ensemble.json; 0.1 wrote 1, and 2 where weights are int8
FORMATS_OF_0_1 = (1, 2)
DESCRIPTION, WEIGHTS = "model.json", "model.safetensors"
ADDED_SETTINGS = {"radial_basis": "gaussian"}  # with what files of 0.1, which lack them, mean
RENAMED_SETTINGS = {"bond_ties": "distance_degeneracy"}  # as files of 0.1 spell them
HARMLESS = 1024  # a setting up to this allocates little, whatever it is of
PICKLES = {".pt", ".pth", ".tar", ".ckpt", ".pkl", ".pickle", ".bin", ".joblib"}
BLOCKS = {
    "calibration": 1,
    "domain": 1,
    "evidence": 1,
    "training_hashes": 1,
    "expected_volume": 1,
}
"""The blocks that are known here, and up to which schema."""

_BLOCK_NAME = re.compile(r"[a-z][a-z0-9_]*")
Settings = TypeVar("Settings")


def save_model(saved: SavedModel, folder: str | Path, *, weights: str = "float32") -> Path:
    """Write a model into a folder, which is made.

    Each file is whole or not there, also when the program is interrupted: first the numbers, then
    the description with their checksum.

    Args:
        saved: The model.
        folder: Where to write.
        weights: How to store the weights: `float32`, `float16` (half the size, about 3 digits) or
            `int8` (a quarter). Read again they are float32.

    Returns:
        The folder.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    content = safetensors.numpy.save(quantize(saved.numbers, weights))
    write_bytes(folder / WEIGHTS, content)
    description = {
        "format": FORMAT,
        "name": saved.name,
        "version": saved.version,
        "model": network_name(saved.model_config),
        "model_config": decisive_settings(saved.model_config),
        "graph": decisive_settings(saved.graph_config),
        "task": asdict(saved.task),
        "normaliser": asdict(saved.normaliser) if saved.normaliser else None,
        "elements": list(saved.elements),
        "weights": weights,
        "weights_sha256": checksum(content),
        "provenance": dict(saved.provenance),
        "blocks": write_blocks(saved.blocks, folder),
    }
    write_json(folder / DESCRIPTION, description)
    return folder


def read_model(path: str | Path) -> SavedModel:
    """Read a model, on the CPU, ready to predict.

    Args:
        path: Its folder or either of its two files; a `.pth.tar` is read as a checkpoint of the
            2018 code, without running what is pickled in it.

    Returns:
        The model.

    Raises:
        BadCheckpoint: A file is missing, broken, of a later format, or no model of ours.
    """
    path = Path(path)
    if path.name.endswith(SUFFIX_OF_2018):
        import_extra("torch", "reading a checkpoint of the 2018 code")
        from xtalgraph.nn.checkpoint_2018 import read_checkpoint_2018

        return read_checkpoint_2018(path)
    folder = _find_folder(path)
    file = folder / DESCRIPTION
    description = read_description(file)
    state = dequantize(read_arrays(folder / WEIGHTS, description["weights_sha256"]))
    try:
        model_config = _rebuild(
            NETWORKS[description["model"]].config_class, description["model_config"]
        )
        _refuse_excess(description["model_config"], state)
        graph_config = _rebuild(GraphConfig, description["graph"])
        targets = tuple(_rebuild(Target, target) for target in description["task"]["targets"])
        task = Task(description["task"]["kind"], targets, tuple(description["task"]["classes"]))
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
        description["name"],
        description["version"],
        read_blocks(description["blocks"], file),
        description["weights_sha256"],
    )
    try:
        _ = saved.in_numpy or saved.network  # each refuses numbers that are not its own
    except BadCheckpoint as error:
        raise BadCheckpoint(
            f"{folder / WEIGHTS} does not fit the settings in {DESCRIPTION}: {error}"
        ) from None
    return saved


def _find_folder(path: Path) -> Path:
    """Return the folder of a model, or say why there is none."""
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
    "name": str,
    "version": str,
    "model": str,
    "model_config": dict,
    "graph": dict,
    "task": dict,
    "normaliser": (dict, type(None)),
    "elements": list,
    "weights_sha256": str,
    "provenance": dict,
    "blocks": dict,
}


def read_description(file: Path) -> dict[str, Any]:
    """Read a `model.json` of any version, and give what it would be in the format of today."""
    description = read_format(file, (*FORMATS_OF_0_1, FORMAT))
    if description["format"] in FORMATS_OF_0_1:
        description = {"format": FORMAT, "name": "", "version": "", "blocks": {}} | {
            key: value for key, value in description.items() if key != "format"
        }
    for key, type_ in _KEYS.items():
        if not isinstance(description.get(key, ...), type_):
            raise BadCheckpoint(f"{file}: {key!r} is missing or of a wrong type.")
    return description


def read_format(file: Path, readable: Sequence[int]) -> dict[str, Any]:
    """Read a JSON object whose `format` is one of these numbers."""
    try:
        description = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadCheckpoint(f"{file} is not JSON ({error}). Copy it again.") from None
    found = description.get("format") if isinstance(description, dict) else None
    if found not in readable:
        expected = ", ".join(map(str, readable))
        raise BadCheckpoint(
            f"{file}: format {found!r}, expected one of {expected}. Read it with the version of "
            "xtalgraph that wrote it, or train again."
        )
    return description


def write_blocks(blocks: Mapping[str, Block], folder: Path) -> dict[str, Any]:
    """Write the arrays of blocks into a folder, and give what a description says of the blocks."""
    records = {}
    for name, block in blocks.items():
        if not _BLOCK_NAME.fullmatch(name):
            raise BadCheckpoint(f"{name!r} is no name of a block. Use a-z, 0-9 and _.")
        record = {"schema": block.schema, "required": block.required, "info": dict(block.info)}
        if block.arrays:
            # safetensors takes the memory as it lies: a transposed array would come back scrambled
            arrays = {key: np.ascontiguousarray(value) for key, value in block.arrays.items()}
            content = safetensors.numpy.save(arrays)
            write_bytes(folder / f"{name}.safetensors", content)
            record |= {"file": f"{name}.safetensors", "sha256": checksum(content)}
        records[name] = record
    return records


def is_inside(place: str) -> bool:
    """Return whether a path that a model names stays in its folder.

    A folder within a sibling, `../energies/member-1`, counts too: networks that several models
    share.
    """
    parts = os.path.normpath(place.replace("\\", "/")).split("/")
    if Path(place).is_absolute() or ":" in parts[0]:
        return False
    return parts[0] != ".." or (len(parts) > 2 and parts[1] != "..")


def read_blocks(records: Mapping[str, Any], description: Path) -> dict[str, Block]:
    """Return the blocks that a description names, also those that are not known here.

    Raises:
        BadCheckpoint: A block is not written as one, or is required and not known here.
    """
    blocks = {}
    for name, record in records.items():
        try:
            schema, required = record["schema"], record.get("required", False)
            stored: Mapping[str, np.ndarray] | Path = {}
            sha256 = ""
            if record.get("file") is not None:
                if not is_inside(record["file"]):
                    raise ValueError(f"the path {record['file']} leaves its folder")
                stored, sha256 = description.parent / record["file"], record["sha256"]
            info = dict(record.get("info", {}))
            blocks[name] = Block(int(schema), info, stored, bool(required), sha256)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadCheckpoint(
                f"{description}: the block {name!r} is broken ({type(error).__name__}: {error})."
            ) from None
        if required and schema > BLOCKS.get(name, -1):
            raise BadCheckpoint(
                f"{description}: the model needs its block {name!r} (schema {schema}), which this "
                "version of xtalgraph does not know. Update xtalgraph."
            )
    return blocks


def find_block(blocks: Mapping[str, Block], name: str) -> Block | None:
    """Return a block that can be used here; None where it is absent or, with a warning, newer."""
    block = blocks.get(name)
    if block is not None and block.schema > BLOCKS[name]:
        warnings.warn(
            f"the model's block {name!r} has schema {block.schema}, of which this version of "
            f"xtalgraph knows up to {BLOCKS[name]}: it is ignored. Update xtalgraph to use it.",
            stacklevel=2,
        )
        return None
    return block


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


def _refuse_excess(settings: Mapping[str, Any], state: Mapping[str, np.ndarray]) -> None:
    """Refuse widths and counts that the stored arrays cannot have, before anything is allocated."""
    sizes = (size for value in state.values() for size in value.shape)
    largest = max([HARMLESS, len(state), *sizes])  # a width that is not used has no array
    for name, value in settings.items():
        if isinstance(value, int) and value > largest:
            raise BadCheckpoint(
                f"{name} = {value}, and no array of the weights is larger than {largest}."
            )
