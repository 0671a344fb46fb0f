"""`xtalgraph compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from xtalgraph.cli.options import Data, Runs, Settings, Study, read_numbers, result_folder
from xtalgraph.cli.output import print_table, say

if TYPE_CHECKING:
    from xtalgraph.studies import TrialResult


def compare(
    data: Data,
    /,
    *,
    vary: Annotated[list[str], Parameter(name="--vary", negative=())],
    seeds: str = "0",
    out: Annotated[Path | None, result_folder("runs/DATA-TARGET-compare")] = None,
    study: Study,
    runs: Runs = Runs(),
    settings: Settings = Settings(),
) -> int:
    """Train with every combination of settings and seeds on one split, and compare the results.

    If interrupted, rerun the command to resume. The exit status is 1 if a combination failed; the
    others are still trained.

    Parameters
    ----------
    vary: list[str]
        A setting and its values, as in --vary model.convolution=none,shared,gated. Given several
        times, all combinations are trained.
    seeds: str
        Comma-separated random seeds; each combination is trained with each of them.

    Examples
    --------
    xtalgraph compare my_data.csv --target band_gap --vary model.pooling=mean,max
    """
    from xtalgraph.studies import compare as run

    chosen, numbers = settings.choose(), read_numbers(seeds, "--seeds")
    dataset, out = study.load_inputs(data, out, "compare")
    result = run(
        dataset,
        study.names,
        vary,
        out=out,
        task=study.choose_task(dataset),
        config=chosen,
        split=runs.given_split,
        seeds=numbers,
        jobs=runs.jobs,
        baselines=runs.baseline_names,
        on_trial=say_result,
    )
    print_table(result.summary, as_json=study.json)
    say(f"report: {out / 'report.html'}")
    return 1 if result.n_failed else 0


def say_result(result: TrialResult, n_done: int, n_all: int) -> None:
    """Write one line about a trial that is done."""
    words = " ".join(f"{name}={value}" for name, value in result.trial.labels.items())
    if result.metrics is None:
        say(f"{n_done}/{n_all}  {words}: failed: {result.error}")
        return
    scores = [
        f"{part} {scores.get('mean_absolute_error', scores.get('accuracy', float('nan'))):.4g} "
        f"{scores.get('unit', '')}".strip()
        for part in ("validation", "test")
        for scores in result.metrics.get(part, {}).values()
    ]
    say(f"{n_done}/{n_all}  {words}: {', '.join(scores)} ({result.metrics['seconds']:.0f} s)")
