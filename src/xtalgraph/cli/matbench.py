"""`xtalgraph matbench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from xtalgraph.cli.compare import say_result
from xtalgraph.cli.options import FoldJobs, Json, Settings, default, result_folder
from xtalgraph.cli.output import print_lines, print_table, say


def matbench(
    task: str,
    /,
    *,
    data: Annotated[str | None, default("the task is downloaded")] = None,
    target: Annotated[str | None, default("the task's own")] = None,
    model: Annotated[str | None, default("the network of the settings")] = None,
    seed: int = 0,
    jobs: FoldJobs = 1,
    out: Annotated[Path | None, result_folder("runs/matbench_TASK-MODEL")] = None,
    folder: Path = Path("data"),
    json: Json = False,
    settings: Settings = Settings(),
) -> int:
    """Run a task of the Matbench leaderboard on its five folds, and write its file of predictions.

    The file is results.json.gz, beside a page. If interrupted, rerun the command to resume.

    Parameters
    ----------
    task: str
        Such as log_gvrh, mp_gap or perovskites, with or without matbench_ before it.
    data: str
        A local file or table of the task, in the published order.
    target: str
        The column to learn, where the task is not one of Matbench's own.
    model: str
        A network or a baseline.
    seed: int
        Random seed of the validation sets and of baselines.
    folder: Path
        Where the task is downloaded to.

    Examples
    --------
    xtalgraph matbench mp_gap --model composition_forest
    """
    from xtalgraph.data import fetch_dataset, read_dataset
    from xtalgraph.studies import matbench as run
    from xtalgraph.studies.leaderboard import official_name

    name, chosen = official_name(task), settings.choose()
    dataset = read_dataset(fetch_dataset(name, folder) if data is None else data)
    result = run(
        name,
        dataset,
        out=out or Path("runs") / f"{name}-{model or chosen.model_kind}",
        model=model,
        target=target,
        config=chosen,
        seed=seed,
        jobs=jobs,
        on_trial=say_result,
    )
    print_table(result.validation.summary(), as_json=json)
    say(*result.notes, f"page: {result.file.parent / 'report.html'}")
    print_lines([str(result.file)])
    return 0
