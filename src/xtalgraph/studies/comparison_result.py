"""What a comparison of settings gave."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from xtalgraph.studies.cross_validation_result import MAIN_METRIC
from xtalgraph.studies.trials import Outcome
from xtalgraph.training.problem import Problem


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a grid of settings gave.

    `runs` has a row for each run and target, `summary` one for each setting over its seeds, both
    with a column for each setting that was varied (`settings`), in the order of the grid.
    """

    problem: Problem
    folder: Path
    settings: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    runs: pd.DataFrame
    summary: pd.DataFrame
    baselines: pd.DataFrame

    @property
    def metric(self) -> str:
        """The score of the tables: mean_absolute_error, in the target's unit, or accuracy."""
        return MAIN_METRIC[self.problem.task.kind]

    @property
    def n_failed(self) -> int:
        """How many points gave no run."""
        return sum(outcome.run is None for outcome in self.outcomes)

    def rank(self) -> pd.DataFrame:
        """Give the summary of the first target, the best on validation first, failures left out.

        The test part has no say in it: it is there to judge what was chosen.
        """
        column = f"validation_{self.metric}"
        first = self.summary[self.summary["target"] == self.summary["target"].iloc[0]]
        if column not in first:
            return first.iloc[:0]
        is_error = self.problem.task.kind == "regression"
        return first.dropna(subset=[column]).sort_values(column, ascending=is_error, kind="stable")
