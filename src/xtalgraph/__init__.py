"""Crystal graphs and crystal graph convolutional networks: fast, exact, honest.

The public names, each loaded when it is first used, so that `import xtalgraph` is quick:

>>> import xtalgraph
>>> "build_graphs" in dir(xtalgraph)
True
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from xtalgraph.errors import UnknownName, XtalgraphError

__version__ = "0.1.0"

if TYPE_CHECKING:
    from xtalgraph.datasets import (
        Dataset,
        Split,
        check_dataset,
        fetch_dataset,
        make_ionic_dataset,
        make_split,
        read_dataset,
    )
    from xtalgraph.evaluation import evaluate
    from xtalgraph.graphs import CrystalGraph, GraphConfig, GraphLoader, build_graphs
    from xtalgraph.models import CgcnnConfig, SavedModel, read_model, save_model
    from xtalgraph.prediction import Predictions, Predictor, load_model
    from xtalgraph.structures import (
        Crystal,
        CrystalStore,
        read_crystal,
        read_crystals,
        write_crystal,
    )
    from xtalgraph.training import RunConfig, TrainConfig, preset, start_from, train

_ROOMS = {
    "datasets": (
        "Dataset Split check_dataset fetch_dataset make_ionic_dataset make_split read_dataset"
    ),
    "evaluation": "evaluate",
    "graphs": "CrystalGraph GraphConfig GraphLoader build_graphs",
    "models": "CgcnnConfig SavedModel read_model save_model",
    "prediction": "Predictions Predictor load_model",
    "structures": "Crystal CrystalStore read_crystal read_crystals write_crystal",
    "training": "RunConfig TrainConfig preset start_from train",
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names.split()}

__all__ = [
    "CgcnnConfig",
    "Crystal",
    "CrystalGraph",
    "CrystalStore",
    "Dataset",
    "GraphConfig",
    "GraphLoader",
    "Predictions",
    "Predictor",
    "RunConfig",
    "SavedModel",
    "Split",
    "TrainConfig",
    "UnknownName",
    "XtalgraphError",
    "build_graphs",
    "check_dataset",
    "evaluate",
    "fetch_dataset",
    "load_model",
    "make_ionic_dataset",
    "make_split",
    "preset",
    "read_crystal",
    "read_crystals",
    "read_dataset",
    "read_model",
    "save_model",
    "start_from",
    "train",
    "write_crystal",
]


def __getattr__(name: str) -> Any:
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'xtalgraph' has no attribute {name!r}")
    return getattr(import_module(f"xtalgraph.{_ROOM_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
