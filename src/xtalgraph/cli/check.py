"""`xtalgraph check`."""

from __future__ import annotations

from typing import Annotated

from xtalgraph.cli.options import DEFAULT_SPLIT, Data, Json, Split, Task, default
from xtalgraph.cli.output import print_json, print_lines


def check(
    data: Data,
    /,
    *,
    target: Annotated[str | None, default("all numeric columns")] = None,
    task: Task = None,
    split: Split = None,
    rule: str = "shell",
    n_neighbours: int = 12,
    cutoff: float = 8.0,
    json: Json = False,
) -> int:
    """Check a data set before training, and report what would fail.

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

    graph = GraphConfig(rule=rule, n_neighbours=n_neighbours, cutoff=cutoff)
    report = check_dataset(
        data,
        target=target,
        task=task,
        split=split or DEFAULT_SPLIT,
        nearest_distances=lambda store, k: nearest_distances(store, k, graph.cutoff),
        n_neighbours=graph.n_neighbours,
        rule=graph.rule,
    )
    if json:
        print_json(report.to_dict())
    else:
        print_lines(report.lines())
    return 0 if report.ok else 1
