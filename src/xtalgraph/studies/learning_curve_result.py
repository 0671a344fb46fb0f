"""What a learning curve gave."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from xtalgraph.studies.trials import Outcome
from xtalgraph.training.problem import Problem


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """What networks and baselines learned from training parts of several sizes.

    `runs` has a row for each model, size, seed and target, `summary` one for each model, size and
    target; `slopes` has the power of the size with which each model's mean error changes.
    """

    problem: Problem
    folder: Path
    outcomes: tuple[Outcome, ...]
    runs: pd.DataFrame
    summary: pd.DataFrame
    slopes: pd.DataFrame

    @property
    def n_failed(self) -> int:
        """How many points gave no run."""
        return sum(outcome.run is None for outcome in self.outcomes)
