"""Several models on the same folds, continued where it was interrupted."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from xtalgraph.datasets import Dataset
from xtalgraph.datasets.groups import find_groups
from xtalgraph.datasets.splits import Split
from xtalgraph.errors import BadConfig, UnknownName
from xtalgraph.evaluation.baselines import BASELINES, make_baseline
from xtalgraph.evaluation.evaluate import Scores, score, tabulate
from xtalgraph.evaluation.figures import scores_over_folds
from xtalgraph.evaluation.folds import Fold, cut_validation, make_folds
from xtalgraph.evaluation.labels import choose_task, read_labels
from xtalgraph.evaluation.report import Picture, Report, Section, Table, write_report
from xtalgraph.models import MODELS, Task

if TYPE_CHECKING:
    from xtalgraph.training import RunConfig

MAIN_METRIC = {"regression": "mean_absolute_error", "classification": "accuracy"}


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """The scores of each model on each fold: `model`, `fold`, `target`, the metrics, `seconds`."""

    task: Task
    scores: pd.DataFrame
    folds: tuple[Fold, ...]
    folder: Path

    def summary(self) -> pd.DataFrame:
        """Give mean and standard deviation over folds of the main metric, a row for each model."""
        metric = MAIN_METRIC[self.task.kind]
        grouped = self.scores.groupby(["model", "target"], sort=False)
        frame = grouped[metric].agg(["mean", "std", "count"]).reset_index()
        names = {"mean": metric, "std": "standard_deviation", "count": "n_folds"}
        frame = frame.rename(columns=names)
        frame["seconds"] = grouped["seconds"].sum().to_numpy()
        return frame


def cross_validate(
    dataset: Dataset,
    targets: Sequence[str],
    models: Sequence[str],
    *,
    out: str | Path,
    task: str = "regression",
    n_folds: int = 5,
    seed: int = 0,
    group: str | None = None,
    folds: Sequence[Fold] | None = None,
    config: "RunConfig | None" = None,
    on_fold: Callable[[str, int, float], None] | None = None,
) -> CrossValidation:
    """Train and test each model on the same folds, and leave scores, predictions and a page.

    `models` are names of `BASELINES` or of networks; `config` sets the graph, the network and its
    training. Folds are made by `make_folds`, unless given. Under `out` each finished (model, fold)
    has a JSON file, and is not done again; a network's run that was broken off is resumed. Another
    data set, other folds or settings in the same folder are refused. `on_fold` is called with
    model, fold and main metric.
    """
    chosen = choose_task(dataset, list(targets), task)
    _refuse_unknown_models(models, chosen)
    made = list(folds) if folds is not None else None
    made = made or make_folds(dataset, chosen, n_folds=n_folds, seed=seed, group=group)
    groups = None if group is None else find_groups(dataset, group)
    job = _Job(dataset, chosen, Path(out), seed, groups, config)
    rows = []
    for model in models:
        for number, fold in enumerate(made):
            result = job.run(model, number, fold)
            for target in chosen.targets:
                rows.append(
                    {"model": model, "fold": number, "target": target.column}
                    | result["metrics"][target.name]
                    | {"seconds": result["seconds"]}
                )
            if on_fold is not None:
                main = result["metrics"][chosen.targets[0].name][MAIN_METRIC[task]]
                on_fold(model, number, main)
    finished = CrossValidation(chosen, pd.DataFrame(rows), tuple(made), Path(out))
    _write_page(finished, job, models, group)
    return finished


@dataclass(frozen=True, eq=False)
class _Job:
    """What is the same for every model and fold."""

    dataset: Dataset
    task: Task
    folder: Path
    seed: int
    groups: np.ndarray | None
    config: "RunConfig | None"

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
        table = tabulate(ids, labels, predicted, self.task)
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

        learned, validation = cut_validation(fold, seed=self.seed, groups=self.groups)
        run = train(
            self.dataset,
            [target.name for target in self.task.targets],
            out=folder,
            task=self.task.kind,
            config=self.run_config(),
            split=Split(np.sort(learned), np.sort(validation), np.sort(fold.test)),
            resume=(folder / "config.toml").is_file(),
        )
        return load_model(run.folder).predict(self.dataset.crystals.take(fold.test)).values

    def run_config(self) -> "RunConfig":
        """Give the settings of the networks."""
        from xtalgraph.training import preset

        return preset("default") if self.config is None else self.config

    def _fingerprint(self, model: str, fold: Fold) -> str:
        """Give a text that differs where the result would."""
        parts = [self.dataset.checksum, repr(self.task), model, str(self.seed)]
        parts += ["\n".join(self.dataset.ids[rows].tolist()) for rows in (fold.train, fold.test)]
        if model not in BASELINES:
            parts.append(repr(self.run_config()))
        return hashlib.sha256("|".join(parts).encode()).hexdigest()


def _read_result(file: Path, fingerprint: str) -> dict[str, Any]:
    result = json.loads(file.read_text(encoding="utf-8"))
    if result["fingerprint"] != fingerprint:
        raise BadConfig(
            f"{file} is of other data, folds or settings. Choose another folder (--out), or remove "
            "that file to do the fold again."
        )
    return result


def _refuse_unknown_models(models: Sequence[str], task: Task) -> None:
    for name in models:
        if name in BASELINES:
            make_baseline(name, kind=task.kind)
        elif name not in MODELS:
            raise UnknownName("model", name, [*BASELINES, *MODELS])
    if not models or len(set(models)) < len(models):
        raise BadConfig(f"models {list(models)}: name at least one, and each once.")


def _write_page(
    result: CrossValidation, job: "_Job", models: Sequence[str], group: str | None
) -> None:
    dataset = job.dataset
    metric = MAIN_METRIC[result.task.kind]
    pictures = []
    for target in result.task.targets:
        of_target = result.scores[result.scores["target"] == target.column]
        by_model = {
            model: of_target.loc[of_target["model"] == model, metric].tolist() for model in models
        }
        unit = target.unit if result.task.kind == "regression" else ""
        drawn = scores_over_folds(by_model, metric=metric, unit=unit)
        words = f"{target.name}: each model on the same {len(result.folds)} folds."
        pictures.append(Picture(f"scores_{target.name}", drawn, words, 560))
    kept = f"; crystals of one {group} are in one fold" if group else ""
    words = (
        f"{dataset.name}: {sum(len(fold.test) for fold in result.folds):,} labelled crystals from "
        f"{dataset.source}, {len(result.folds)} folds{kept}. SHA-256: {dataset.checksum}."
    )
    summary, scores = Table("summary", result.summary()), Table("folds", result.scores)
    sections = (
        Section("Scores over folds", (words,), tables=(summary,), pictures=tuple(pictures)),
        Section("Every fold", tables=(scores,)),
        _describe_settings(result, job, models, group),
    )
    names = ", ".join(target.name.replace("_", " ") for target in result.task.targets)
    numbers = {"folds": json.loads(result.scores.to_json(orient="records"))}
    write_report(result.folder, Report(f"Cross-validation: {names}", sections, numbers))


def _describe_settings(
    result: CrossValidation, job: _Job, models: Sequence[str], group: str | None
) -> Section:
    targets = ",".join(target.name for target in result.task.targets)
    lines = [
        f"xtalgraph cross-validate {job.dataset.source} --target {targets} "
        f"--task {result.task.kind} \\",
        f"    --folds {len(result.folds)} --models {','.join(models)} --seed {job.seed}"
        + (f" --group {group}" if group else ""),
    ]
    words = "The command that repeats this."
    if any(model in MODELS for model in models):
        from xtalgraph.training import format_config

        words += " Below it the settings of the networks."
        lines += ["", format_config(job.run_config())]
    return Section("Settings and how to repeat", (words,), verbatim="\n".join(lines))
