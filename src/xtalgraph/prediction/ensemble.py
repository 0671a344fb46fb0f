"""Several networks of one task as one model, with what was calibrated for them.

On disk an ensemble is a folder: `ensemble.json`, `reference.safetensors` (where the training
crystals lie), and one folder a member with its `model.json` and `model.safetensors`. No pickle.
Networks of several targets can serve several ensembles of one target each: then the member folders
lie beside these, in a folder of their own, and are named by a path such as `../energies/member-1`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from xtalgraph.errors import BadCheckpoint, BadConfig
from xtalgraph.nn import SavedModel, Task, read_model, save_model
from xtalgraph.nn.quantization import FORMS, restore_weights, store_weights
from xtalgraph.nn.saved import DESCRIPTION
from xtalgraph.nn.selecting import select_targets
from xtalgraph.nn.shipped import ENSEMBLE
from xtalgraph.prediction.calibration import (
    Calibration,
    ClassCalibration,
    IntervalCalibration,
    Scale,
)
from xtalgraph.prediction.domain import Domain, Reference

FORMAT = 1
REFERENCE = "reference.safetensors"


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Networks that answer the same question; their mean is the answer.

    One network alone, as a run leaves it, is an ensemble of one without calibration and domain.
    """

    members: tuple[SavedModel, ...]
    calibration: Calibration | None = None
    domain: Domain | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)  # how it was made and scored: the card
    places: tuple[str, ...] = ()  # of the members, from the ensemble's folder; empty: not stored

    def __post_init__(self) -> None:
        if not self.members:
            raise BadConfig("an ensemble without members. Give one model or more.")
        for member in self.members[1:]:
            _refuse_difference(self.members[0], member)

    @property
    def task(self) -> Task:
        """What all members predict."""
        return self.members[0].task


def is_ensemble(path: Path) -> bool:
    """Say whether a path is the folder of an ensemble, or its `ensemble.json`."""
    return (path / ENSEMBLE).is_file() or (path.name == ENSEMBLE and path.is_file())


def save_members(
    members: Sequence[SavedModel], folder: Path, weights: str = "float16"
) -> list[Path]:
    """Write each network into a folder of its own, and give these folders.

    `weights` is the form that they are stored in (`models/stored_weights.py`). What is there
    already must be the same networks, in whatever form.
    """
    stored = []
    for number, member in enumerate(members, start=1):
        place = folder / f"member-{number}"
        if not (place / DESCRIPTION).is_file():
            save_model(member, place, weights=weights)
        elif not _equal(read_model(place), member):
            raise BadConfig(f"{place} holds another network. Choose another folder, or remove it.")
        stored.append(place)
    return stored


def _equal(stored: SavedModel, member: SavedModel) -> bool:
    """Say whether what is stored is the member, rounded in one of the forms."""
    theirs = stored.numbers
    return any(
        theirs.keys() == ours.keys()
        and all(
            np.allclose(value, ours[name], rtol=1e-3, atol=1e-6, equal_nan=True)
            for name, value in theirs.items()
        )
        for ours in (restore_weights(store_weights(member.numbers, form)) for form in FORMS)
    )


def save_description(ensemble: Ensemble, folder: Path) -> None:
    """Write all of an ensemble but its members, which `save_members` has written there before."""
    domain, reference = ensemble.domain, None
    if domain is not None:
        places = domain.reference
        arrays = {
            "origin": places.origin,
            "directions": places.directions,
            "centres": places.centres.astype(np.float16),
        }
        # safetensors takes the memory as it lies: a transposed array would come back scrambled
        contiguous = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
        reference = safetensors.numpy.save(contiguous)
        _write(folder / REFERENCE, reference)
    description = {
        "format": FORMAT,
        "members": list(ensemble.places)
        or [f"member-{number}" for number in range(1, len(ensemble.members) + 1)],
        "targets": [target.name for target in ensemble.task.targets],
        "calibration": None if ensemble.calibration is None else asdict(ensemble.calibration),
        "domain": None
        if domain is None or reference is None
        else {
            "fewest_neighbours": domain.fewest_neighbours,
            "edge": domain.edge,
            "out": domain.out,
            "reference_sha256": hashlib.sha256(reference).hexdigest(),
        },
        "facts": dict(ensemble.facts),
    }
    text = json.dumps(description, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    _write(folder / ENSEMBLE, text.encode())


def read_ensemble(path: Path) -> Ensemble:
    """Read an ensemble from its folder or its `ensemble.json`, on the CPU, ready to predict.

    Raises `BadCheckpoint` where a file is missing, broken or of another format.
    """
    folder = path if path.is_dir() else path.parent
    description = _read_description(folder)
    try:
        places = tuple(description["members"])
        members = read_members([folder / place for place in places], description["targets"])
        calibration = _read_calibration(description["calibration"], members[0].task)
        domain = _read_domain(description["domain"], folder)
    except (KeyError, TypeError, IndexError) as error:
        raise BadCheckpoint(
            f"{folder / ENSEMBLE}: {type(error).__name__} {error}. It was written by another "
            "version of xtalgraph, or changed by hand."
        ) from error
    return Ensemble(members, calibration, domain, description["facts"], places)


def copy_whole(folder: Path, out: Path) -> None:
    """Copy the folder of an ensemble, and into it the networks that it shares with others."""
    shutil.copytree(folder, out, dirs_exist_ok=True)
    description = _read_description(folder)
    places = []
    for number, place in enumerate(description["members"], start=1):
        places.append(f"member-{number}")
        shutil.copytree(folder / place, out / places[-1], dirs_exist_ok=True)
    description["members"] = places
    text = json.dumps(description, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    _write(out / ENSEMBLE, text.encode())


def count_bytes(folder: Path) -> int:
    """Give the bytes of an ensemble, networks that it shares with others included."""
    places = [folder / place for place in _read_description(folder)["members"]]
    folders = {folder.resolve(), *(place.resolve() for place in places)}
    files = {file for one in folders for file in one.rglob("*") if file.is_file()}
    return sum(file.stat().st_size for file in files)


def read_members(folders: Sequence[Path], targets: Sequence[str]) -> tuple[SavedModel, ...]:
    """Read networks, and of each what predicts these targets."""
    return tuple(select_targets(read_model(folder), targets) for folder in folders)


def _read_description(folder: Path) -> dict[str, Any]:
    file = folder / ENSEMBLE
    try:
        description = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadCheckpoint(f"{file} is not JSON ({error}). Copy it again.") from None
    found = description.get("format") if isinstance(description, dict) else None
    if found != FORMAT:
        raise BadCheckpoint(
            f"{file}: format {found!r}, expected {FORMAT}. Read it with the version of xtalgraph "
            "that wrote it, or pack the runs again."
        )
    return description


def _read_calibration(values: Mapping[str, Any] | None, task: Task) -> Calibration | None:
    if values is None:
        return None
    if task.kind == "classification":
        return ClassCalibration(**values)
    return IntervalCalibration(
        values["coverage"], tuple(Scale(**scale) for scale in values["scales"])
    )


def _read_domain(values: Mapping[str, Any] | None, folder: Path) -> Domain | None:
    if values is None:
        return None
    file = folder / REFERENCE
    if not file.is_file():
        raise BadCheckpoint(f"{folder} has no {REFERENCE}. Copy the whole folder again.")
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != values["reference_sha256"]:
        raise BadCheckpoint(
            f"{file} is not the file that {ENSEMBLE} beside it was written with (the checksums "
            "differ). Copy the whole folder again."
        )
    try:
        arrays = safetensors.numpy.load(content)
    except SafetensorError as error:
        raise BadCheckpoint(f"{file} is broken ({error}). Copy it again.") from None
    reference = Reference(
        arrays["origin"], arrays["directions"], arrays["centres"].astype(np.float32)
    )
    return Domain(reference, values["fewest_neighbours"], values["edge"], values["out"])


def _refuse_difference(first: SavedModel, other: SavedModel) -> None:
    for words, one, two in (
        ("task", first.task, other.task),
        ("training elements", first.elements, other.elements),
    ):
        if one != two:
            raise BadCheckpoint(
                f"the members of an ensemble differ in their {words}: {one} and {two}. Put "
                "networks together that learned one target on one split."
            )


def _write(file: Path, content: bytes) -> None:
    """Write a file so that it is never seen half."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.write_bytes(content)
    os.replace(temporary, file)
