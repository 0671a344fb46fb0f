"""The card of a packed model: every figure in it comes from the runs, none is typed."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xtalgraph.data import Dataset, Split
from xtalgraph.evaluation.scores import Evaluation
from xtalgraph.prediction import Ensemble, Predictions
from xtalgraph.prediction.calibration import LEVELS, ClassCalibration

if TYPE_CHECKING:
    from xtalgraph.training import TrainedRun

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
