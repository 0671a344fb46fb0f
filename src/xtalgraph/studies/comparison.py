"""Which setting is better: a grid of settings and seeds on one split, in one table and page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

from xtalgraph.data import Dataset, Split
from xtalgraph.data.splits import DEFAULT_SPLIT
from xtalgraph.errors import BadConfig, UnknownName
from xtalgraph.studies.pages import write_comparison_page
from xtalgraph.studies.results import (
    SEED,
    Comparison,
    list_baselines,
    summarise_seeds,
    tabulate_baselines,
    tabulate_results,
)
from xtalgraph.studies.trials import (
    OnTrial,
    Study,
    Trial,
    run_trials,
    split_parts,
)
from xtalgraph.training import RunConfig, apply_overrides, preset
from xtalgraph.training.problem import Problem, pose_problem
from xtalgraph.training.run import GIVEN_SPLIT

WORK = "a comparison"
_OPEN, _CLOSE = "[{", "]}"
_FIXED = {
    "train.seed": "give the seeds instead (--seeds 0,1)",
    "train.split_seed": "all trials have one split, or they would not compare",
}


def compare(
    dataset: Dataset,
    targets: str | Sequence[str],
    vary: Sequence[str] | Mapping[str, Sequence[str]],
    *,
    out: str | Path,
    task: str = "regression",
    config: RunConfig | None = None,
    split: str | Split = DEFAULT_SPLIT,
    seeds: Sequence[int] = (0,),
    jobs: int = 1,
    baselines: Sequence[str] | None = None,
    on_trial: OnTrial | None = None,
) -> Comparison:
    """Train with every combination of settings and every seed, and leave a table and a page.

    All trials have one split, so that they compare. Each is an ordinary run folder under
    `out/runs`. If interrupted, call it again to resume; a larger grid in the same folder keeps the
    runs that it has. A combination that fails is in the table with its reason.

    Args:
        dataset: Crystals and their labels.
        targets: Columns to learn together, or their names with commas between them.
        vary: The values of each setting, as `["model.pooling=mean,max"]` or
            `{"model.pooling": ["mean", "max"]}`.
        out: Folder of the study.
        task: `regression` or `classification`.
        config: What is not varied; the default preset if left out.
        split: A `Split`, or a text as `make_split` takes it (seed `train.split_seed`).
        seeds: Of the initial weights and batches; each combination is trained with each.
        jobs: Trials at a time, in processes of one thread each.
        baselines: Names of baselines to state beside; the trivial ones if left out.
        on_trial: Called with each finished trial, how many are done, and how many there are.

    Returns:
        Tables of all runs and of their means over seeds.

    Raises:
        BadConfig: A setting does not exist, no combination is possible, or the folder holds
            another study.
        BadDataset: The data cannot be learned.
        FolderInUse: Another process works in the folder.

    >>> result = compare(
    ...     dataset, "band_gap", ["model.pooling=mean,max"], out="runs/pooling"
    ... )  # doctest: +SKIP
    >>> result.rank()  # doctest: +SKIP
    """
    if not isinstance(vary, Mapping):
        vary = read_variations(vary)
    config = config or preset("default")
    problem = pose_problem(dataset, targets, task, split, config.train.split_seed)
    trials = make_grid(vary, seeds, config, problem)
    stated = list_baselines(problem, baselines)
    study = Study(Path(out), WORK, dataset, problem.task, [split_parts(problem.split)], jobs=jobs)
    with study.open([*trials, *stated]):
        table = tabulate_baselines(run_trials(study, stated), problem.task)
        results = run_trials(study, trials, on_trial)
        runs = tabulate_results(results, problem.task)
        settings = tuple(label_settings(vary).values())
        summary = summarise_seeds(runs, settings)
        result = Comparison(problem, study.folder, settings, tuple(results), runs, summary, table)
        options: dict[str, object] = {
            "vary": [f"{name}={','.join(values)}" for name, values in vary.items()],
            "seeds": ",".join(map(str, seeds)),
            "split": split if isinstance(split, str) else GIVEN_SPLIT,
        }
        options |= {"baselines": ",".join(baselines)} if baselines else {}
        write_comparison_page(result, config, options)
    return result


def read_variations(texts: Sequence[str]) -> dict[str, list[str]]:
    """Return the values of each setting; a comma within brackets belongs to the value.

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
    """Return the column that each setting has: its key, or all of its name where a key is twice.

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
) -> list[Trial]:
    """Return a trial for each combination of values and each seed, the first setting slowest.

    An impossible combination becomes a trial with an error.
    """
    if not seeds or len(set(seeds)) < len(seeds):
        raise BadConfig(f"seeds {list(seeds)}: name at least one, and each once.")
    columns, parts = label_settings(variations), split_parts(problem.split)
    trials = []
    for values in product(*variations.values()):
        chosen = dict(zip(variations, values, strict=True))
        assignments = [f"{name}={value}" for name, value in chosen.items()]
        for seed in seeds:
            labels = {columns[name]: value for name, value in chosen.items()} | {SEED: seed}
            made, error = None, ""
            try:
                made = apply_overrides(config, [*assignments, f"train.seed={seed}"])
            except (BadConfig, UnknownName) as refused:
                error = str(refused)
            trials.append(Trial(labels, parts, made, error=error))
    return trials
