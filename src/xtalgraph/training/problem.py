"""The learning problem: labels, split and task of a data set, checked before training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from xtalgraph.data import Dataset, Split
from xtalgraph.data.question import pose_question
from xtalgraph.data.splits import DEFAULT_SPLIT, PARTS
from xtalgraph.errors import BadCrystal, BadDataset, Rejected, summarise
from xtalgraph.graphs import GraphConfig, build_graphs
from xtalgraph.metrics import MISSING_CLASS
from xtalgraph.nn import Normaliser, Task, refuse_unknown_elements
from xtalgraph.nn.task import try_each
from xtalgraph.structures import CrystalStore
from xtalgraph.structures.elements import SYMBOLS
from xtalgraph.units import Target

_CHUNK = 256  # crystals whose graphs are checked at a time


@dataclass(frozen=True, eq=False)
class Problem:
    """A data set with the task to learn on it.

    `labels` has one row per crystal of the data set: numbers in their units, NaN where missing, or
    class numbers, −1 where missing. `split` is as given; `rows(part)` leaves out crystals without
    any label. The normaliser is fitted to the training set alone.
    """

    dataset: Dataset
    task: Task
    split: Split
    labels: Float64[np.ndarray, "n_crystals n_targets"] | Int64[np.ndarray, "n_crystals"]
    normaliser: Normaliser | None  # None for a classification

    def rows(self, part: str) -> Int64[np.ndarray, "n_rows"]:
        """Return the rows of a part that have a label."""
        return self._rows[part]

    @cached_property
    def _rows(self) -> dict[str, np.ndarray]:
        if self.normaliser is None:
            labelled = self.labels != MISSING_CLASS
        else:
            labelled = ~np.isnan(self.labels).all(axis=1)
        rows = {part: np.sort(self.split.part(part)) for part in PARTS}
        return {part: numbers[labelled[numbers]] for part, numbers in rows.items()}

    @cached_property
    def standardized_labels(self) -> Tensor:
        """The labels for the loss: standardised values, or class numbers."""
        if self.normaliser is None:
            return torch.from_numpy(self.labels)
        return torch.from_numpy(self.normaliser.transform(self.labels)).float()

    @property
    def elements(self) -> tuple[str, ...]:
        """Symbols of the elements in the training set, by atomic number."""
        return self.elements_of("train")

    def elements_of(self, part: str) -> tuple[str, ...]:
        """Symbols of the elements in a part, likewise."""
        pieces = _chunks(self.dataset.crystals, self.rows(part))
        found = {number for piece in pieces for number in np.unique(piece.atomic_numbers).tolist()}
        return tuple(SYMBOLS[number] for number in sorted(found))


def pose_problem(
    dataset: Dataset,
    targets: str | Sequence[str],
    task: str | None = None,
    split: str | Split = DEFAULT_SPLIT,
    split_seed: int = 0,
) -> Problem:
    """Return the problem of learning `targets`; what cannot be learned `pose_question` refuses."""
    question = pose_question(dataset, targets, task, split, split_seed)
    units = tuple(dataset.targets.get(name, Target(name)) for name in question.names)
    chosen = Task(question.kind, units, question.classes)
    normaliser = None
    if not question.classes:
        normaliser = Normaliser.fit(question.labels[question.split.train], question.names)
    return Problem(dataset, chosen, question.split, question.labels, normaliser)


def refuse_bad_crystals(problem: Problem, known_elements: list[int], graph: GraphConfig) -> None:
    """Raise `BadCrystal` for crystals that the network or the graph does not support.

    All graphs are built once for this, at about 2 µs per atom, because a test crystal that fails
    after training would be more expensive.
    """
    rows = np.concatenate([problem.rows(part) for part in PARTS])
    crystals = problem.dataset.crystals
    unknown: list[int] = []
    for first, chunk in enumerate(_chunks(crystals, rows)):
        good = refuse_unknown_elements(chunk, known_elements, rejected=[])
        unknown += (first * _CHUNK + np.delete(np.arange(len(chunk)), good)).tolist()
    refuse_unknown_elements(crystals.take(rows[unknown]), known_elements)
    errors: list[BadCrystal] = []
    for chunk in _chunks(crystals, rows):
        try:
            build_graphs(chunk, graph)
        except BadCrystal:
            errors += try_each(chunk, lambda one: build_graphs(one, graph))[1]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        rejected = [Rejected(error.id or "", str(error)) for error in errors]
        raise BadDataset(
            f"{problem.dataset.source}: {len(rejected)} crystals have no usable graph. Leave them "
            f"out or correct them:\n{summarise(rejected)}"
        )


def _chunks(crystals: CrystalStore, rows: np.ndarray) -> Iterator[CrystalStore]:
    """Yield the crystals of some rows in chunks, because all of them may be larger than memory."""
    for first in range(0, len(rows), _CHUNK):
        yield crystals.take(rows[first : first + _CHUNK])
