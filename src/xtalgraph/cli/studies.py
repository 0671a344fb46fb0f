"""`xtalgraph compare`, `learning-curve`, `cross-validate`, `tune` and `matbench`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from xtalgraph.cli.options import (
    DEFAULT_SPLIT,
    Data,
    FoldJobs,
    Json,
    Runs,
    Settings,
    Split,
    Study,
    default,
    read_numbers,
    result_folder,
    split_words,
)
from xtalgraph.cli.output import print_lines, print_table, say
from xtalgraph.errors import BadConfig

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
