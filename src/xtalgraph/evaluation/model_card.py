"""The card of a packed model: every figure in it comes from the runs, none is typed."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
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
    """Say (1 or 0) whether interval or set holds the true value; NaN without a label."""
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
    parts = [
        _write_head(name, ensemble),
        _write_scores(ensemble),
        _write_intervals(ensemble),
        _write_data(ensemble),
        _write_training(ensemble),
    ]
    text = "\n\n".join("\n".join(part) for part in parts)
    return text + "\n" + (f"\n{notes.strip()}\n" if notes.strip() else "")


def _write_head(name: str, ensemble: Ensemble) -> Iterator[str]:
    task, members = ensemble.task, ensemble.facts["members"]
    what = ", ".join(f"`{target.column}`" for target in task.targets)
    if task.kind == "classification":
        what += f" ({', '.join(task.classes)})"
    yield f"# {name}"
    yield ""
    kinds = ", ".join(sorted({member["model"] for member in members}))
    sizes = ", ".join(sorted({f"{member['n_weights']:,}" for member in members}))
    several = f"The mean of {len(members)} networks" if len(members) > 1 else "One network"
    yield f"Predicts {what} from the structure. {several} ({kinds}; {sizes} weights each)."
    yield ""
    yield f"```\nxtalgraph predict {name} mycrystal.cif\n```"


def _write_scores(ensemble: Ensemble) -> Iterator[str]:
    facts = ensemble.facts
    yield "## Errors"
    yield ""
    n_test = facts["split"]["test"]
    yield f"On the test part ({n_test:,} crystals, used once), beside baselines fitted on train:"
    for target in ensemble.task.targets:
        scores = {"**this model**": facts["test"], **facts["baselines"]}
        shown = [key for key in _SHORT if key in facts["test"][target.name]]
        unit = f", {target.unit}" if target.unit else ""
        yield ""
        yield f"| {target.name}{unit} | " + " | ".join(_SHORT[key] for key in shown) + " |"
        yield "|---" * (len(shown) + 1) + "|"
        for model, found in scores.items():
            cells = [_number(found[target.name].get(key)) for key in shown]
            yield f"| {model} | " + " | ".join(cells) + " |"


def _write_intervals(ensemble: Ensemble) -> Iterator[str]:
    facts, calibration, domain = ensemble.facts, ensemble.calibration, ensemble.domain
    classes = isinstance(calibration, ClassCalibration)
    units = {target.name: target.unit for target in ensemble.task.targets}
    yield "## How sure it is"
    yield ""
    for row in facts["intervals"]:
        held = f"for {100 * row['observed']:.1f} % of the test crystals"
        stated, width = f"{100 * row['stated']:g} %", _number(row["mean_width"])
        if classes:
            yield f"{row['target']}: {stated} sets hold the class {held} ({width} classes a set)."
        else:
            unit = f" {units[row['target']]}".rstrip()
            yield (
                f"{row['target']}: {stated} intervals hold the true value {held} (mean half-width "
                f"{width}{unit})."
            )
    yield ""
    yield (
        "Calibrated on the validation part: a quarter of it chose, the rest gave the quantile. "
        + _describe_choice(ensemble)
    )
    if domain is not None:
        yield ""
        yield (
            "A crystal is `out` of the domain with an element that no training crystal has, with "
            f"an atom of fewer than {domain.fewest_neighbours} neighbours within the cutoff, or "
            f"farther than {domain.out:.2f} from the training crystals (99 % of the validation "
            f"part are nearer); beyond {domain.edge:.2f} (95 %) it is at the `edge`."
        )
    yield ""
    error, held = ("misjudged", "in the set") if classes else ("MAE", "in the interval")
    width = "classes a set" if classes else "half-width"
    yield f"| target | domain | test crystals | {error} | {held} | mean {width} |"
    yield "|---|---|---|---|---|---|"
    for row in facts["domains"]:
        yield (
            f"| {row['target']} | {row['domain']} | {row['n_crystals']:,} | "
            f"{_number(row['error'])} | {100 * row['observed']:.1f} % | "
            f"{_number(row['mean_width'])} |"
        )
    yield ""
    yield f"![Calibration, and error over distance]({CALIBRATION_FIGURE})"


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


def _write_data(ensemble: Ensemble) -> Iterator[str]:
    data, split = ensemble.facts["data"], ensemble.facts["split"]
    elements = ensemble.members[0].elements
    yield "## Data and split"
    yield ""
    yield f"{data['name']}: {data['n_crystals']:,} crystals, SHA-256 `{data['checksum']}`."
    yield (
        f"Split `{split['asked']}`: {split['train']:,} train, {split['validation']:,} validation, "
        f"{split['test']:,} test."
    )
    yield ""
    yield f"Elements in the training part ({len(elements)}): {' '.join(elements)}."


def _write_training(ensemble: Ensemble) -> Iterator[str]:
    members = ensemble.facts["members"]
    yield "## How it was trained"
    yield ""
    starts = [tomllib.loads(member["settings"])["train"]["start_from"] for member in members]
    more = any(starts)  # members may have begun with different networks
    yield "| member | seed | epochs | best epoch | minutes |" + " begun with |" * more
    yield "|---|---|---|---|---|" + "---|" * more
    for number, (member, start) in enumerate(zip(members, starts, strict=True), start=1):
        yield (
            f"| {number} | {member['seed']} | {member['epochs']} | {member['best_epoch']} | "
            f"{member['seconds'] / 60:.1f} |" + f" {start or 'random numbers'} |" * more
        )
    versions = members[0]["versions"]
    if versions:
        yield ""
        yield "With " + ", ".join(f"{name} {found}" for name, found in versions.items()) + "."
    yield ""
    yield "Settings of member 1:"
    yield ""
    yield f"```toml\n{members[0]['settings'].strip()}\n```"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
