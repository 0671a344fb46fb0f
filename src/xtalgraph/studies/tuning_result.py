"""What a search for settings gave."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from xtalgraph.studies.search_space import Space
from xtalgraph.training import RunConfig
from xtalgraph.training.problem import Problem

BEST = "best.toml"
"""The file of the best settings in the folder of a search."""


@dataclass(frozen=True, eq=False)
class Tuning:
    """What a search found: the best settings, their score on validation, and every trial.

    Smaller scores are better. They are the mean absolute error in the unit of the target; for
    several targets the mean of error / standard deviation; for classes the log-loss.
    """

    problem: Problem
    folder: Path
    config: RunConfig
    space: Space
    trials: pd.DataFrame
    best: RunConfig
    best_score: float
