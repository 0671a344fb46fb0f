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

HUB_ADDRESS = re.compile(
    r"hf:(?://)?(?P<name>[\w.-]+/[\w.-]+?)(?:@(?P<revision>[\w.+-]+))?/?", re.ASCII
)
"""An address of the hub, `hf:OWNER/NAME` or `hf://OWNER/NAME`, with `@REVISION` if pinned."""


def fetch_model(address: str, *, endpoint: str | None = None) -> Path:
    """Fetch a model of the hub into the local cache, once.

    Args:
        address: `hf:OWNER/NAME`, or `hf:OWNER/NAME@REVISION` for a tag, branch or commit.
        endpoint: Another hub than the public one.

    Returns:
        The folder of the model in the cache, which alone is asked without a network.

    Raises:
        BadCheckpoint: The model cannot be fetched.
    """
    match = HUB_ADDRESS.fullmatch(address)
    if match is None:
        raise BadConfig(f"{address!r} is no model of the hub. Write hf:OWNER/NAME.")
    hub, failures = import_hub("a model of the Hugging Face hub")
    try:
        folder = hub.snapshot_download(
            match["name"],
            revision=match["revision"],
            allow_patterns=HUB_FILES,
            endpoint=endpoint,
        )
    except failures as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise BadCheckpoint(
            f"{address} cannot be fetched ({reason}). Check the name and the network; a private "
            "model needs a login (hf auth login)."
        ) from error
    return Path(folder)


def import_hub(feature: str) -> tuple[Any, tuple[type[BaseException], ...]]:
    """Return the library, and what it raises where the hub, the network or the disk fails."""
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError:
        raise MissingExtra(feature, "hub") from None
    # the library does not wrap the errors of its HTTP client, whose name changed to httpx2
    client = import_module("httpx2" if find_spec("httpx2") else "httpx")
    failures = (huggingface_hub.errors.HfHubHTTPError, client.HTTPError, OSError)
    return huggingface_hub, failures
