"""`xtalgraph compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from xtalgraph.cli.opening import load_inputs
from xtalgraph.cli.output import print_json, print_lines, say
from xtalgraph.cli.train import Settings, choose_config
from xtalgraph.errors import BadConfig

if TYPE_CHECKING:
    from xtalgraph.studies.trials import Outcome

Variations = Annotated[list[str], Parameter(name="--vary", negative=())]


def compare(
    data: str,
    /,
    *,
    target: str,
    vary: Variations,
    seeds: str = "0",
    task: str | None = None,
    split: str = "0.6,0.2,0.2",
    preset: str = "default",
    config: Path | None = None,
    set: Settings = None,
    baselines: str | None = None,
    jobs: int = 1,
    out: Path | None = None,
    skip_bad: Annotated[bool, Parameter(negative=())] = False,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Train with every combination of settings and seeds on one split, and compare them.

    Broken off, it goes on where it was. The exit status is 1 if a combination failed; the others
    are done nevertheless.

    Parameters
    ----------
    data: str
        A folder, a table, or `mp-sample` for the embedded data set.
    target: str
        The column to learn; several, separated by commas, are learned together.
    vary: list[str]
        A setting and its values, as in --vary model.convolution=none,shared,gated; may be given
        again, then all combinations are trained.
    seeds: str
        Each combination is trained with each of these, as in 0,1,2.
    task: str
        regression or classification; by itself, columns of numbers are regressed.
    split: str
        As `train` takes it; all runs have the same.
    preset: str
        default or paper: what is not varied.
    config: Path
        TOML file with what is not varied.
    set: list[str]
        One setting, as in --set train.epochs=30; may be given again.
    baselines: str
        Names between commas, as in mean,composition_forest; the trivial ones where not given.
    jobs: int
        Runs at a time, each with one thread.
    out: Path
        Folder of the runs, the table and the page; runs/DATA-TARGET-compare where not given.
    skip_bad: bool
        Leave out crystals that cannot be read, and list them.
    json: bool
        Print the table for a program.
    """
    from xtalgraph.evaluation.labels import guess_task
    from xtalgraph.studies.comparison import compare as run

    chosen, numbers = choose_config(preset, config, set or []), read_numbers(seeds, "--seeds")
    dataset, names, out = load_inputs(data, target, skip_bad, out, "compare")
    result = run(
        dataset,
        names,
        vary,
        out=out,
        task=task or guess_task(dataset, names),
        config=chosen,
        split=split,
        seeds=numbers,
        jobs=jobs,
        baselines=baselines.split(",") if baselines else None,
        on_point=say_outcome,
    )
    if json:
        print_json(result.summary.to_dict(orient="records"))
    else:
        print_lines(result.summary.to_string(index=False).split("\n"))
    say(f"report: {out / 'report.html'}")
    return 1 if result.n_failed else 0


def say_outcome(outcome: Outcome, n_done: int, n_all: int) -> None:
    """Write one line about a run that is done."""
    words = " ".join(f"{name}={value}" for name, value in outcome.point.labels.items())
    if outcome.run is None:
        say(f"{n_done}/{n_all}  {words}: failed: {outcome.error}")
        return
    metrics = outcome.run.metrics
    scores = [
        f"{part} {scores.get('mean_absolute_error', scores.get('accuracy')):.4g} "
        f"{scores.get('unit', '')}".strip()
        for part in ("validation", "test")
        for scores in metrics.get(part, {}).values()
    ]
    say(f"{n_done}/{n_all}  {words}: {', '.join(scores)} ({metrics['seconds']:.0f} s)")


def read_numbers(text: str, option: str) -> list[int]:
    """Read whole numbers between commas."""
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        raise BadConfig(f"{option} {text}: write whole numbers, as in 0,1,2.") from None
