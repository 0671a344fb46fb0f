"""`xtalgraph check`."""

from __future__ import annotations

from typing import Annotated, Any

from xtalgraph.cli.options import DEFAULT_SPLIT, Data, Json, Match, Settings, Split, Task, default
from xtalgraph.cli.output import print_json, print_lines


def check(
    data: Data,
    /,
    *,
    target: Annotated[str | None, default("all numeric columns")] = None,
    task: Task = None,
    split: Split = None,
    match: Match = "exact",
    rule: Annotated[str | None, default("shell")] = None,
    n_neighbours: Annotated[int | None, default("12")] = None,
    cutoff: Annotated[float | None, default("8.0")] = None,
    settings: Settings = Settings(),
    json: Json = False,
) -> int:
    """Check a data set before training, and report what would fail.

    Task, labels, classes and split are judged as `train` judges them, with the same settings.

    The report has counts, elements, sizes, duplicates, broken and isolated crystals, neighbours at
    equal distance at the end of the neighbour list, and statistics and outliers of the targets. The
    exit status is 1 if training would fail.

    Parameters
    ----------
    target: str
        Comma-separated names of the columns to learn.
    rule: str
        Neighbour rule: shell, nearest or radius.
    n_neighbours: int
        Number of neighbours of the rule.
    cutoff: float
        Longest edge in Å.

    Examples
    --------
    xtalgraph check my_data.csv --target band_gap
    """
    from xtalgraph.data import check_dataset
    from xtalgraph.graphs import GraphConfig, nearest_distances

    given: dict[str, Any] = {"rule": rule, "n_neighbours": n_neighbours, "cutoff": cutoff}
    given = {name: value for name, value in given.items() if value is not None}
    more: dict[str, Any] = {}
    if settings == Settings():  # which is told without what trains
        graph = GraphConfig(**given)
    else:
        from xtalgraph.nn import NETWORKS

        config = settings.choose([f"graph.{name}={value}" for name, value in given.items()])
        graph = config.graph
        network = NETWORKS[config.model_kind].build(config.model, 1)
        more = {"known_elements": network.known_elements, "seed": config.train.split_seed}
    report = check_dataset(
        data,
        target=target,
        task=task,
        split=split or DEFAULT_SPLIT,
        match=match,
        nearest_distances=lambda store, k: nearest_distances(store, k, graph.cutoff),
        n_neighbours=graph.n_neighbours,
        rule=graph.rule,
        **more,
    )
    if json:
        print_json(report.to_dict())
    else:
        print_lines(report.lines())
    return 0 if report.ok else 1
