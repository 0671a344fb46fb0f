"""`xtalgraph learning-curve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from xtalgraph.cli.compare import say_result
from xtalgraph.cli.options import (
    Data,
    Runs,
    Settings,
    Study,
    read_numbers,
    result_folder,
    split_words,
)
from xtalgraph.cli.output import print_table, say


def learning_curve(
    data: Data,
    /,
    *,
    sizes: str,
    seeds: str = "0,1,2",
    convolutions: str = "shared,gated",
    epoch_factor: float = 4.0,
    out: Annotated[Path | None, result_folder("runs/DATA-TARGET-curve")] = None,
    study: Study,
    runs: Runs = Runs(),
    settings: Settings = Settings(),
) -> int:
    """Train on more and more crystals, and plot the test error against their number.

    Without --baselines, the error of composition_forest and of a trivial baseline is plotted too.
    If interrupted, rerun the command to resume. The exit status is 1 if a run failed; the others
    are still trained.

    Parameters
    ----------
    sizes: str
        Comma-separated numbers of training crystals, as in 100,300,1000,3000. Smaller training
        sets are subsets of larger ones; validation and test set are the same for all.
    seeds: str
        Comma-separated random seeds, of the choice of training crystals and of the weights.
    convolutions: str
        One curve for each; empty for the one of the settings.
    epoch_factor: float
        Small sizes are trained for up to so many times the epochs, for as many steps as the
        largest; 1 gives all the same.

    Examples
    --------
    xtalgraph learning-curve my_data.csv --target band_gap --sizes 100,300,1000
    """
    from xtalgraph.studies import learning_curve as run

    chosen, numbers = settings.choose(), read_numbers(sizes, "--sizes")
    seed_numbers = read_numbers(seeds, "--seeds")
    dataset, out = study.load_inputs(data, out, "curve")
    result = run(
        dataset,
        study.names,
        numbers,
        out=out,
        task=study.choose_task(dataset),
        config=chosen,
        split=runs.given_split,
        seeds=seed_numbers,
        convolutions=split_words(convolutions) if convolutions else (),
        baselines=runs.baseline_names,
        epoch_factor=epoch_factor,
        jobs=runs.jobs,
        on_trial=say_result,
    )
    print_table(result.summary, as_json=study.json)
    if not study.json:
        print_table(result.slopes)
    say(f"report: {out / 'report.html'}")
    return 1 if result.n_failed else 0
