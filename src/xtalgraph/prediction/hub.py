"""Models on the Hugging Face hub: fetched once, then in the library's cache; published by you.

Only safetensors, JSON, Markdown and PNG go either way, none of which can run code.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from xtalgraph.errors import BadCheckpoint, BadConfig, MissingExtra
from xtalgraph.models.shipped import CARD
from xtalgraph.prediction.ensemble import copy_whole, is_ensemble, read_ensemble

_FILES = ["*.safetensors", "*.json", "*.md", "*.png"]  # at any depth
_ADDRESS = re.compile(r"hf:(?://)?(?P<name>[\w.-]+/[\w.-]+)/?")
_HUB_CARD = "README.md"  # as the hub calls it


def is_on_hub(model: str) -> bool:
    """Say whether a model is given as an address of the hub: `hf:OWNER/NAME` or `hf://…`."""
    return model.startswith("hf:")


def fetch_model(address: str, *, endpoint: str | None = None) -> Path:
    """Give the folder of a model of the hub in the local cache, where it is fetched to once.

    `endpoint` is another hub than the public one. Without a network the cache alone is asked.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise BadConfig(f"{address!r} is no model of the hub. Write hf:OWNER/NAME.")
    hub, failures = _import_hub("a model of the Hugging Face hub")
    try:
        folder = hub.snapshot_download(match["name"], allow_patterns=_FILES, endpoint=endpoint)
    except failures as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise BadCheckpoint(
            f"{address} cannot be fetched ({reason}). Look at the name and the network; a private "
            "model needs a login (hf auth login)."
        ) from error
    return Path(folder)


def publish_model(folder: Path, name: str, *, endpoint: str | None = None) -> str:
    """Put a packed ensemble on the hub as OWNER/NAME, its card as the page; give the address.

    The folder is read whole before, so that nothing broken is published. It needs a login with the
    right to write (`hf auth login`).
    """
    if not is_ensemble(folder) or not (folder / CARD).is_file():
        raise BadCheckpoint(
            f"{folder} is no packed ensemble with a card. Pack runs into one first."
        )
    if _ADDRESS.fullmatch(f"hf:{name}") is None:
        raise BadConfig(f"{name!r} is no name of the hub. Write OWNER/NAME.")
    read_ensemble(folder)
    hub, failures = _import_hub("publishing on the Hugging Face hub")
    api = hub.HfApi(endpoint=endpoint)
    with tempfile.TemporaryDirectory() as copy:
        copy_whole(folder, Path(copy))
        shutil.copyfile(folder / CARD, Path(copy) / _HUB_CARD)
        try:
            api.create_repo(name, exist_ok=True)
            api.upload_folder(repo_id=name, folder_path=copy, allow_patterns=_FILES)
        except failures as error:
            reason = str(error).strip().splitlines()[0].rstrip(".")
            raise BadConfig(
                f"{name} cannot be published ({reason}). Log in with the right to write there "
                "(hf auth login)."
            ) from error
    return f"hf:{name}"


def _import_hub(feature: str) -> tuple[Any, tuple[type[BaseException], ...]]:
    """Give the library, and what it raises where hub, network or disk do not play along."""
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError:
        raise MissingExtra(feature, "hub") from None
    # the library does not wrap the errors of its HTTP client, whose name changed to httpx2
    client = import_module("httpx2" if find_spec("httpx2") else "httpx")
    failures = (huggingface_hub.errors.HfHubHTTPError, client.HTTPError, OSError)
    return huggingface_hub, failures
