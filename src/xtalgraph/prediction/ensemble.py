"""Several networks of one task as one model, with what was calibrated for them.

On disk an ensemble is a folder: `ensemble.json`, the arrays of its blocks (`domain.safetensors`:
where the training crystals lie), and one folder a member with its `model.json` and
`model.safetensors`. No pickle. Networks of several targets can serve several ensembles of one
target each: then the member folders are next to these, in a folder of their own, and are named by a
path such as `../energies/member-1`.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from xtalgraph.errors import BadCheckpoint, BadConfig
from xtalgraph.files import write_json
from xtalgraph.nn import SavedModel, Task, read_model, save_model
from xtalgraph.nn.resolve import ENSEMBLE, read_ensemble_description, read_network, resolve_model
from xtalgraph.nn.saved import DESCRIPTION, FORMAT, find_block, read_blocks, write_blocks
from xtalgraph.nn.saved_model import FORMS, Block, dequantize, quantize, select_targets
from xtalgraph.prediction.calibration import (
    Calibration,
    Domain,
    read_calibration,
    write_calibration,
)

_CALIBRATION, _DOMAIN = "calibration", "domain"


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Networks that answer the same question; their mean is the answer.

    One network alone is an ensemble of one, see `Ensemble.of`.

    Attributes:
        members: The networks, of one task and the same training elements.
        calibration: Where intervals or probabilities come from; None for an uncalibrated model.
        domain: Where the training crystals lie; None where it is not known.
        facts: How it was made and scored: what its card says. JSON values.
        places: Of the members, from the ensemble's folder; empty where it is not stored.
        name: Such as `formation-energy`; empty for a run.
        version: The release, such as `0.1`; empty where there is none.
        blocks: Further optional parts, see `xtalgraph.nn.saved.Block`.
    """

    members: tuple[SavedModel, ...]
    calibration: Calibration | None = None
    domain: Domain | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    places: tuple[str, ...] = ()
    name: str = ""
    version: str = ""
    blocks: Mapping[str, Block] = field(default_factory=dict)

    @classmethod
    def of(cls, saved: SavedModel) -> Ensemble:
        """Return a single model as an ensemble of one, with its own calibration and domain."""
        calibration, domain, others = _read_known(saved.blocks, saved.task)
        return cls(
            (saved,),
            calibration,
            domain,
            name=saved.name,
            version=saved.version,
            blocks=others,
        )

    def __post_init__(self) -> None:
        if not self.members:
            raise BadConfig("an ensemble without members. Give one model or more.")
        for member in self.members[1:]:
            _refuse_difference(self.members[0], member)

    @property
    def task(self) -> Task:
        """What all members predict."""
        return self.members[0].task


def save_members(
    members: Sequence[SavedModel], folder: Path, weights: str = "float16"
) -> list[Path]:
    """Write each network into a folder of its own, and give these folders.

    `weights` is the form that they are stored in, see `quantize`. What is there already
    must be the same networks, in whatever form.
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
    """Return whether what is stored is the member, rounded in one of the forms."""
    theirs = stored.numbers
    return any(
        theirs.keys() == ours.keys()
        and all(
            np.allclose(value, ours[name], rtol=1e-3, atol=1e-6, equal_nan=True)
            for name, value in theirs.items()
        )
        for ours in (dequantize(quantize(member.numbers, form)) for form in FORMS)
    )


def save_description(ensemble: Ensemble, folder: Path) -> None:
    """Write all of an ensemble but its members, which `save_members` has written there before."""
    blocks: dict[str, Block] = {}
    if ensemble.calibration is not None:
        blocks[_CALIBRATION] = write_calibration(ensemble.calibration)
    if ensemble.domain is not None:
        blocks[_DOMAIN] = ensemble.domain.to_block()
    places = ensemble.places or [f"member-{n}" for n in range(1, len(ensemble.members) + 1)]
    members = [
        {"path": place, "weights_sha256": read_model(folder / place).weights_sha256}
        for place in places
    ]
    description = {
        "format": FORMAT,
        "name": ensemble.name,
        "version": ensemble.version,
        "members": members,
        "targets": [target.name for target in ensemble.task.targets],
        "blocks": write_blocks(blocks | dict(ensemble.blocks), folder),
        "facts": dict(ensemble.facts),
    }
    write_json(folder / ENSEMBLE, description)


def read_ensemble(path: str | Path, networks: dict[Path, SavedModel] | None = None) -> Ensemble:
    """Read a model of any kind, on the CPU, ready to predict.

    Args:
        path: The folder of an ensemble or its `ensemble.json`; any other model that
            `resolve_model` knows is an ensemble of one.
        networks: Networks that were read before, by their folders, to which those that are read
            here are added: ensembles that share networks then share them in memory too.

    Returns:
        The ensemble.

    Raises:
        BadCheckpoint: A file is missing, broken or of a later format.
    """
    path = resolve_model(path)
    folder = path if path.is_dir() else path.parent
    if path.name != ENSEMBLE and not (path / ENSEMBLE).is_file():
        return Ensemble.of(read_network(path))
    file = folder / ENSEMBLE
    if not file.is_file():
        raise BadCheckpoint(f"{file} does not exist. Copy the whole folder again.")
    description = read_ensemble_description(folder)
    records = description["members"]
    places = tuple(record["path"] for record in records)
    members = read_members([folder / place for place in places], description["targets"], networks)
    for record, member in zip(records, members, strict=True):
        if record.get("weights_sha256", member.weights_sha256) != member.weights_sha256:
            raise BadCheckpoint(
                f"{folder / record['path']} is not the network that {file} was packed with (the "
                "checksums differ). Copy the whole folder again."
            )
    if not members:
        raise BadCheckpoint(f"{file} names no members. Copy the whole folder again.")
    blocks = read_blocks(description["blocks"], file)
    try:
        calibration, domain, others = _read_known(blocks, members[0].task)
    except BadCheckpoint as error:
        raise BadCheckpoint(f"{file}: {error}") from error
    return Ensemble(
        members,
        calibration,
        domain,
        description["facts"],
        places,
        description["name"],
        description["version"],
        others,
    )


def _read_known(
    blocks: Mapping[str, Block], task: Task
) -> tuple[Calibration | None, Domain | None, dict[str, Block]]:
    """Return calibration and domain, and the other blocks, which are kept."""
    calibration, domain = find_block(blocks, _CALIBRATION), find_block(blocks, _DOMAIN)
    used = {_CALIBRATION: calibration, _DOMAIN: domain}
    return (
        None if calibration is None else read_calibration(calibration, task),
        None if domain is None else Domain.from_block(domain),
        {name: block for name, block in blocks.items() if used.get(name) is None},
    )


def copy_whole(folder: Path, out: Path) -> None:
    """Copy the folder of an ensemble, and into it what it shares with others."""
    shutil.copytree(folder, out, dirs_exist_ok=True)
    description = read_ensemble_description(folder)
    for number, member in enumerate(description["members"], start=1):
        place = f"member-{number}"
        shutil.copytree(folder / member["path"], out / place, dirs_exist_ok=True)
        member["path"] = place
    for block in description["blocks"].values():
        if block.get("file"):
            file = folder / block["file"]
            shutil.copyfile(file, out / file.name)
            block["file"] = file.name
    write_json(out / ENSEMBLE, description)


def count_bytes(folder: Path) -> int:
    """Return the bytes of an ensemble, networks that it shares with others included."""
    places = [folder / member["path"] for member in read_ensemble_description(folder)["members"]]
    folders = {folder.resolve(), *(place.resolve() for place in places)}
    files = {file for one in folders for file in one.rglob("*") if file.is_file()}
    return sum(file.stat().st_size for file in files)


def read_members(
    folders: Sequence[Path],
    targets: Sequence[str],
    networks: dict[Path, SavedModel] | None = None,
) -> tuple[SavedModel, ...]:
    """Read networks, unless they were read before, and of each what predicts these targets."""
    known = {} if networks is None else networks
    places = [folder.resolve() for folder in folders]
    for place in places:
        if place not in known:
            known[place] = read_model(place)
    return tuple(select_targets(known[place], targets) for place in places)


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
