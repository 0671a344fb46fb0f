"""Networks with random numbers, with every kind of head and pooling."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from xtalgraph.graphs import GraphConfig
from xtalgraph.nn import Cgcnn, CgcnnConfig, Normaliser, SavedModel, Task
from xtalgraph.prediction import Ensemble, Predictor
from xtalgraph.units import Target

REGRESSION = Task("regression", (Target("energy", "eV/atom", "atom"), Target("band_gap", "eV")))
CLASSES = Task("classification", (Target("kind"),), ("ionic", "covalent", "metal"))

MakePredictor = Callable[..., Predictor]


def make_saved(
    task: Task, seed: int, pooling: str, n_hidden: int, dtype: torch.dtype
) -> SavedModel:
    config = CgcnnConfig(
        atom_width=8, hidden_width=6, n_convolutions=2, pooling=pooling, n_hidden=n_hidden
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Cgcnn(config, task.n_outputs).to(dtype).eval()
    normaliser = Normaliser((-1.0, 2.0), (3.0, 0.5)) if task.kind == "regression" else None
    return SavedModel(network, config, GraphConfig(), task, normaliser, ("O", "Sr", "Ti"), {})


@pytest.fixture(scope="session")
def make_predictor() -> MakePredictor:
    """Give a predictor of a network with a head of `n_hidden` layers, or of several networks."""

    def make(
        pooling: str = "mean",
        n_hidden: int = 0,
        *,
        task: Task = REGRESSION,
        dtype: torch.dtype = torch.float64,
        n_members: int = 1,
    ) -> Predictor:
        members = [make_saved(task, 7 + m, pooling, n_hidden, dtype) for m in range(n_members)]
        return Predictor(Ensemble(tuple(members)))

    return make
