"""`xtalgraph learning-curve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from xtalgraph.cli.compare import read_numbers, say_outcome
from xtalgraph.cli.opening import load_inputs
from xtalgraph.cli.output import print_json, print_lines, say
from xtalgraph.cli.train import Settings, choose_config


def learning_curve(
    data: str,
    /,
    *,
    target: str,
    sizes: str,
    seeds: str = "0,1,2",
    convolutions: str = "shared,gated",
    task: str | None = None,
    split: str = "0.6,0.2,0.2",
    preset: str = "default",
    config: Path | None = None,
    set: Settings = None,
    baselines: str | None = None,
    epoch_factor: float = 4.0,
    jobs: int = 1,
    out: Path | None = None,
    skip_bad: Annotated[bool, Parameter(negative=())] = False,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Train on more and more crystals, and draw the test error over their number.

    Broken off, it goes on where it was. The exit status is 1 if a run failed; the others are done
    nevertheless.

    Parameters
    ----------
    data: str
        A folder, a table, or `mp-sample` for the embedded data set.
    target: str
        The column to learn; several, separated by commas, are learned together.
    sizes: str
        Numbers of training crystals, as in 100,300,1000,3000; smaller parts lie in larger ones.
    seeds: str
        Of the choice of training crystals and of the weights.
    convolutions: str
        One curve for each; empty for the one of the settings.
    task: str
        regression or classification; by itself, columns of numbers are regressed.
    split: str
        As `train` takes it; validation and test part are the same for all.
    preset: str
        default or paper: the settings.
    config: Path
        TOML file with settings.
    set: list[str]
        One setting, as in --set train.epochs=30; may be given again.
    baselines: str
        Names between commas; a trivial one and composition_forest where not given.
    epoch_factor: float
        Small sizes get more epochs, up to so many times, for as many steps as the largest; 1 gives
        all the same.
    jobs: int
        Runs at a time, each with one thread.
    out: Path
        Folder of the runs, the tables and the page; runs/DATA-TARGET-curve where not given.
    skip_bad: bool
        Leave out crystals that cannot be read, and list them.
    json: bool
        Print the table for a program.
    """
    from xtalgraph.evaluation.labels import guess_task
    from xtalgraph.studies.learning_curve import learning_curve as run

    chosen, numbers = choose_config(preset, config, set or []), read_numbers(sizes, "--sizes")
    seed_numbers = read_numbers(seeds, "--seeds")
    dataset, names, out = load_inputs(data, target, skip_bad, out, "curve")
    result = run(
        dataset,
        names,
        numbers,
        out=out,
        task=task or guess_task(dataset, names),
        config=chosen,
        split=split,
        seeds=seed_numbers,
        convolutions=convolutions.split(",") if convolutions else (),
        baselines=baselines.split(",") if baselines else None,
        epoch_factor=epoch_factor,
        jobs=jobs,
        on_point=say_outcome,
    )
    if json:
        print_json(result.summary.to_dict(orient="records"))
    else:
        print_lines(result.summary.to_string(index=False).split("\n"))
        print_lines(result.slopes.to_string(index=False).split("\n"))
    say(f"report: {out / 'report.html'}")
    return 1 if result.n_failed else 0
