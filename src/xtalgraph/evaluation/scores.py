"""A trained model against labels, next to baselines fitted on the same training rows."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from xtalgraph.data import Dataset
from xtalgraph.data.splits import PARTS, Split, read_split, refuse_repeated_ids
from xtalgraph.errors import BadDataset, Rejected, UnknownName
from xtalgraph.evaluation.baselines import make_baseline, trivial_baselines
from xtalgraph.evaluation.labels import labelled_rows, read_labels
from xtalgraph.files import plain
from xtalgraph.metrics import (
    MISSING_CLASS,
    accuracy,
    balanced_accuracy,
    best_threshold,
    classification_metrics,
    f1,
    regression_metrics,
)
from xtalgraph.nn import Labels, Outputs, Rows, Task
from xtalgraph.prediction import Predictor, load_model

SPLITS = "splits.csv"  # in a run folder
ALL = "all"
CRITERION = "f1"  # by which the threshold of two classes is chosen

Scores = dict[str, dict[str, int | float]]
"""Metrics by name, for each target."""


@dataclass(frozen=True)
class Threshold:
    """A threshold: the second class is predicted from a probability of `value`; its scores."""

    value: float
    criterion: str  # what it is the best for on the validation set: f1, accuracy, or youden
    accuracy: float  # these three are of the crystals that are judged
    balanced_accuracy: float
    f1: float  # of the second class

    def describe(self, positive: str) -> str:
        """Return a sentence that describes the threshold."""
        return (
            f"With {positive} predicted from a probability of {self.value:.3f}, the best "
            f"threshold for {self.criterion} on the validation set: accuracy "
            f"{self.accuracy:.4f}, balanced accuracy {self.balanced_accuracy:.4f}, "
            f"F1 {self.f1:.4f}."
        )


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of a model on rows of a data set, and of baselines on the same rows.

    Attributes:
        part: `train`, `validation`, `test`, `all` or `given`.
        task: The task.
        metrics: Metrics of the model, by target and name.
        baselines: Metrics of each baseline.
        rows: The rows of the data set that were scored.
        labels: Their labels.
        predicted: Their predictions.
        ids: Their ids.
        notes: What readers of the numbers have to know.
        rejected: Crystals that could not be predicted, and why.
        threshold: The best threshold on the validation set, for two classes.
    """

    part: str  # train, validation, test, all, or given
    task: Task
    metrics: Scores
    baselines: dict[str, Scores]
    rows: Rows  # of the data set, those that were scored
    labels: Labels
    predicted: Outputs
    ids: tuple[str, ...]
    notes: tuple[str, ...] = ()  # what the reader of the numbers has to know
    rejected: tuple[Rejected, ...] = ()
    threshold: Threshold | None = None  # of two classes, where there is a validation set

    @property
    def predictions(self) -> pd.DataFrame:
        """A table of the true and the predicted values, units in the header."""
        return self.task.tabulate(self.ids, self.labels, self.predicted)

    def table(self) -> pd.DataFrame:
        """Return the scores of the model and the baselines, one row per model and target."""
        rows = []
        for name, scores in {"this model": self.metrics, **self.baselines}.items():
            for target in self.task.targets:
                rows.append({"model": name, "target": target.column, **scores[target.name]})
        return pd.DataFrame(rows)

    def to_json(self) -> dict[str, object]:
        """Return the numbers as JSON values: undefined ones are null."""
        numbers: dict[str, object] = plain(
            {
                "part": self.part,
                "task": self.task.kind,
                "units": {target.name: target.unit for target in self.task.targets},
                "metrics": self.metrics,
                "baselines": self.baselines,
                "threshold": self.threshold and asdict(self.threshold),
                "notes": self.notes,
                "rejected": {row.id: row.reason for row in self.rejected},
            }
        )
        return numbers


def evaluate(
    model: str | Path | Predictor,
    dataset: Dataset,
    *,
    part: str = "test",
    rows: Rows | None = None,
    split: Split | None = None,
    baselines: tuple[str, ...] | None = None,
    seed: int = 0,
    criterion: str = CRITERION,
    rejected: list[Rejected] | None = None,
) -> Evaluation:
    """Score a model on one set of a split, and baselines on the same rows.

    The baselines are fitted to the training set, never to the rows that are scored; without a split
    the only one is the mean of the model's own training labels. Rows without any label are left
    out.

    Args:
        model: A run folder, a model file or a loaded predictor.
        dataset: Crystals with labels, in the units of the model.
        part: `train`, `validation`, `test` or `all`.
        rows: Rows to score instead of a part.
        split: The split; that of the run folder if None.
        baselines: Names in `BASELINES`; the trivial ones if None.
        seed: Random seed of the baselines.
        criterion: `f1`, `accuracy` or `youden`, which the threshold of two classes maximises on
            the validation set. All other metrics use the more likely class (a threshold of 0.5).
        rejected: List to which crystals that the model cannot predict are added.

    Returns:
        Metrics in the units of the targets, with the labels and predictions behind them.

    Raises:
        BadDataset: No row has a label, the part is unknown, or a unit differs.
        BadCrystal: A crystal cannot be predicted, and `rejected` is None.
    """
    predictor = model if isinstance(model, Predictor) else load_model(model)
    refuse_repeated_ids(dataset)
    if split is None and not isinstance(model, Predictor):
        split = _find_split(Path(model), dataset, needed=rows is None and part != ALL)
    chosen = _choose_rows(dataset, part, rows, split)
    kept = chosen[labelled_rows(read_labels(dataset, predictor.task, chosen))]
    if len(kept) == 0:
        raise BadDataset(
            f"{dataset.source}: none of the {len(chosen)} rows to score has a label of "
            f"{', '.join(target.name for target in predictor.task.targets)}."
        )
    kept, predicted, bad = _predict(predictor, dataset, kept, rejected)
    stated = _predict_baselines(predictor, dataset, kept, split, baselines, seed)
    task, true = predictor.task, read_labels(dataset, predictor.task, kept)
    notes = _find_notes(predictor, dataset, chosen, kept, split, len(bad))
    threshold = _find_threshold(predictor, dataset, split, kept, true, predicted, criterion)
    if threshold is not None:
        notes += (threshold.describe(f"{task.targets[0].name} = {task.classes[1]}"),)
    return Evaluation(
        part="given" if rows is not None else part,
        task=task,
        metrics=score(true, predicted, task),
        baselines={name: score(true, values, task) for name, values in stated.items()},
        rows=kept,
        labels=true,
        predicted=predicted,
        ids=tuple(str(id) for id in dataset.ids[kept]),
        notes=notes,
        rejected=tuple(bad),
        threshold=threshold,
    )


def choose_threshold(
    validation_labels: Int64[np.ndarray, "n_kept"],
    validation_probabilities: Float64[np.ndarray, "n_kept n_outputs"],
    labels: Rows,
    probabilities: Outputs,
    criterion: str = CRITERION,
) -> Threshold | None:
    """Choose the threshold on the validation set and score the other rows with it.

    None if the validation set does not have both classes. `criterion` is as for `best_threshold`.
    """
    known = validation_labels[validation_labels != MISSING_CLASS]
    if len(np.unique(known)) < 2:
        return None
    value = best_threshold(validation_labels, validation_probabilities[:, 1], criterion)
    predicted = (probabilities[:, 1] >= value).astype(np.int64)
    return Threshold(
        value,
        criterion,
        accuracy(labels, predicted),
        balanced_accuracy(labels, predicted),
        f1(labels, predicted),
    )


def _find_threshold(
    predictor: Predictor,
    dataset: Dataset,
    split: Split | None,
    rows: np.ndarray,
    labels: np.ndarray,
    predicted: np.ndarray,
    criterion: str,
) -> Threshold | None:
    """Choose the threshold of two classes; none for rows of the validation set itself."""
    task = predictor.task
    if len(task.classes) != 2 or split is None or np.isin(rows, split.validation).any():
        return None
    chosen = split.validation[labelled_rows(read_labels(dataset, task, split.validation))]
    chosen, probabilities, _ = _predict(predictor, dataset, chosen, rejected=[])
    known = read_labels(dataset, task, chosen)
    return choose_threshold(known, probabilities, labels, predicted, criterion)


def _predict(
    predictor: Predictor, dataset: Dataset, rows: np.ndarray, rejected: list[Rejected] | None
) -> tuple[Int64[np.ndarray, "n_kept"], Float64[np.ndarray, "n_kept n_outputs"], list[Rejected]]:
    """Return the rows that could be predicted, their predictions, and rejected crystals."""
    bad: list[Rejected] = []
    crystals = dataset.crystals.take(rows)
    predictions = predictor.predict(crystals, rejected=None if rejected is None else bad)
    if rejected is not None:
        rejected += bad
    lost = {row.id for row in bad}
    kept = np.array([str(id) not in lost for id in crystals.ids], dtype=bool)
    return rows[kept], predictions.values, bad


def score(labels: Labels, predicted: Outputs, task: Task) -> Scores:
    """Return all metrics of each target.

    Args:
        labels: Values of the targets in their units, NaN where missing, or class numbers, -1 where
            missing.
        predicted: Predicted values, or class probabilities.
        task: The task.

    Returns:
        Metrics by target and name.

    Raises:
        BadDataset: No row has a label, or a prediction is not finite.
    """
    if task.kind == "classification":
        return {task.targets[0].name: classification_metrics(labels, predicted)}
    return {
        target.name: regression_metrics(labels[:, number], predicted[:, number])
        if not np.isnan(labels[:, number]).all()
        else {"n_scored": 0, "n_missing": len(labels)}
        for number, target in enumerate(task.targets)
    }


def _find_split(folder: Path, dataset: Dataset, needed: bool) -> Split | None:
    """Return the split of the run folder; None if it has none or is for other data."""
    file = (folder if folder.is_dir() else folder.parent) / SPLITS
    if not needed and not file.is_file():
        return None
    if not file.is_file():
        raise BadDataset(
            f"{file} does not exist, so the split is unknown. Score all crystals (--split all), or "
            "give a split."
        )
    try:
        return read_split(file, dataset)
    except BadDataset as error:
        if not needed:
            return None
        raise BadDataset(f"{error} To score all crystals of other data: --split all.") from error


def _choose_rows(dataset: Dataset, part: str, rows: np.ndarray | None, split: Split | None) -> Rows:
    if part not in (*PARTS, ALL):
        raise UnknownName("part", part, (*PARTS, ALL))
    if rows is not None:
        return rows.astype(np.int64)
    if part == ALL:
        return np.arange(len(dataset), dtype=np.int64)
    if split is None:
        raise BadDataset(
            f"which crystals are the {part} set is not known for a loaded model. Give a split, "
            "or the run folder instead of the model, or score all."
        )
    chosen = split.part(part)
    if len(chosen) == 0:
        raise BadDataset(f"the {part} set of the split is empty. Score another part.")
    return chosen


def _predict_baselines(
    predictor: Predictor,
    dataset: Dataset,
    rows: np.ndarray,
    split: Split | None,
    names: tuple[str, ...] | None,
    seed: int,
) -> Mapping[str, Outputs]:
    task, normaliser = predictor.task, predictor.saved.normaliser
    if split is None:
        if normaliser is None:
            return {}
        return {"mean": np.tile(np.array(normaliser.mean), (len(rows), 1))}
    if names is None:
        chosen = trivial_baselines(task, seed=seed)
    else:
        chosen = {name: make_baseline(name, seed=seed, kind=task.kind) for name in names}
    for baseline in chosen.values():
        baseline.fit(dataset, split.train, task)
    return {name: baseline.predict(dataset, rows) for name, baseline in chosen.items()}


def _find_notes(
    predictor: Predictor,
    dataset: Dataset,
    chosen: np.ndarray,
    kept: np.ndarray,
    split: Split | None,
    n_rejected: int,
) -> tuple[str, ...]:
    notes = []
    n_unlabelled = len(chosen) - len(kept) - n_rejected
    if n_unlabelled:
        notes.append(f"{n_unlabelled} rows without a label were left out.")
    if n_rejected:
        notes.append(f"{n_rejected} crystals could not be predicted and were left out.")
    if split is not None:
        n_seen = int(np.isin(kept, split.train).sum())
        if n_seen:
            notes.append(f"{n_seen} of the {len(kept)} crystals are in the training set.")
    elif predictor.saved.provenance.get("data_checksum") == dataset.checksum:
        notes.append("The model was trained on crystals of this data set.")
    else:
        notes.append("The split is unknown: the only baseline is the mean of the training labels.")
    return tuple(notes)
