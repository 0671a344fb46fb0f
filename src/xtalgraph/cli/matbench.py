"""`xtalgraph matbench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from xtalgraph.cli.compare import say_result
from xtalgraph.cli.output import print_json, print_lines, say
from xtalgraph.cli.train import Settings, choose_config


def matbench(
    task: str,
    /,
    *,
    data: str | None = None,
    target: str | None = None,
    model: str | None = None,
    preset: str = "default",
    config: Path | None = None,
    set: Settings = None,
    seed: int = 0,
    jobs: int = 1,
    out: Path | None = None,
    folder: Path = Path("data"),
    json: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Run a task of the leaderboard on its five folds, and write its file of predictions.

    If interrupted, rerun the command to resume. The file is results.json.gz, beside a page.

    Parameters
    ----------
    task: str
        As log_gvrh, mp_gap or perovskites, with or without matbench_ before it.
    data: str
        A task file or table that is here already, in the published order; fetched where not given.
    target: str
        The column to learn, where the task is not one of matbench's own.
    model: str
        A network or a baseline; the network of the settings where not given.
    preset: str
        default or paper: settings of the network.
    config: Path
        TOML file with settings of the network.
    set: list[str]
        One setting, as in --set train.epochs=300; may be given again.
    seed: int
        Of the validation parts and of baselines.
    jobs: int
        Folds at a time, each with one thread.
    out: Path
        Folder of the results; runs/matbench_TASK-MODEL where not given.
    folder: Path
        Where the task is fetched to.
    json: bool
        Print the scores for a program.
    """
    from xtalgraph.data import fetch_dataset, read_dataset
    from xtalgraph.studies import matbench as run
    from xtalgraph.studies.leaderboard import official_name

    name = official_name(task)
    settings = choose_config(preset, config, set or [])
    dataset = read_dataset(fetch_dataset(name, folder) if data is None else data)
    result = run(
        name,
        dataset,
        out=out or Path("runs") / f"{name}-{model or settings.model_kind}",
        model=model,
        target=target,
        config=settings,
        seed=seed,
        jobs=jobs,
        on_trial=say_result,
    )
    if json:
        print_json(result.validation.summary().to_dict(orient="records"))
    else:
        print_lines(result.validation.summary().to_string(index=False).split("\n"))
    say(*result.notes, f"page: {result.file.parent / 'report.html'}")
    print_lines([str(result.file)])
    return 0
