"""Where a model lies: a path, a name of those that come with the package, or the hub."""

from __future__ import annotations

import re
from pathlib import Path

from xtalgraph.models.shipped import find_shipped
from xtalgraph.prediction.hub import fetch_model, is_on_hub

_NAME = re.compile(r"[A-Za-z0-9]+([-_][A-Za-z0-9]+)*")  # no separator and no suffix: not a file


def locate_model(model: str | Path) -> Path:
    """Give the path of a model; a path that exists wins over a name.

    Raises `UnknownName` with the nearest name for a word that is neither.
    """
    if isinstance(model, str) and is_on_hub(model):
        return fetch_model(model)
    path = Path(model)
    if isinstance(model, str) and _NAME.fullmatch(model) and not path.exists():
        return find_shipped(model)
    return path
