"""From finished runs to one calibrated ensemble with its card, every figure of it measured here."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xtalgraph.data import Dataset, Split
from xtalgraph.data.splits import checksum_split, read_split
from xtalgraph.errors import BadConfig, BadDataset
from xtalgraph.evaluation.calibrating import coverage_curve, fit_calibration, fit_domain
from xtalgraph.evaluation.labels import labelled_rows, read_labels
from xtalgraph.evaluation.scores import Evaluation, evaluate
from xtalgraph.files import write_text
from xtalgraph.metrics import calibration_curve
from xtalgraph.nn import SavedModel
from xtalgraph.nn.resolve import CARD, ENSEMBLE
from xtalgraph.prediction import Ensemble, Predictions, Predictor, read_ensemble
from xtalgraph.prediction.calibration import LEVELS, ClassCalibration
from xtalgraph.prediction.ensemble import read_members, save_description, save_members
from xtalgraph.report.figures import calibration_figure
from xtalgraph.report.figures.style import save_small_png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from xtalgraph.training import TrainedRun

COVERAGES = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])


def pack_ensemble(
    runs: Sequence[str | Path],
    out: str | Path,
    *,
    dataset: Dataset | None = None,
    coverage: float = 0.9,
    baselines: tuple[str, ...] | None = None,
    notes: str = "",
    targets: Sequence[str] = (),
    members: str | Path | None = None,
    weights: str = "float16",
    version: str = "",
) -> Ensemble:
    """Pack finished runs of one data set, split and task into a calibrated ensemble.

    Intervals, temperature and the limits of the domain come from the validation part; the test part
    is used once, to score and to see whether the stated coverage holds. Everything is measured with
    the weights as they are stored.

    Args:
        runs: Folders of finished runs.
        out: The folder that gets the ensemble, its figure and `card.md`; its name is that of the
            model.
        dataset: What the runs learned from; read from where the first run read it, if not given.
        coverage: Fraction of unseen crystals whose true value an interval or a set holds.
        baselines: Names of those to compare with on the card.
        notes: Markdown at the end of the card: licence and citation of the data, known failures.
        targets: Of runs that learned several those to pack, all if empty; the networks are stored
            whole.
        members: The folder for the networks, which other ensembles may share; `out` if not given.
        weights: How they are stored: `float32`, `float16` or `int8` (a byte each).
        version: The release of the model, such as `0.2`.

    Returns:
        The ensemble as it was written.

    Raises:
        BadConfig: There is an ensemble already, or the runs do not belong together.
        BadDataset: The data or the split are not those of the runs.
    """
    from xtalgraph.training.run_folder import read_run, read_run_dataset

    out, folders = Path(out), [Path(run) for run in runs]
    if (out / ENSEMBLE).exists():
        raise BadConfig(f"{out} holds an ensemble already. Choose another folder, or remove it.")
    trained = [read_run(folder) for folder in folders]
    records = _read_records(folders)
    if dataset is None:
        dataset = read_run_dataset(folders[0])
    split = _read_split(folders[0], dataset, records[0])
    out.mkdir(parents=True, exist_ok=True)
    stored = save_members(
        [_without_paths(run.model) for run in trained], Path(members or out), weights
    )
    targets = targets or [target.name for target in trained[0].model.task.targets]
    places = tuple(Path(os.path.relpath(folder, out)).as_posix() for folder in stored)
    ensemble = Ensemble(
        read_members(stored, targets), places=places, name=out.name, version=version
    )
    crystals = dataset.crystals
    training, validation = (
        crystals.take(rows[labelled_rows(read_labels(dataset, ensemble.task, rows))])
        for rows in (split.train, split.validation)
    )
    domain = fit_domain(Predictor(ensemble), training, validation)
    ensemble = replace(ensemble, domain=domain)
    known, known_labels = _predict_part(ensemble, dataset, split.validation)
    ensemble = replace(ensemble, calibration=fit_calibration(known, known_labels, coverage))
    evaluation = evaluate(
        Predictor(ensemble), dataset, part="test", split=split, baselines=baselines
    )
    unseen, unseen_labels = _predict_part(ensemble, dataset, split.test)
    facts = describe_facts(dataset, split, records[0], trained, evaluation, unseen, unseen_labels)
    ensemble = replace(ensemble, facts=facts)
    curve = _find_curve(known, known_labels, unseen, unseen_labels)
    save_small_png(_draw(curve, ensemble, unseen, unseen_labels), out / CALIBRATION_FIGURE)
    write_text(out / CARD, write_card(out.name, ensemble, notes))
    save_description(ensemble, out)  # last: a folder with it is whole
    return read_ensemble(out)


def _without_paths(model: SavedModel) -> SavedModel:
    """Return the model as it is handed on: it names what it began with, not where that lay."""
    start = Path(str(model.provenance.get("start_from", ""))).name
    if not start:
        return model
    return replace(model, provenance={**model.provenance, "start_from": start})


def _read_records(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """Return what each run says of its data; refused are runs that learned from different ones."""
    from xtalgraph.training.run_folder import read_record

    if not folders:
        raise BadConfig("no run is named. Give the folders of finished runs.")
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise BadConfig("a run is named twice. Each is a member once.")
    records = [read_record(folder)[1] for folder in folders]
    for folder, record in zip(folders[1:], records[1:], strict=True):
        for key, words in (
            ("targets", "targets"),
            ("task", "task"),
            ("checksum", "data"),
            ("split_checksum", "split"),
        ):
            if record.get(key) != records[0].get(key):
                raise BadConfig(
                    f"{folders[0]} and {folder} differ in their {words}: {records[0].get(key)!r} "
                    f"and {record.get(key)!r}. Members of an ensemble share data, split and task, "
                    "or there would be no crystal that none of them has seen."
                )
    return records


def _read_split(folder: Path, dataset: Dataset, record: dict[str, Any]) -> Split:
    from xtalgraph.training.run_folder import SPLITS

    split = read_split(folder / SPLITS, dataset)
    if dataset.checksum != record["checksum"] or (
        checksum_split(dataset, split) != record["split_checksum"]
    ):
        raise BadDataset(
            f"{dataset.source}: these are not the data and the split that {folder} was trained "
            "with (the checksums differ). Give the original data and split, or train again."
        )
    if not len(split.test):
        raise BadDataset(
            f"{folder}: the test part of its split is empty, so it cannot be seen whether the "
            "stated uncertainty holds. Train with a test part."
        )
    return split


def _predict_part(
    ensemble: Ensemble, dataset: Dataset, rows: np.ndarray
) -> tuple[Predictions, np.ndarray]:
    """Return predictions and labels of the labelled rows of a part."""
    labels = read_labels(dataset, ensemble.task, rows)
    kept = labelled_rows(labels)
    if not len(kept):
        raise BadDataset(f"{dataset.source}: a part of the split has no label at all.")
    return Predictor(ensemble).predict(dataset.crystals.take(rows[kept])), labels[kept]


Curve = tuple[np.ndarray, dict[str, np.ndarray]]  # stated frequencies, and by name the observed


def _find_curve(
    known: Predictions, known_labels: np.ndarray, unseen: Predictions, labels: np.ndarray
) -> Curve:
    """Return what was stated, and how often it was so for unseen crystals."""
    if unseen.task.kind == "classification":
        right = (unseen.values.argmax(axis=1) == labels).astype(np.int64)
        curve = calibration_curve(right, unseen.values.max(axis=1))
        return curve.predicted, {"likeliest class": curve.observed}
    return COVERAGES, {
        target.name: coverage_curve(known, known_labels, unseen, labels, number, COVERAGES)
        for number, target in enumerate(unseen.task.targets)
    }


def _draw(curve: Curve, ensemble: Ensemble, unseen: Predictions, labels: np.ndarray) -> Figure:
    domain, task = ensemble.domain, ensemble.task
    if domain is None or unseen.distance is None:
        raise BadConfig("this ensemble has no domain. Pack runs into one.")
    if task.kind == "classification":
        error = (unseen.values.argmax(axis=1) != labels).astype(float)
        words = ("stated probability of the likeliest class", "fraction of crystals that are it")
        error_words, unit = "fraction misjudged", ""
    else:
        error = np.abs(unseen.values[:, 0] - labels[:, 0])
        words = ("stated coverage of the interval", "crystals inside the interval (fraction)")
        error_words, unit = f"error of {task.targets[0].name}", task.targets[0].unit
    return calibration_figure(
        *curve,
        unseen.distance,
        error,
        (domain.edge, domain.out),
        stated_words=words[0],
        observed_words=words[1],
        error_words=error_words,
        error_unit=unit,
    )


CALIBRATION_FIGURE = "calibration.png"

_SHORT = {
    "mean_absolute_error": "MAE",
    "root_mean_squared_error": "RMSE",
    "r_squared": "R²",
    "max_error": "largest",
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "roc_auc": "ROC-AUC",
    "log_loss": "log loss",
}


def describe_facts(
    dataset: Dataset,
    split: Split,
    record: Mapping[str, Any],
    runs: Sequence[TrainedRun],
    evaluation: Evaluation,
    unseen: Predictions,
    labels: np.ndarray,
) -> dict[str, Any]:
    """Collect what the card says, as JSON has it: data, split, members, scores, coverage."""
    scored = evaluation.to_json()
    return {
        "data": {
            "name": dataset.name,
            "checksum": dataset.checksum,
            "n_crystals": len(dataset),
        },
        "split": {"asked": record["split"]}
        | {part: len(split.part(part)) for part in ("train", "validation", "test")},
        "members": [_describe_member(run) for run in runs],
        "test": scored["metrics"],
        "baselines": scored["baselines"],
        "intervals": _describe_intervals(unseen, labels),
        "domains": _describe_domains(unseen, labels),
    }


def _describe_member(run: TrainedRun) -> dict[str, Any]:
    from xtalgraph.training import format_config
    from xtalgraph.training.run_folder import read_record

    config, _ = read_record(run.folder)
    start = Path(config.train.start_from).name  # where it lay then means nothing elsewhere
    config = replace(config, train=replace(config.train, start_from=start))
    return {
        "seed": config.train.seed,
        "model": config.model_kind,
        "n_weights": sum(value.numel() for value in run.model.network.parameters()),
        "epochs": run.metrics["epochs"],
        "best_epoch": run.metrics["best_epoch"],
        "seconds": run.metrics["seconds"],
        "versions": run.model.provenance.get("versions", {}),
        "settings": format_config(config),
    }


def _describe_intervals(unseen: Predictions, labels: np.ndarray) -> list[dict[str, Any]]:
    """Return the coverage that was stated and that was found, for each target."""
    names = [target.name for target in unseen.task.targets]
    held, width = _find_held(unseen, labels), _find_width(unseen)
    return [
        {
            "target": name,
            "stated": unseen.coverage,
            "observed": float(np.nanmean(held[:, number])),
            "mean_width": float(width[:, number].mean()),
        }
        for number, name in enumerate(names)
    ]


def _describe_domains(unseen: Predictions, labels: np.ndarray) -> list[dict[str, Any]]:
    """Return error and coverage of the crystals in the domain, at its edge and out of it."""
    error, held = _find_error(unseen, labels), _find_held(unseen, labels)
    width = _find_width(unseen)
    levels = np.array(unseen.domain, dtype=object)
    rows = []
    for number, target in enumerate(unseen.task.targets):
        for level in LEVELS:
            chosen = (levels == level) & ~np.isnan(error[:, number])
            if chosen.any():
                rows.append(
                    {
                        "target": target.name,
                        "domain": level,
                        "n_crystals": int(chosen.sum()),
                        "error": float(error[chosen, number].mean()),
                        "observed": float(held[chosen, number].mean()),
                        "mean_width": float(width[chosen, number].mean()),
                    }
                )
    return rows


def _find_error(unseen: Predictions, labels: np.ndarray) -> np.ndarray:
    """Return |predicted − true|, or 1 for a class that was misjudged; a column a target."""
    if unseen.task.kind == "classification":
        return (unseen.values.argmax(axis=1) != labels).astype(float)[:, None]
    return np.abs(unseen.values - labels)


def _find_held(unseen: Predictions, labels: np.ndarray) -> np.ndarray:
    """Return 1 or 0, whether interval or set contains the true value; NaN without a label."""
    if unseen.class_sets is not None:
        return unseen.class_sets[np.arange(len(labels)), labels].astype(float)[:, None]
    error = _find_error(unseen, labels)
    return np.where(np.isnan(error), np.nan, error <= unseen.uncertainty)


def _find_width(unseen: Predictions) -> np.ndarray:
    """Return half-widths in the unit of each target, or the classes in a set."""
    if unseen.class_sets is not None:
        return unseen.class_sets.sum(axis=1).astype(float)[:, None]
    return np.asarray(unseen.uncertainty)


def write_card(name: str, ensemble: Ensemble, notes: str = "") -> str:
    """Return the card as Markdown: what the facts of the ensemble say, and `notes` at the end."""
    from jinja2 import Environment

    members = ensemble.facts["members"]
    environment = Environment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    environment.filters |= {
        "number": lambda value: "–" if value is None else f"{value:.4g}",
        "digits": lambda value: f"{value:g}",
        "decimals": lambda value, n_digits: f"{value:.{n_digits}f}",
    }
    text = files(__package__).joinpath("card.md.j2").read_text("utf-8")
    return environment.from_string(text).render(
        name=name,
        task=ensemble.task,
        facts=ensemble.facts,
        members=members,
        kinds=", ".join(sorted({member["model"] for member in members})),
        sizes=", ".join(sorted({f"{member['n_weights']:,}" for member in members})),
        short=_SHORT,
        models={"**this model**": ensemble.facts["test"], **ensemble.facts["baselines"]},
        units={target.name: target.unit for target in ensemble.task.targets},
        classes=isinstance(ensemble.calibration, ClassCalibration),
        choice=_describe_choice(ensemble),
        domain=ensemble.domain,
        figure=CALIBRATION_FIGURE,
        elements=ensemble.members[0].elements,
        # members may have begun with different networks
        starts=[tomllib.loads(member["settings"])["train"]["start_from"] for member in members],
        notes=notes.strip(),
    )


def _describe_choice(ensemble: Ensemble) -> str:
    calibration = ensemble.calibration
    if isinstance(calibration, ClassCalibration):
        return f"Temperature of the probabilities: {calibration.temperature:.2f}."
    if calibration is None:
        return ""
    words = []
    for target, scale in zip(ensemble.task.targets, calibration.scales, strict=True):
        grows = [
            word
            for word, factor in (
                ("the spread of the members", scale.of_spread),
                ("the distance from the training crystals", scale.of_distance),
            )
            if factor
        ]
        how = f"grows with {' and '.join(grows)}" if grows else "is the same for every crystal"
        words.append(f"The half-width of {target.name} {how}.")
    return " ".join(words)
