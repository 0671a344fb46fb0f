"""Models put on the Hugging Face hub.

Only safetensors, JSON, Markdown and PNG are sent, none of which can run code.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from xtalgraph.errors import BadCheckpoint, BadConfig
from xtalgraph.nn.hub import HUB_ADDRESS, HUB_FILES, import_hub
from xtalgraph.nn.shipped import CARD
from xtalgraph.prediction.ensemble import copy_whole, is_ensemble, read_ensemble

_HUB_CARD = "README.md"  # as the hub calls it


def publish_model(folder: Path, name: str, *, endpoint: str | None = None) -> str:
    """Put a packed ensemble on the hub as OWNER/NAME, its card as the page; give the address.

    The folder is read whole before, so that nothing broken is published. It needs a login with the
    right to write (`hf auth login`).
    """
    if not is_ensemble(folder) or not (folder / CARD).is_file():
        raise BadCheckpoint(
            f"{folder} is no packed ensemble with a card. Pack runs into one first."
        )
    if HUB_ADDRESS.fullmatch(f"hf:{name}") is None:
        raise BadConfig(f"{name!r} is no name of the hub. Write OWNER/NAME.")
    read_ensemble(folder)
    hub, failures = import_hub("publishing on the Hugging Face hub")
    api = hub.HfApi(endpoint=endpoint)
    with tempfile.TemporaryDirectory() as copy:
        copy_whole(folder, Path(copy))
        shutil.copyfile(folder / CARD, Path(copy) / _HUB_CARD)
        try:
            api.create_repo(name, exist_ok=True)
            api.upload_folder(repo_id=name, folder_path=copy, allow_patterns=HUB_FILES)
        except failures as error:
            reason = str(error).strip().splitlines()[0].rstrip(".")
            raise BadConfig(
                f"{name} cannot be published ({reason}). Log in with the right to write there "
                "(hf auth login)."
            ) from error
    return f"hf:{name}"
