"""Models on the Hugging Face hub: fetched once, then in the library's cache.

Only safetensors, JSON, Markdown and PNG are fetched, none of which can run code.
"""

from __future__ import annotations

import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from xtalgraph.errors import BadCheckpoint, BadConfig, MissingExtra

HUB_FILES = ["*.safetensors", "*.json", "*.md", "*.png"]
"""What goes to the hub and comes from it, at any depth."""

HUB_ADDRESS = re.compile(r"hf:(?://)?(?P<name>[\w.-]+/[\w.-]+)/?")
"""An address of the hub, `hf:OWNER/NAME` or `hf://OWNER/NAME`."""


def is_on_hub(model: str) -> bool:
    """Say whether a model is given as an address of the hub: `hf:OWNER/NAME` or `hf://…`."""
    return model.startswith("hf:")


def fetch_model(address: str, *, endpoint: str | None = None) -> Path:
    """Give the folder of a model of the hub in the local cache, where it is fetched to once.

    `endpoint` is another hub than the public one. Without a network the cache alone is asked.
    """
    match = HUB_ADDRESS.fullmatch(address)
    if match is None:
        raise BadConfig(f"{address!r} is no model of the hub. Write hf:OWNER/NAME.")
    hub, failures = import_hub("a model of the Hugging Face hub")
    try:
        folder = hub.snapshot_download(match["name"], allow_patterns=HUB_FILES, endpoint=endpoint)
    except failures as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise BadCheckpoint(
            f"{address} cannot be fetched ({reason}). Look at the name and the network; a private "
            "model needs a login (hf auth login)."
        ) from error
    return Path(folder)


def import_hub(feature: str) -> tuple[Any, tuple[type[BaseException], ...]]:
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
