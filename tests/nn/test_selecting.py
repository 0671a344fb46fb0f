"""A model of some targets gives for them what the model of all gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.zoo import ZOO
from xtalgraph.errors import UnknownName
from xtalgraph.graphs import GraphConfig, build_graphs
from xtalgraph.nn import NETWORKS, Normaliser, SavedModel, Task
from xtalgraph.nn.saved_model import select_targets
from xtalgraph.units import Target

TARGETS = Target("gap", "eV"), Target("energy", "eV/atom"), Target("fermi", "eV")
GRAPH = build_graphs([ZOO["SrTiO3"], ZOO["NaCl"], ZOO["Fe"]])


@pytest.fixture(params=NETWORKS)
def saved(request: pytest.FixtureRequest) -> SavedModel:
    kind = NETWORKS[request.param]
    config = kind.config_class(atom_width=8, hidden_width=6)
    network = kind.build(config, 3).eval()
    for name, parameter in network.named_parameters():
        if name.startswith("composition"):
            torch.nn.init.normal_(parameter)
    normaliser = Normaliser((1.0, 2.0, 3.0), (0.1, 0.2, 0.3))
    task = Task("regression", TARGETS)
    return SavedModel(network, config, GraphConfig(), task, normaliser, ("O",), {"seed": 1})


def predict(saved: SavedModel) -> np.ndarray:
    with torch.no_grad():
        return saved.normaliser.inverse_transform(saved.network(GRAPH).numpy())


@pytest.mark.parametrize("columns", [[0], [2], [2, 0], [0, 1, 2]])
def test_the_values_are_those_of_the_whole_model(saved: SavedModel, columns: list[int]) -> None:
    names = [TARGETS[column].name for column in columns]
    some = select_targets(saved, names)
    assert [target.name for target in some.task.targets] == names
    assert some.elements == saved.elements
    np.testing.assert_allclose(predict(some), predict(saved)[:, columns], rtol=1e-6, atol=1e-6)


def test_what_is_not_predicted_cannot_be_selected(saved: SavedModel) -> None:
    with pytest.raises(UnknownName, match=r"volume.*energy"):
        select_targets(saved, ["volume"])
