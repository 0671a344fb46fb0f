"""Energies of two kinds differ by a number for each element: found before a network is tuned."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float64, Int64

from xtalgraph.graphs import GraphConfig
from xtalgraph.nn import Network, SavedModel, Task
from xtalgraph.nn.registry import pooling_of
from xtalgraph.nn.saved_model import COMPOSITION
from xtalgraph.structures import CrystalStore
from xtalgraph.training.problem import Problem
from xtalgraph.training.scoring import predict_rows

COMPOSITION_TERM = f"{COMPOSITION}weight"
_STRENGTHS = np.logspace(-4, 1, 11)  # of the ridge; which one, leaving out each crystal tells
_BATCH_SIZE = 256


def differ_by_references(source: SavedModel, task: Task) -> bool:
    """Tell whether a source's values are a start for other targets, which have the same units.

    Its network must have a term that is linear in the composition, and pool by the mean: as one of
    formation energies per atom, which become total energies by adding the elements' references.
    """
    pooling = pooling_of(source.model_config)
    theirs, units = source.task, [target.unit for target in task.targets]
    return (
        task.kind == theirs.kind == "regression"
        and COMPOSITION_TERM in source.network.state_dict()
        and pooling is not None
        and pooling.is_mean
        and not {target.name for target in theirs.targets} >= {t.name for t in task.targets}
        and units == [target.unit for target in theirs.targets]
        and all(units)
    )


def fit_references(network: Network, problem: Problem, graph: GraphConfig) -> None:
    """Add what the training part's labels differ by, as one number an element, to the network.

    Ridge regression of label - prediction on the fractions of the elements; an element that the
    training part lacks gets the mean difference.
    """
    from sklearn.linear_model import RidgeCV

    rows = problem.rows("train")
    predicted = predict_rows(network, problem, graph, rows, _BATCH_SIZE).double().numpy()
    difference = problem.learned[rows].double().numpy() - predicted
    terms = network.get_parameter(COMPOSITION_TERM)
    fractions = count_fractions(problem.dataset.crystals, rows, len(terms))
    found = torch.zeros_like(terms)
    for output, column in enumerate(difference.T):
        known = ~np.isnan(column)
        ridge = RidgeCV(_STRENGTHS).fit(fractions[known], column[known])
        found[:, output] = torch.from_numpy(ridge.coef_ + ridge.intercept_)
    with torch.no_grad():
        terms.add_(found)
    network.train()  # predicting has ended that


def count_fractions(
    crystals: CrystalStore, rows: Int64[np.ndarray, "n_rows"], n_elements: int
) -> Float64[np.ndarray, "n_rows n_elements"]:
    """Give the fraction of each atomic number in each crystal."""
    fractions = np.zeros((len(rows), n_elements))
    for place, row in enumerate(rows.tolist()):
        numbers = crystals[row].atomic_numbers
        fractions[place] = np.bincount(numbers, minlength=n_elements) / len(numbers)
    return fractions
