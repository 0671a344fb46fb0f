"""`xtalgraph tune`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from xtalgraph.cli.options import (
    DEFAULT_SPLIT,
    Data,
    Settings,
    Split,
    Study,
    default,
    result_folder,
)
from xtalgraph.cli.output import print_table, say


def tune(
    data: Data,
    /,
    *,
    trials: int = 20,
    minutes: Annotated[float | None, default("no limit")] = None,
    space: Annotated[Path | None, default("a space for the network of the settings")] = None,
    split: Split = None,
    seed: int = 0,
    out: Annotated[Path | None, result_folder("runs/DATA-TARGET-tune")] = None,
    study: Study,
    settings: Settings = Settings(),
) -> int:
    """Search for better settings on the validation set, and write best.toml for `train`.

    Needs the extra `tune` (Optuna). The test set is never used. If interrupted, rerun the command
    to resume.

    Parameters
    ----------
    trials: int
        Number of trials in all, those of earlier calls included.
    minutes: float
        Stop after so many minutes, at the end of an epoch.
    space: Path
        TOML file of what is searched, under [graph], [model] and [train]: a list is a choice, as in
        pooling = ["mean", "max"], and { low = 1e-3, high = 2e-2, log = true } a range.
    seed: int
        Random seed of the search.

    Examples
    --------
    xtalgraph tune my_data.csv --target band_gap --trials 50
    """
    from xtalgraph.studies import read_space, tune as run
    from xtalgraph.studies.results import BEST

    chosen = settings.choose()
    searched = None if space is None else read_space(space)
    dataset, out = study.load_inputs(data, out, "tune")
    result = run(
        dataset,
        study.names,
        out=out,
        task=study.choose_task(dataset),
        config=chosen,
        split=split or DEFAULT_SPLIT,
        space=searched,
        n_trials=trials,
        minutes=minutes,
        seed=seed,
        on_trial=_say_trial,
    )
    print_table(
        result.trials if study.json else result.trials.sort_values("score"), as_json=study.json
    )
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
