"""Models that are handed on: what ships with the package, and publishing on the Hugging Face hub.

Only safetensors, JSON, Markdown and PNG are sent, none of which can run code.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from xtalgraph.errors import BadCheckpoint, BadConfig
from xtalgraph.nn.hub import HUB_ADDRESS, HUB_FILES, import_hub
from xtalgraph.nn.resolve import CARD, ENSEMBLE, find_shipped, shipped_names
from xtalgraph.prediction.ensemble import copy_whole, count_bytes, read_ensemble

_HUB_CARD = "README.md"  # as the hub calls it
_SCORES = {  # that stand for a model in a list
    "regression": (("mean_absolute_error", "MAE"),),
    "classification": (("accuracy", "accuracy"), ("roc_auc", "ROC-AUC")),
}


def describe_shipped() -> list[dict[str, Any]]:
    """Return one row per model: name, target, test error with unit, networks and size in MB."""
    return [_describe(name, find_shipped(name)) for name in shipped_names()]


def _describe(name: str, folder: Path) -> dict[str, Any]:
    ensemble = read_ensemble(folder)
    task, found = ensemble.task, ensemble.facts["test"]
    errors = []
    for target in task.targets:
        for key, short in _SCORES[task.kind]:
            if found[target.name].get(key) is not None:
                errors.append(f"{short} {found[target.name][key]:.4g} {target.unit}".rstrip())
    classes = f" ({', '.join(task.classes)})" if task.classes else ""
    return {
        "name": name,
        "version": ensemble.version,
        "predicts": ", ".join(target.column for target in task.targets) + classes,
        "error": ", ".join(errors),
        "networks": len(ensemble.members),
        "mb": count_bytes(folder) / 1e6,
    }


def publish_model(folder: Path, name: str, *, endpoint: str | None = None) -> str:
    """Publish a packed ensemble on the Hugging Face hub, its card as the page.

    Args:
        folder: Of the ensemble; it is read whole before, so that nothing broken is published.
        name: OWNER/NAME on the hub. It needs a login with the right to write (`hf auth login`).
        endpoint: Another hub than the public one.

    Returns:
        The address, `hf:OWNER/NAME`.

    Raises:
        BadCheckpoint: The folder is no packed ensemble with a card.
        BadConfig: The name is not one of the hub, or the hub refuses it.
    """
    if not (folder / ENSEMBLE).is_file() or not (folder / CARD).is_file():
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
