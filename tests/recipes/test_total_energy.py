"""The total energy is the formation energy and the references, exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from recipes.shipped_weights import HERE, MODELS, RUNS
from recipes.total_energy import add_output, count_shares, find_references

from tests.zoo import ZOO
from xtalgraph.graphs import GraphConfig, build_graphs
from xtalgraph.nn import NETWORKS, Normaliser, SavedModel, Task
from xtalgraph.structures import pack
from xtalgraph.units import Target

CRYSTALS = pack([ZOO[name] for name in ("NaCl", "SrTiO3", "Fe", "Al2O3", "ZnO")])


def test_references_are_found_and_a_sum_that_is_none_is_refused() -> None:
    references = np.random.default_rng(0).normal(size=119)
    shares = count_shares(CRYSTALS)
    assert shares.sum(axis=1) == pytest.approx(1)
    difference = shares @ references
    is_exact = np.arange(len(CRYSTALS)) != 2  # iron, which no other crystal has
    found = find_references(CRYSTALS, difference, is_exact)
    np.testing.assert_allclose(shares @ found, shares @ references, atol=1e-9)
    assert found[92] == 0
    twice = pack([ZOO["Fe"], ZOO["Fe"]])
    with pytest.raises(ValueError, match="off the sum of references"):
        find_references(twice, np.array([1.0, 2.0]), np.array([True, True]))
    one_is_right = find_references(twice, np.array([1.0, 2.0]), np.array([True, False]))
    assert one_is_right[26] == pytest.approx(1.0, abs=1e-6)


def test_the_second_output_is_the_first_and_the_references() -> None:
    kind = NETWORKS["residual"]
    config = kind.config_class(atom_width=8, hidden_width=6)
    network = kind.build(config, 1).eval()
    torch.nn.init.normal_(network.composition.weight)
    task = Task("regression", (Target("formation_energy_per_atom", "eV/atom", "atom"),))
    saved = SavedModel(network, config, GraphConfig(), task, Normaliser((-1.4,), (1.1,)), (), {})
    references = np.random.default_rng(1).normal(size=119)
    both = add_output(saved, references, std=2.5)
    assert [target.column for target in both.task.targets] == [
        "formation_energy_per_atom [eV/atom]",
        "energy_per_atom [eV/atom]",
    ]
    graph = build_graphs(CRYSTALS)
    with torch.no_grad():
        values = both.normaliser.inverse_transform(both.network(graph).double().numpy())
        first = saved.normaliser.inverse_transform(saved.network(graph).double().numpy())
    np.testing.assert_allclose(values[:, :1], first, atol=1e-5)
    expected = values[:, 0] + count_shares(CRYSTALS) @ references
    np.testing.assert_allclose(values[:, 1], expected, atol=1e-5)


def test_the_plan_of_the_shipped_models_holds_together() -> None:
    for run in RUNS.values():
        assert not run.start or run.start in RUNS
    for model in MODELS.values():
        assert model.run in RUNS
        assert {RUNS[run].target for run in model.also} <= {RUNS[model.run].target}
        assert (HERE / "card_notes" / model.notes).is_file()
