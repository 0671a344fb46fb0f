"""Where a model lies: a path, a name of those that come with the package, or the hub.

The models that come with the package are folders in `shipped/`: calibrated ensembles as `xtalgraph
ensemble` packs them. A folder `NAME` is the current release, `NAME@VERSION` an earlier one; names
that begin with `_` are networks that several models share, each for a target of its own.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from xtalgraph.errors import BadCheckpoint, BadConfig, UnknownName
from xtalgraph.nn.saved import FORMAT, is_inside, read_format, read_model
from xtalgraph.nn.saved_model import SavedModel, select_targets

SHIPPED = Path(__file__).resolve().parent / "shipped"
ENSEMBLE = "ensemble.json"
CARD = "card.md"

# no separator and no suffix: not a file
_NAME = re.compile(
    r"(?P<name>[A-Za-z0-9]+(?:[-_][A-Za-z0-9]+)*)(?:@(?P<version>[\w.+-]+))?", re.ASCII
)
_MEMBER = re.compile(r"(?P<ensemble>.+)/member-(?P<number>\d+)/?")


def resolve_model(model: str | Path) -> Path:
    """Return the path of a model.

    Args:
        model: A path; where there is none of a text, the name of a shipped model, as
            `formation-energy` or, for one release, `formation-energy@0.1`; an address of the hub,
            `hf:OWNER/NAME` or `hf:OWNER/NAME@REVISION`; any of these and `/member-2`, for one
            network of an ensemble, whose folder need not be there, because ensembles share
            networks: `read_network` knows where it lies.

    Returns:
        The path.

    Raises:
        UnknownName: A word is neither path nor name, or there is no such release; with the nearest
            name and the list.
    """
    if isinstance(model, Path) or Path(model).exists():
        return Path(model)
    member = _MEMBER.fullmatch(model)
    if member and _is_named(member["ensemble"]):
        return resolve_model(member["ensemble"]) / f"member-{member['number']}"
    if _is_on_hub(model):
        from xtalgraph.nn.hub import fetch_model

        return fetch_model(model)
    name = _NAME.fullmatch(model)
    return find_shipped(name["name"], name["version"] or "") if name else Path(model)


def _is_on_hub(model: str) -> bool:
    return model.startswith("hf:")


def _is_named(ensemble: str) -> bool:
    name = _NAME.fullmatch(ensemble)
    return _is_on_hub(ensemble) or (name is not None and name["name"] in shipped_names())


def shipped_names() -> list[str]:
    """Return the names of the models that come with the package, in alphabetical order."""
    folders = [file.parent.name for file in SHIPPED.glob(f"*/{ENSEMBLE}")]
    return sorted(name for name in folders if "@" not in name)


def find_shipped(name: str, version: str = "") -> Path:
    """Return the folder of a shipped model, of its current release where no version is named.

    Raises:
        UnknownName: There is no such model, or no such version of it.
    """
    names = shipped_names()
    if name not in names:
        raise UnknownName("path or shipped model", name, names)
    if not version:
        return SHIPPED / name
    folders = [SHIPPED / name, *SHIPPED.glob(f"{name}@*")]
    releases = {read_ensemble_description(folder)["version"]: folder for folder in folders}
    if version not in releases:
        raise UnknownName(f"version of {name}", version, releases)
    return releases[version]


def read_ensemble_description(folder: Path) -> dict[str, Any]:
    """Read an `ensemble.json` of any version, and give what it would be in the format of today."""
    file = folder / ENSEMBLE
    description = read_format(file, (1, FORMAT))
    try:
        if description["format"] == 1:
            description = _upgrade(description)
        for member in description["members"]:
            if not is_inside(member["path"]):
                raise BadCheckpoint(f"{file}: the path {member['path']} leaves its folder.")
        list(description["targets"])
    except (KeyError, TypeError, AttributeError) as error:
        raise BadCheckpoint(
            f"{file}: {type(error).__name__} {error}. It was written by another version of "
            "xtalgraph, or changed by hand."
        ) from error
    return {"format": FORMAT, "name": "", "version": "", "blocks": {}, "facts": {}} | description


def _upgrade(old: dict[str, Any]) -> dict[str, Any]:
    """Return a description of 0.1 in the format of today; its arrays lie where they lay."""
    calibration, domain = old["calibration"], old["domain"]
    blocks: dict[str, Any] = {}
    if calibration is not None:
        blocks["calibration"] = {"schema": 1, "required": False, "info": calibration}
    if domain is not None:
        info = {name: value for name, value in domain.items() if name != "reference_sha256"}
        blocks["domain"] = {
            "schema": 1,
            "required": False,
            "info": info,
            "file": "reference.safetensors",
            "sha256": domain["reference_sha256"],
        }
    return {
        "format": FORMAT,
        "name": "",
        "version": "",
        "members": [{"path": place} for place in old["members"]],
        "targets": old["targets"],
        "blocks": blocks,
        "facts": old["facts"],
    }


def name_network(model: str | Path) -> str:
    """Return the name of a single network: of an ensemble, that of its first member."""
    name = str(model)
    return f"{name.rstrip('/')}/member-1" if (resolve_model(model) / ENSEMBLE).is_file() else name


def read_network(model: str | Path) -> SavedModel:
    """Read a single network, of an ensemble's member what predicts the ensemble's targets.

    Args:
        model: As for `resolve_model`.

    Returns:
        The network.

    Raises:
        BadConfig: The ensemble has no member of that number.
    """
    path = resolve_model(model)
    number = path.name.removeprefix("member-")
    if not ((path.parent / ENSEMBLE).is_file() and number.isdecimal()):
        return read_model(path)
    description = read_ensemble_description(path.parent)
    members = description["members"]
    if not 1 <= int(number) <= len(members):
        raise BadConfig(f"{model}: the ensemble has {len(members)} members, from member-1 on.")
    return select_targets(
        read_model(path.parent / members[int(number) - 1]["path"]), description["targets"]
    )


def find_weights(path: Path) -> list[Path]:
    """Return the files with the numbers of a model that lies at a path.

    Of an ensemble they are its description, which has the calibration, and the weights of its
    networks, which may lie in a folder that several ensembles share.
    """
    if path.is_file() and path.suffix not in (".json", ".safetensors"):
        return [path]
    folder = path if path.is_dir() else path.parent
    if not (folder / ENSEMBLE).is_file():
        return sorted(folder.glob("*.safetensors"))
    members = read_ensemble_description(folder)["members"]
    networks = [
        file
        for member in members
        for file in sorted((folder / member["path"]).glob("*.safetensors"))
    ]
    return [folder / ENSEMBLE, *networks]
