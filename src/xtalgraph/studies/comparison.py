"""Which setting is better: a grid of settings and seeds on one split, in one table and page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from xtalgraph.data import Dataset, Split
from xtalgraph.data.splits import DEFAULT_SPLIT
from xtalgraph.studies.comparison_page import write_comparison_page
from xtalgraph.studies.comparison_result import Comparison
from xtalgraph.studies.grid import label_settings, make_grid, read_variations
from xtalgraph.studies.trial_tables import (
    score_baselines,
    summarise_seeds,
    tabulate_outcomes,
)
from xtalgraph.studies.trials import OnPoint, run_points
from xtalgraph.training import RunConfig, preset
from xtalgraph.training.problem import pose_problem
from xtalgraph.training.run import GIVEN_SPLIT


def compare(
    dataset: Dataset,
    targets: str | Sequence[str],
    vary: Sequence[str] | Mapping[str, Sequence[str]],
    *,
    out: str | Path,
    task: str = "regression",
    config: RunConfig | None = None,
    split: str | Split = DEFAULT_SPLIT,
    seeds: Sequence[int] = (0,),
    jobs: int = 1,
    baselines: Sequence[str] | None = None,
    on_point: OnPoint | None = None,
) -> Comparison:
    """Train with every combination of settings and every seed, and leave a table and a page.

    `vary` has the values of each setting, as `model.pooling=mean,max`; what it does not name is
    that of `config`. All runs have one split (`train.split_seed`), so that they compare. Each is an
    ordinary run folder under `out/runs`: finished ones are not run again, broken-off ones are
    resumed, and a larger grid in the same folder keeps the runs that it has. A point that fails is
    in the table with its reason. `jobs` runs go on at a time, each with one thread.
    """
    if not isinstance(vary, Mapping):
        vary = read_variations(vary)
    config = config or preset("default")
    folder = Path(out)
    problem = pose_problem(dataset, targets, task, split, config.train.split_seed)
    points = make_grid(vary, seeds, config, problem)
    stated = score_baselines(problem, baselines)
    outcomes = run_points(points, folder, jobs=jobs, on_point=on_point)
    runs = tabulate_outcomes(outcomes)
    settings = tuple(label_settings(vary).values())
    summary = summarise_seeds(runs, settings)
    result = Comparison(problem, folder, settings, tuple(outcomes), runs, summary, stated)
    spec = split if isinstance(split, str) else GIVEN_SPLIT
    options: dict[str, object] = {
        "vary": [f"{name}={','.join(values)}" for name, values in vary.items()],
        "seeds": ",".join(map(str, seeds)),
        "split": spec,
    }
    write_comparison_page(result, config, options)
    return result
