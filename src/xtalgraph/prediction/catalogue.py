"""What the shipped models predict, how well, and how large they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xtalgraph.nn.shipped import find_shipped, shipped_names
from xtalgraph.prediction.ensemble import count_bytes, read_ensemble

_SCORES = {  # that stand for a model in a list
    "regression": (("mean_absolute_error", "MAE"),),
    "classification": (("accuracy", "accuracy"), ("roc_auc", "ROC-AUC")),
}


def describe_shipped() -> list[dict[str, Any]]:
    """Give a row a model: name, what it predicts, test error with unit, networks and size in MB."""
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
        "predicts": ", ".join(target.column for target in task.targets) + classes,
        "error": ", ".join(errors),
        "networks": len(ensemble.members),
        "mb": count_bytes(folder) / 1e6,
    }
