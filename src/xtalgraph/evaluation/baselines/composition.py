"""Baselines that use the composition of a crystal, but not the positions of its atoms."""

from typing import Any

import numpy as np
from jaxtyping import Float64

from xtalgraph.errors import BadCheckpoint
from xtalgraph.evaluation.baselines.registry import need_structures
from xtalgraph.evaluation.distance_table import Labelled
from xtalgraph.evaluation.labels import read_labels, refuse_unlabelled_targets
from xtalgraph.metrics import MISSING_CLASS
from xtalgraph.nn import Outputs, Rows, Task, element_table
from xtalgraph.structures.crystal import CrystalStore
from xtalgraph.structures.elements import SYMBOLS

BLOCKS = ("s", "p", "d", "f")
NORMS = (2, 3, 5, 7, 10)
STATISTICS = ("mean", "deviation", "least", "most", "range")
N_REMEMBERED = 16  # predictions that are saved, to verify the model when it is read

N_TREES = 200
SHARE_OF_FEATURES = 1 / 3  # looked at in each split of a regression tree, after Breiman (2001)


def composition_features(
    crystals: CrystalStore,
) -> tuple[Float64[np.ndarray, "n_crystals width"], list[str]]:
    """Return features of each composition, and their names.

    For each numeric property of the package's element table: mean, standard deviation, minimum,
    maximum and range, weighted by atomic fraction. Then the fraction of each block, the number of
    elements, and norms of the vector of fractions, (Σ fraction^p)^(1/p). An element with an unknown
    property is left out of it; if all are unknown the feature is NaN.

    Args:
        crystals: The crystals.

    Returns:
        One row per crystal, and the name of each column.

    >>> from xtalgraph.structures.crystal import Crystal
    >>> salt = Crystal(4 * np.eye(3), [[0, 0, 0], [0.5, 0.5, 0.5]], [11, 17])
    >>> features, names = composition_features(CrystalStore.from_crystals([salt]))
    >>> [(names[n], round(float(features[0, n]), 3)) for n in (5, 9, -6)]
    [('group mean', 9.0), ('group range', 16.0), ('n_elements', 2.0)]
    """
    table = element_table()
    numeric = [name for name in table.columns if name not in ("symbol", "block")]
    properties = np.full((len(SYMBOLS), 1 + len(numeric)), np.nan)
    properties[:, 0] = np.arange(len(SYMBOLS))
    properties[table.index, 1:] = table[numeric].to_numpy(dtype=np.float64)
    columns, names = [], []
    for number, name in enumerate(["atomic_number", *numeric]):
        columns += _statistics(properties[crystals.atomic_numbers, number], crystals)
        names += [f"{name} {statistic}" for statistic in STATISTICS]
    for block in BLOCKS:
        is_of_block = np.zeros(len(SYMBOLS))
        is_of_block[table.index[table["block"] == block]] = 1.0
        columns.append(_sum(is_of_block[crystals.atomic_numbers], crystals) / crystals.n_atoms)
        names.append(f"share of {block} block")
    shares = _shares(crystals)
    columns.append((shares > 0).sum(axis=1).astype(np.float64))
    columns += [(shares**power).sum(axis=1) ** (1 / power) for power in NORMS]
    names += ["n_elements", *(f"norm {power}" for power in NORMS)]
    return np.column_stack(columns), names


def _statistics(values: np.ndarray, crystals: CrystalStore) -> list[np.ndarray]:
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore", divide="ignore"):  # 0 / 0 where no value is known
        count = _sum(known, crystals)
        mean = _sum(np.where(known, values, 0.0), crystals) / count
        spread = np.where(known, values - np.repeat(mean, crystals.n_atoms), 0.0)
        deviation = np.sqrt(_sum(spread**2, crystals) / count)
    starts = crystals.offsets[:-1]
    least, most = np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts)
    return [mean, deviation, least, most, most - least]


def _sum(values: np.ndarray, crystals: CrystalStore) -> np.ndarray:
    return np.add.reduceat(values.astype(np.float64), crystals.offsets[:-1])


def _shares(crystals: CrystalStore) -> np.ndarray:
    """Return the share of each element (columns) in each crystal (rows)."""
    owner = np.repeat(np.arange(len(crystals)), crystals.n_atoms)
    cells = owner * len(SYMBOLS) + crystals.atomic_numbers
    counts = np.bincount(cells, minlength=len(crystals) * len(SYMBOLS))
    return counts.reshape(len(crystals), len(SYMBOLS)) / crystals.n_atoms[:, None]


class CompositionModel:
    """A random `forest` or gradient `boosting` of trees on `composition_features`.

    scikit-learn's `RandomForest…` and `HistGradientBoosting…`, one for each target. If crystals of
    the same composition differ a lot (ABO3 and BAO3), a forest with single crystals in its leaves
    predicts the one it has seen, and may be worse than boosting or even the median. The saved state
    is the training table and the seed: reading it fits the model again, because scikit-learn's own
    files are pickles, which are never read. The same version of scikit-learn gives the same model;
    one that does not is refused.
    """

    def __init__(self, learner: str, *, seed: int = 0, n_jobs: int = 1) -> None:
        self.learner, self.seed, self.n_jobs = learner, seed, n_jobs

    @property
    def settings(self) -> dict[str, int | float | str]:
        """The arguments that it was made with."""
        return {"seed": self.seed}

    def fit(self, dataset: Labelled, rows: Rows, task: Task) -> None:
        """Grow the trees on the labelled rows of each target."""
        labels = read_labels(dataset, task, rows)
        crystals = need_structures(dataset).crystals.take(rows)
        self._fit(composition_features(crystals)[0], labels, task)

    def predict(self, dataset: Labelled, rows: Rows) -> Outputs:
        """Return the targets in their units, or a probability of each class."""
        return self._predict(composition_features(need_structures(dataset).crystals.take(rows))[0])

    def state(self) -> dict[str, np.ndarray]:
        """Return the training table and a few predictions."""
        first = self.features[:N_REMEMBERED]
        return {
            "features": self.features,
            "labels": self.labels,
            "remembered": self._predict(first),
        }

    def restore(self, state: dict[str, np.ndarray], task: Task) -> None:
        """Fit again, and verify the saved predictions."""
        self._fit(state["features"], state["labels"], task)
        again = self._predict(self.features[:N_REMEMBERED])
        if not np.allclose(again, state["remembered"], rtol=1e-6, atol=1e-9):
            import sklearn

            raise BadCheckpoint(
                f"composition model: fitted again by scikit-learn {sklearn.__version__}, its "
                "predictions differ from the saved ones. Install the version that is recorded next "
                "to it, or fit a new one."
            )

    def _fit(self, features: np.ndarray, labels: np.ndarray, task: Task) -> None:
        self.features, self.labels, self.task = features, labels, task
        refuse_unlabelled_targets(labels, task)
        self.estimators = []
        classes = task.kind == "classification"
        for number in range(len(task.targets)):
            column = labels if classes else labels[:, number]
            known = column != MISSING_CLASS if classes else ~np.isnan(column)
            estimator = _make_estimator(self.learner, task.kind, self.seed, self.n_jobs)
            self.estimators.append(estimator.fit(features[known], column[known]))

    def _predict(self, features: np.ndarray) -> Outputs:
        if self.task.kind == "regression":
            return np.column_stack([estimator.predict(features) for estimator in self.estimators])
        probabilities = np.zeros((len(features), len(self.task.classes)))
        found = self.estimators[0].classes_  # a class without a training row has no column there
        probabilities[:, found] = self.estimators[0].predict_proba(features)
        return probabilities


def _make_estimator(learner: str, kind: str, seed: int, n_jobs: int) -> Any:
    from sklearn import ensemble

    if learner == "boosting":
        if kind == "regression":
            return ensemble.HistGradientBoostingRegressor(random_state=seed)
        return ensemble.HistGradientBoostingClassifier(random_state=seed)
    if kind == "regression":
        return ensemble.RandomForestRegressor(
            N_TREES, max_features=SHARE_OF_FEATURES, random_state=seed, n_jobs=n_jobs
        )
    return ensemble.RandomForestClassifier(N_TREES, random_state=seed, n_jobs=n_jobs)
