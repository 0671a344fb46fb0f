"""`xtalgraph cross-validate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from xtalgraph.cli.compare import say_result
from xtalgraph.cli.options import (
    Data,
    FoldJobs,
    Settings,
    Study,
    default,
    result_folder,
    split_words,
)
from xtalgraph.cli.output import print_table, say
from xtalgraph.errors import BadConfig


def cross_validate(
    data: Data,
    /,
    *,
    models: str,
    folds: str = "5",
    group: Annotated[str | None, default("none")] = None,
    min_class_size: int = 1,
    seed: int = 0,
    jobs: FoldJobs = 1,
    out: Annotated[Path | None, result_folder("runs/DATA-TARGET-folds")] = None,
    study: Study,
    settings: Settings = Settings(),
) -> int:
    """Train and test several models on the same folds.

    If interrupted, rerun the command to resume. The exit status is 1 if a model failed on a fold;
    the others are still trained. Where there is no column space_group or
    crystal_system, it is computed from the structures (within 0.01 Å). The data may also be a CSV
    with identifier, space group and interatomic distances in each row.

    Parameters
    ----------
    models: str
        Comma-separated names of networks, such as cgcnn, and of baselines, such as mean or
        composition_forest. An unknown name is answered with the legal ones.
    folds: str
        Number of folds, stratified for classes; or matbench for its five published ones.
    group: str
        Keep crystals of one formula, crystal_system or value of a column in one fold.
    min_class_size: int
        Leave out classes with fewer crystals.
    seed: int
        Random seed of the folds, the validation sets and the baselines.

    Examples
    --------
    xtalgraph cross-validate my_data.csv --target band_gap --models mean,cgcnn
    """
    from xtalgraph.studies import cross_validate as run

    number = read_folds(folds)
    dataset, out = study.load_inputs(data, out, "folds", labelled=True)
    result = run(
        dataset,
        study.names,
        split_words(models),
        out=out,
        task=study.choose_task(dataset),
        n_folds=number,
        seed=seed,
        group=group,
        min_class_size=min_class_size,
        config=settings.choose(),
        jobs=jobs,
        on_trial=say_result,
    )
    print_table(result.summary(), as_json=study.json)
    say(f"report: {out / 'report.html'}")
    return 1 if result.failures else 0


def read_folds(text: str) -> int | str:
    """Read a number of folds, or the name of published ones."""
    if text == "matbench":
        return text
    try:
        return int(text)
    except ValueError:
        raise BadConfig(f"--folds {text}: write a number, as in 5, or matbench.") from None
