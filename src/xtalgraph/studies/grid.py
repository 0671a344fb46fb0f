"""Grids of settings, as `--vary model.pooling=mean,max` names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

from xtalgraph.errors import BadConfig, UnknownName
from xtalgraph.studies.trial_tables import SEED
from xtalgraph.studies.trials import Point, name_folder
from xtalgraph.training import RunConfig, apply_overrides
from xtalgraph.training.problem import Problem

_OPEN, _CLOSE = "[{", "]}"
_FIXED = {
    "train.seed": "give the seeds instead (--seeds 0,1)",
    "train.split_seed": "all points have one split, or they would not compare",
}


def read_variations(texts: Sequence[str]) -> dict[str, list[str]]:
    """Give the values of each setting; a comma within brackets belongs to the value.

    >>> read_variations(["model.pooling=mean,max", "train.step_epochs=[10, 20],[30]"])
    {'model.pooling': ['mean', 'max'], 'train.step_epochs': ['[10, 20]', '[30]']}
    """
    variations: dict[str, list[str]] = {}
    for text in texts:
        setting, equals, rest = text.partition("=")
        setting, values = setting.strip(), _split_values(rest)
        if not (equals and "." in setting and all(values)):
            raise BadConfig(
                f"{text!r}: write section.key=value,value, as in model.convolution=shared,gated."
            )
        if setting in variations or len(set(values)) < len(values):
            raise BadConfig(f"{text!r}: name each setting once, and each of its values once.")
        if setting in _FIXED:
            raise BadConfig(f"{setting} cannot be varied: {_FIXED[setting]}.")
        variations[setting] = values
    if not variations:
        raise BadConfig("no setting is varied. Name one, as in model.convolution=shared,gated.")
    return variations


def _split_values(text: str) -> list[str]:
    values, depth = [""], 0
    for sign in text:
        depth += (sign in _OPEN) - (sign in _CLOSE)
        if sign == "," and depth == 0:
            values.append("")
        else:
            values[-1] += sign
    return [value.strip() for value in values]


def label_settings(variations: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Give the column that each setting has: its key, or all of its name where a key is twice.

    >>> label_settings({"model.pooling": ["mean"], "train.epochs": ["3"]})
    {'model.pooling': 'pooling', 'train.epochs': 'epochs'}
    """
    keys = [name.partition(".")[2] for name in variations]
    taken = [SEED, "target", "folder", "error"]  # columns of the tables
    return {
        name: key if keys.count(key) == 1 and key not in taken else name
        for name, key in zip(variations, keys, strict=True)
    }


def make_grid(
    variations: Mapping[str, Sequence[str]],
    seeds: Sequence[int],
    config: RunConfig,
    problem: Problem,
) -> list[Point]:
    """Give a point for each combination of values and each seed, the first setting slowest.

    A combination that cannot be becomes a point with an error; a setting that does not exist is
    refused.
    """
    if not seeds or len(set(seeds)) < len(seeds):
        raise BadConfig(f"seeds {list(seeds)}: name at least one, and each once.")
    columns = label_settings(variations)
    points = []
    for values in product(*variations.values()):
        chosen = dict(zip(variations, values, strict=True))
        made, error = _make_config(config, chosen)
        for seed in seeds:
            labels = {columns[name]: value for name, value in chosen.items()} | {SEED: seed}
            whole = None if made is None else apply_overrides(made, [f"train.seed={seed}"])
            points.append(Point(name_folder(labels), labels, problem, whole, error))
    return points


def _make_config(config: RunConfig, chosen: Mapping[str, str]) -> tuple[RunConfig | None, str]:
    try:
        assignments = [f"{name}={value}" for name, value in chosen.items()]
        return apply_overrides(config, assignments), ""
    except (BadConfig, UnknownName) as error:
        return None, str(error)
