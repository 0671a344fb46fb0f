"""Crystal graphs and crystal graph convolutional networks: fast, exact, honest.

The public names, each loaded when it is first used, so that `import xtalgraph` is quick:

>>> import xtalgraph
>>> "build_graphs" in dir(xtalgraph)
True
"""

from typing import TYPE_CHECKING

from xtalgraph.errors import UnknownName, XtalgraphError
from xtalgraph.lazy import load_when_used

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
__getattr__, __dir__ = load_when_used(__name__, _ROOMS)

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
