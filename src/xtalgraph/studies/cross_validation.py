"""Several models on the same folds, continued where it was interrupted."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from xtalgraph.data.groups import find_groups
from xtalgraph.data.splits import Split
from xtalgraph.errors import BadConfig, BadDataset, UnknownName
from xtalgraph.evaluation.baselines import (
    BASELINES,
    make_baseline,
    models_without_structures,
    need_structures,
)
from xtalgraph.evaluation.distance_table import (
    DistanceTable,
    Labelled,
)
from xtalgraph.evaluation.labels import choose_task, keep_common_classes, read_labels
from xtalgraph.evaluation.scores import Scores, score
from xtalgraph.nn import NETWORKS, Task
from xtalgraph.studies.cross_validation_page import write_cross_validation_page
from xtalgraph.studies.cross_validation_result import MAIN_METRIC, CrossValidation
from xtalgraph.studies.folds import (
    Fold,
    cut_validation,
    make_folds,
    matbench_folds,
    refuse_leaks,
)

if TYPE_CHECKING:
    from xtalgraph.training import RunConfig

MATBENCH = "matbench"  # the name of matbench's published folds


def cross_validate(
    dataset: Labelled,
    targets: Sequence[str],
    models: Sequence[str],
    *,
    out: str | Path,
    task: str = "regression",
    n_folds: int | str = 5,
    seed: int = 0,
    group: str | None = None,
    min_class_size: int = 1,
    folds: Sequence[Fold] | None = None,
    config: "RunConfig | None" = None,
    on_fold: Callable[[str, int, float], None] | None = None,
) -> CrossValidation:
    """Train and test each model on the same folds, and leave scores, predictions and a page.

    `models` are names of `BASELINES` or of networks; `config` sets the graph, the network and its
    training, and a network of another kind has its own defaults with this graph and training.
    Folds are made by `make_folds`, are matbench's (`n_folds="matbench"`), or are given; a fold that
    tests what it learned is refused. Classes with fewer than `min_class_size` crystals have no
    label. Under `out` each finished (model, fold) has a JSON file, and is not done again; a
    network's run that was broken off is resumed. Another data set, other folds or settings in the
    same folder are refused. `on_fold` is called with model, fold and main metric.
    """
    rare: dict[str, int] = {}
    if task == "classification" and min_class_size > 1 and len(targets) == 1:
        dataset, rare = keep_common_classes(dataset, targets[0], min_class_size)
    chosen = choose_task(dataset, list(targets), task)
    _refuse_unknown_models(models, chosen, dataset)
    groups = None if group is None else find_groups(need_structures(dataset), group)
    if folds is None:
        folds = _choose_folds(dataset, chosen, n_folds, seed, group)
    refuse_leaks(list(folds), groups)
    job = _Job(dataset, chosen, Path(out), seed, groups, config)
    scores = pd.DataFrame(job.run_all(models, folds, on_fold))
    finished = CrossValidation(chosen, scores, tuple(folds), Path(out), rare)
    options: dict[str, object] = {"folds": n_folds, "seed": seed}
    options |= {"group": group} if group else {}
    options |= {"min-class-size": min_class_size} if min_class_size > 1 else {}
    networks = any(model in NETWORKS for model in models)
    settings = job.settings() if networks else None
    write_cross_validation_page(finished, dataset, models, options, settings)
    return finished


def _choose_folds(
    dataset: Labelled, task: Task, n_folds: int | str, seed: int, group: str | None
) -> list[Fold]:
    if isinstance(n_folds, int):
        return make_folds(dataset, task, n_folds=n_folds, seed=seed, group=group)
    if n_folds != MATBENCH:
        raise UnknownName("kind of folds", n_folds, [MATBENCH, "5"])
    if group:
        raise BadConfig("matbench's folds are published ones, and know no groups.")
    return matbench_folds(dataset, task)


@dataclass(frozen=True, eq=False)
class _Job:
    """What is the same for every model and fold."""

    dataset: Labelled
    task: Task
    folder: Path
    seed: int
    groups: np.ndarray | None
    config: "RunConfig | None"

    def run_all(
        self,
        models: Sequence[str],
        folds: Sequence[Fold],
        on_fold: Callable[[str, int, float], None] | None,
    ) -> list[dict[str, Any]]:
        """Give a row of scores for each model, fold and target."""
        rows = []
        for model in models:
            for number, fold in enumerate(folds):
                result = self.run(model, number, fold)
                place = {"model": model, "fold": number}
                for target in self.task.targets:
                    scores = result["metrics"][target.name]
                    rows.append(place | {"target": target.column} | scores)
                    rows[-1]["seconds"] = result["seconds"]
                if on_fold is not None:
                    first = result["metrics"][self.task.targets[0].name]
                    on_fold(model, number, first[MAIN_METRIC[self.task.kind]])
        return rows

    def run(self, model: str, number: int, fold: Fold) -> dict[str, Any]:
        """Give the result of a model on a fold, from its file if it is there."""
        place = self.folder / model / f"fold_{number}"
        file = place.with_suffix(".json")
        fingerprint = self._fingerprint(model, fold)
        if file.is_file():
            return _read_result(file, fingerprint)
        begin = time.monotonic()
        if model in BASELINES:
            predicted = self._run_baseline(model, fold)
        else:
            predicted = self._run_network(model, fold, place)
        labels = read_labels(self.dataset, self.task, fold.test)
        metrics: Scores = score(labels, predicted, self.task)
        ids = tuple(str(id) for id in self.dataset.ids[fold.test])
        place.parent.mkdir(parents=True, exist_ok=True)
        table = self.task.tabulate(ids, labels, predicted)
        table.to_csv(place.with_suffix(".csv"), index=False)
        result = {
            "model": model,
            "fold": number,
            "fingerprint": fingerprint,
            "n_train": len(fold.train),
            "n_test": len(fold.test),
            "metrics": metrics,
            "seconds": round(time.monotonic() - begin, 3),
        }
        unfinished = file.with_suffix(".part")  # the JSON file stands for a fold that is done
        unfinished.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        unfinished.replace(file)
        return result

    def _run_baseline(self, model: str, fold: Fold) -> np.ndarray:
        baseline = make_baseline(model, seed=self.seed, kind=self.task.kind)
        baseline.fit(self.dataset, fold.train, self.task)
        return baseline.predict(self.dataset, fold.test)

    def _run_network(self, model: str, fold: Fold, folder: Path) -> np.ndarray:
        from xtalgraph.prediction import load_model
        from xtalgraph.training import train

        classes = self._classes() if self.groups is None else None
        learned, validation = cut_validation(
            fold, seed=self.seed, groups=self.groups, classes=classes
        )
        dataset = need_structures(self.dataset)
        run = train(
            dataset,
            [target.name for target in self.task.targets],
            out=folder,
            task=self.task.kind,
            config=self.run_config(model),
            split=Split(np.sort(learned), np.sort(validation), np.sort(fold.test)),
            resume=(folder / "config.toml").is_file(),
        )
        predictor = load_model(run.folder)
        values = predictor.predict(dataset.crystals.take(fold.test)).values
        return _order_classes(values, predictor.task.classes, self.task)

    def _classes(self) -> np.ndarray | None:
        if self.task.kind == "regression":
            return None
        return read_labels(self.dataset, self.task, np.arange(len(self.dataset)))

    def settings(self) -> "RunConfig":
        """Give the settings of graph, network and training."""
        from xtalgraph.training import preset

        return preset("default") if self.config is None else self.config

    def run_config(self, model: str) -> "RunConfig":
        """Give the settings of one network: its own defaults, where those given are of another."""
        settings = self.settings()
        if model == settings.model_kind:
            return settings
        return replace(settings, model=NETWORKS[model].config_class())

    def _fingerprint(self, model: str, fold: Fold) -> str:
        """Give a text that differs where the result would."""
        parts = [self.dataset.checksum, repr(self.task), model, str(self.seed)]
        parts += ["\n".join(self.dataset.ids[rows].tolist()) for rows in (fold.train, fold.test)]
        if model not in BASELINES:
            parts.append(repr(self.run_config(model)))
        return hashlib.sha256("|".join(parts).encode()).hexdigest()


def _order_classes(values: np.ndarray, found: Sequence[str], task: Task) -> np.ndarray:
    """Give the columns in the order of the task; a class without training rows is improbable."""
    if task.kind == "regression":
        return values
    ordered = np.zeros((len(values), len(task.classes)))
    for column, name in enumerate(found):
        ordered[:, task.classes.index(name)] = values[:, column]
    return ordered


def _read_result(file: Path, fingerprint: str) -> dict[str, Any]:
    result = json.loads(file.read_text(encoding="utf-8"))
    if result["fingerprint"] != fingerprint:
        raise BadConfig(
            f"{file} is of other data, folds or settings. Choose another folder (--out), or remove "
            "that file to do the fold again."
        )
    return result


def _refuse_unknown_models(models: Sequence[str], task: Task, dataset: Labelled) -> None:
    for name in models:
        if name in BASELINES:
            make_baseline(name, kind=task.kind)
        elif name not in NETWORKS:
            raise UnknownName("model", name, [*BASELINES, *NETWORKS])
        needs_structures = name in NETWORKS or BASELINES[name].needs_structures
        if needs_structures and isinstance(dataset, DistanceTable):
            raise BadDataset(
                f"{dataset.source} is a table of distances, and {name!r} needs structures. These "
                f"models need none: {', '.join(models_without_structures())}."
            )
    if not models or len(set(models)) < len(models):
        raise BadConfig(f"models {list(models)}: name at least one, and each once.")
