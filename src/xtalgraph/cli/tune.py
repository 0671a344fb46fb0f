"""`xtalgraph tune`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from xtalgraph.cli.opening import load_inputs
from xtalgraph.cli.output import print_json, print_lines, say
from xtalgraph.cli.train import Settings, choose_config


def tune(
    data: str,
    /,
    *,
    target: str,
    trials: int = 20,
    minutes: float | None = None,
    space: Path | None = None,
    task: str | None = None,
    split: str = "0.6,0.2,0.2",
    preset: str = "default",
    config: Path | None = None,
    set: Settings = None,
    seed: int = 0,
    out: Path | None = None,
    skip_bad: Annotated[bool, Parameter(negative=())] = False,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Search for better settings on the validation part, and write best.toml for `train`.

    Needs the extra `tune` (Optuna). The test part is never looked at. Called again with the same
    --out it goes on, also after it was killed.

    Parameters
    ----------
    data: str
        A folder, a table, or `mp-sample` for the embedded data set.
    target: str
        The column to learn; several, separated by commas, are learned together.
    trials: int
        How many in all, with those of earlier calls.
    minutes: float
        Stop after so long, at the end of an epoch.
    space: Path
        TOML file of what is searched: a list is a choice, as in pooling = ["mean", "max"], and
        { low = 1e-3, high = 2e-2, log = true } a range, under [graph], [model] and [train].
    task: str
        regression or classification; by itself, columns of numbers are regressed.
    split: str
        As `train` takes it.
    preset: str
        default or paper: what is not searched.
    config: Path
        TOML file with what is not searched.
    set: list[str]
        One setting, as in --set train.epochs=30; may be given again.
    seed: int
        Of the search.
    out: Path
        Folder of the trials, best.toml and the page; runs/DATA-TARGET-tune where not given.
    skip_bad: bool
        Leave out crystals that cannot be read, and list them.
    json: bool
        Print the trials for a program.
    """
    from xtalgraph.evaluation.labels import guess_task
    from xtalgraph.studies.search_space import read_space
    from xtalgraph.studies.tuning import tune as run
    from xtalgraph.studies.tuning_result import BEST

    chosen = choose_config(preset, config, set or [])
    searched = None if space is None else read_space(space)
    dataset, names, out = load_inputs(data, target, skip_bad, out, "tune")
    result = run(
        dataset,
        names,
        out=out,
        task=task or guess_task(dataset, names),
        config=chosen,
        split=split,
        space=searched,
        n_trials=trials,
        minutes=minutes,
        seed=seed,
        on_trial=_say_trial,
    )
    if json:
        print_json(result.trials.to_dict(orient="records"))
    else:
        print_lines(result.trials.sort_values("score").to_string(index=False).split("\n"))
    say(f"best settings: {out / BEST}", f"report: {out / 'report.html'}")
    return 0


def _say_trial(row: Mapping[str, object], n_done: int, n_all: int) -> None:
    named = {name: value for name, value in row.items() if "." in name}
    settings = [
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in named.items()
    ]
    score = f" {row['score']:.4g}" if row["state"] != "fail" else f": {row['error']}"
    say(f"{n_done}/{n_all}  {' '.join(settings)}: {row['state']}{score}")
