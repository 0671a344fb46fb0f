"""Tuning to energies with other references of the elements: the differences are found first."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.tiny import make_tiny
from xtalgraph.data import Dataset
from xtalgraph.graphs import GraphConfig
from xtalgraph.nn import NETWORKS, Normaliser, SavedModel, Task, save_model
from xtalgraph.training import apply_overrides, start_from, train
from xtalgraph.training.finetune import (
    adapt_network,
    count_fractions,
    differ_by_element_shifts,
    fit_element_shifts,
)
from xtalgraph.training.problem import Problem, pose_problem
from xtalgraph.training.scoring import predict_rows, restore
from xtalgraph.units import Target

TINY = make_tiny(60)
GRAPH = GraphConfig("smooth", 6)
ELEMENTS = {3: -1.9, 11: 2.5, 19: 0.3, 9: -5.0, 17: 0.7, 35: -0.2}
OTHER = Target("total", "eV/atom", "atom")


def make_source(kind: str = "residual", **settings: object) -> SavedModel:
    torch.manual_seed(3)
    config = NETWORKS[kind].config_class(atom_width=8, hidden_width=6, **settings)
    network = NETWORKS[kind].build(config, 1).eval()
    task = Task("regression", (Target("energy", "eV/atom", "atom"),))
    return SavedModel(network, config, GRAPH, task, Normaliser((-2.0,), (0.8,)), (), {})


def pose(source: SavedModel, target: Target = OTHER) -> tuple[Problem, np.ndarray]:
    """Give labels that are the source's own values and a number for each element."""
    known = pose_problem(TINY, "energy")
    rows = np.arange(len(TINY))
    outputs = predict_rows(source.network, known, GRAPH, rows, 16).double()
    assert source.normaliser is not None
    values = source.normaliser.inverse_transform(outputs.numpy())[:, 0]
    values += count_fractions(TINY.crystals, rows, 100) @ [ELEMENTS.get(z, 0.0) for z in range(100)]
    columns = TINY.columns.assign(**{target.name: values})
    dataset: Dataset = replace(TINY, columns=columns, targets={**TINY.targets, target.name: target})
    return pose_problem(dataset, target.name), values


def test_other_references_are_found_before_anything_is_learned() -> None:
    """The law that makes it: labels that differ by a sum over elements, of unseen crystals too."""
    source = make_source()
    problem, values = pose(source)
    assert differ_by_element_shifts(source, problem.task)
    network = adapt_network(source, problem.task, problem.normaliser)
    test = problem.rows("test")

    def error() -> float:
        outputs = predict_rows(network, problem, GRAPH, test, 16)
        return float(np.abs(restore(problem, outputs)[:, 0] - values[test]).mean())

    before = error()
    assert before > 0.5
    fit_element_shifts(network, problem, GRAPH)
    assert error() < 0.01 * before
    unseen = network.get_parameter("composition.weight")[40, 0]
    seen = network.get_parameter("composition.weight")[list(ELEMENTS), 0]
    assert seen.min() < unseen < seen.max()  # the mean difference, not nothing


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (make_source("cgcnn"), OTHER),  # has no such term
        (make_source(pooling="sum"), OTHER),
        (make_source(), Target("energy", "eV/atom", "atom")),  # known already
        (make_source(), Target("gap", "eV")),
        (make_source(), Target("number")),
    ],
)
def test_nothing_is_fitted_where_that_is_not_the_difference(
    source: SavedModel, target: Target
) -> None:
    assert not differ_by_element_shifts(source, Task("regression", (target,)))


def test_a_run_begins_with_it(tmp_path: Path) -> None:
    """With a rate of next to nothing the rest stays, and the error is that of the fit."""
    source = make_source()
    problem, values = pose(source)
    save_model(source, tmp_path / "source")
    config = apply_overrides(
        start_from(tmp_path / "source"),
        ["train.epochs=1", "train.learning_rate=1e-12", "train.accelerator=cpu"],
    )
    run = train(problem.dataset, OTHER.name, out=tmp_path / "run", config=config)
    error = run.metrics["test"][OTHER.name]["mean_absolute_error"]
    assert error < 0.01 * np.abs(values - values.mean()).mean()
    before, after = source.network.state_dict(), run.model.network.state_dict()
    for name in before:
        if name.startswith("blocks."):
            torch.testing.assert_close(after[name], before[name])
