"""`xtalgraph cross-validate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from xtalgraph.cli.output import print_json, print_lines, report_rejected, say
from xtalgraph.cli.train import Settings, choose_config
from xtalgraph.errors import BadConfig, Rejected


def cross_validate(
    data: str,
    /,
    *,
    target: str,
    models: str,
    folds: str = "5",
    group: str | None = None,
    task: str | None = None,
    min_class_size: int = 1,
    preset: str = "default",
    config: Path | None = None,
    set: Settings = None,
    seed: int = 0,
    out: Path | None = None,
    skip_bad: Annotated[bool, Parameter(negative=())] = False,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Train and test several models on the same folds; broken off, it goes on where it was.

    Parameters
    ----------
    data: str
        A folder, a table, `mp-sample`, or a CSV of identifier, space group and distances a row.
    target: str
        The column to learn; space_group and crystal_system are found from the structures (within
        0.01 Å) where there is no such column.
    models: str
        Names between commas: mean, median, most_common, random, composition_forest,
        composition_boosting, distance_mlp, and networks, as cgcnn.
    folds: str
        How many, stratified for classes; or matbench, for its five published ones.
    group: str
        Keep crystals of one formula, crystal_system or value of a column in one fold.
    task: str
        regression or classification; by itself, columns of numbers are regressed.
    min_class_size: int
        Leave out classes with fewer crystals.
    preset: str
        default or paper: settings of networks.
    config: Path
        TOML file with settings of networks.
    set: list[str]
        One setting, as in --set model.pooling=max; may be given again.
    seed: int
        Of the folds, the validation parts and the baselines.
    out: Path
        Folder of results and page; runs/DATA-TARGET-folds where not given.
    skip_bad: bool
        Leave out crystals that cannot be read, and list them.
    json: bool
        Print the scores for a program.
    """
    from xtalgraph.evaluation.distance_table import read_labelled
    from xtalgraph.evaluation.labels import guess_task
    from xtalgraph.studies.cross_validation import cross_validate as run

    rejected: list[Rejected] | None = [] if skip_bad else None
    dataset = read_labelled(data, rejected=rejected)
    names = target.split(",")
    out = out or Path("runs") / f"{dataset.name}-{'+'.join(names)}-folds"
    unlabelled = [row for name in names for row in dataset.find_unlabelled(name)]
    report_rejected([*(rejected or []), *unlabelled], out)
    result = run(
        dataset,
        names,
        models.split(","),
        out=out,
        task=task or guess_task(dataset, names),
        n_folds=read_folds(folds),
        seed=seed,
        group=group,
        min_class_size=min_class_size,
        config=choose_config(preset, config, set or []),
        on_fold=lambda model, number, score: say(f"{model}, fold {number}: {score:.4g}"),
    )
    if json:
        print_json(result.summary().to_dict(orient="records"))
    else:
        print_lines(result.summary().to_string(index=False).split("\n"))
    say(f"report: {out / 'report.html'}")
    return 0


def read_folds(text: str) -> int | str:
    """Read a number of folds, or the name of published ones."""
    if text == "matbench":
        return text
    try:
        return int(text)
    except ValueError:
        raise BadConfig(f"--folds {text}: write a number, as in 5, or matbench.") from None
