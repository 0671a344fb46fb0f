"""What a cross-validation gives: scores of each model on each fold, and the predictions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from xtalgraph.nn import Task
from xtalgraph.studies.folds import Fold

MAIN_METRIC = {"regression": "mean_absolute_error", "classification": "accuracy"}


SPREAD_METRICS = {"regression": (), "classification": ("macro_f1",)}  # beside the main one


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """The scores of each model on each fold: `model`, `fold`, `target`, the metrics, `seconds`.

    `rare_classes` were left out, with so many crystals each.
    """

    task: Task
    scores: pd.DataFrame
    folds: tuple[Fold, ...]
    folder: Path
    rare_classes: Mapping[str, int] = field(default_factory=dict)

    def summary(self) -> pd.DataFrame:
        """Give mean and standard deviation over folds of the main metrics, a row for each model."""
        metric = MAIN_METRIC[self.task.kind]
        grouped = self.scores.groupby(["model", "target"], sort=False)
        frame = grouped[metric].agg(["mean", "std"]).reset_index()
        frame = frame.rename(columns={"mean": metric, "std": "standard_deviation"})
        for other in SPREAD_METRICS[self.task.kind]:
            frame[other] = grouped[other].mean().to_numpy()
            frame[f"{other}_deviation"] = grouped[other].std().to_numpy()
        frame["n_folds"] = grouped[metric].count().to_numpy()
        frame["seconds"] = grouped["seconds"].sum().to_numpy()
        return frame

    def predictions(self, model: str) -> pd.DataFrame:
        """Give the table of true and predicted values of all folds together, with the `fold`."""
        texts = {"id": str}
        if self.task.kind == "classification":
            name = self.task.targets[0].name  # `true` is a class here, and not a truth
            texts |= {f"{name} true": str, f"{name} predicted": str}
        tables = []
        for number in range(len(self.folds)):
            file = self.folder / model / f"fold_{number}.csv"
            tables.append(pd.read_csv(file, dtype=texts, keep_default_na=False))
            tables[-1]["fold"] = number
        return pd.concat(tables, ignore_index=True)
