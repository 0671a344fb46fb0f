"""Where a model lies: a path, a name of those that come with the package, or the hub."""

from __future__ import annotations

import json
import re
from pathlib import Path

from xtalgraph.errors import BadConfig
from xtalgraph.nn.hub import fetch_model, is_on_hub
from xtalgraph.nn.saved import read_model
from xtalgraph.nn.saved_model import SavedModel
from xtalgraph.nn.selecting import select_targets
from xtalgraph.nn.shipped import ENSEMBLE, find_shipped, shipped_names

_NAME = re.compile(r"[A-Za-z0-9]+([-_][A-Za-z0-9]+)*")  # no separator and no suffix: not a file
_MEMBER = re.compile(r"(?P<ensemble>.+)/member-(?P<number>\d+)/?")


def resolve_model(model: str | Path) -> Path:
    """Give the path of a model, which may be named, as a text, in four ways.

    By a path; where there is none, by the name of a shipped model; by `hf:OWNER/NAME`, an address
    of the hub; by any of these and `/member-2`, for one network of an ensemble, whose folder need
    not be there, because ensembles share networks: `read_network` knows where it lies. Raises
    `UnknownName` with the nearest name for a word that is neither path nor name.
    """
    if isinstance(model, Path):
        return model
    member = _MEMBER.fullmatch(model)
    if member and not Path(model).exists():
        ensemble = member["ensemble"]
        if is_on_hub(ensemble) or ensemble in shipped_names():
            return resolve_model(ensemble) / f"member-{member['number']}"
    if is_on_hub(model):
        return fetch_model(model)
    if _NAME.fullmatch(model) and not Path(model).exists():
        return find_shipped(model)
    return Path(model)


def name_network(model: str | Path) -> str:
    """Give the name of a single network: of an ensemble, that of its first member."""
    name = str(model)
    return f"{name.rstrip('/')}/member-1" if (resolve_model(model) / ENSEMBLE).is_file() else name


def read_network(model: str | Path) -> SavedModel:
    """Read a single network, of an ensemble's member what predicts the ensemble's targets."""
    path = resolve_model(model)
    ensemble = path.parent / ENSEMBLE
    number = path.name.removeprefix("member-")
    if not (ensemble.is_file() and number.isdecimal()):
        return read_model(path)
    description = json.loads(ensemble.read_text(encoding="utf-8"))
    members = description["members"]
    if not 1 <= int(number) <= len(members):
        raise BadConfig(f"{model}: the ensemble has {len(members)} members, from member-1 on.")
    return select_targets(
        read_model(path.parent / members[int(number) - 1]), description["targets"]
    )


def find_weights(path: Path) -> list[Path]:
    """Give the files with the numbers of a model that lies at a path.

    Of an ensemble they are its description, which has the calibration, and the weights of its
    networks, which may lie in a folder that several ensembles share.
    """
    if path.is_file() and path.suffix not in (".json", ".safetensors"):
        return [path]
    folder = path if path.is_dir() else path.parent
    if not (folder / ENSEMBLE).is_file():
        return sorted(folder.glob("*.safetensors"))
    members = json.loads((folder / ENSEMBLE).read_text(encoding="utf-8"))["members"]
    networks = [
        file for place in members for file in sorted((folder / place).glob("*.safetensors"))
    ]
    return [folder / ENSEMBLE, *networks]
