"""The models that come with the package: one folder each, found by its name.

A folder holds a calibrated ensemble as `xtalgraph ensemble` packs it: `ensemble.json`,
`reference.safetensors`, a folder for each member, `card.md` and its figure. Names that begin with
`_` are networks that several models share, each for a target of its own.
"""

from __future__ import annotations

from pathlib import Path

from xtalgraph.errors import UnknownName

SHIPPED = Path(__file__).resolve().parent
ENSEMBLE = "ensemble.json"
CARD = "card.md"


def shipped_names() -> list[str]:
    """Give the names of the models that come with the package, in alphabetical order."""
    return sorted(file.parent.name for file in SHIPPED.glob(f"*/{ENSEMBLE}"))


def find_shipped(name: str) -> Path:
    """Give the folder of a model, or raise `UnknownName` with the nearest name and the list."""
    names = shipped_names()
    if name not in names:
        raise UnknownName("path or shipped model", name, names)
    return SHIPPED / name
