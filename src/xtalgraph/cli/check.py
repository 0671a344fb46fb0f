"""`xtalgraph check`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from xtalgraph.cli.output import print_json, print_lines


def check(
    data: str,
    /,
    *,
    target: str | None = None,
    task: str | None = None,
    split: str = "0.6,0.2,0.2",
    rule: str = "shell",
    n_neighbours: int = 12,
    cutoff: float = 8.0,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Look a data set over before training, and say what would fail.

    Counts, elements, sizes, duplicates, broken and isolated crystals, ties at the last neighbour,
    and the statistics and outliers of the targets. The exit status is 1 if training would fail.

    Parameters
    ----------
    data: str
        A folder, a table, structure files, a glob, or `mp-sample` for the embedded data set.
    target: str
        The column or columns to learn, separated by commas; all numeric ones where not given.
    task: str
        regression or classification; follows from the column where not given.
    split: str
        How the data would be split.
    rule: str
        Neighbour rule: shell, nearest or radius.
    n_neighbours: int
        Number of neighbours of the rule.
    cutoff: float
        Longest edge in Å.
    json: bool
        Print the report for a program.
    """
    from xtalgraph.data import check_dataset
    from xtalgraph.graphs import GraphConfig, nearest_distances

    graph = GraphConfig(rule=rule, n_neighbours=n_neighbours, cutoff=cutoff)
    report = check_dataset(
        data,
        target=target,
        task=task,
        split=split,
        nearest_distances=lambda store, k: nearest_distances(store, k, graph.cutoff),
        n_neighbours=graph.n_neighbours,
        rule=graph.rule,
    )
    if json:
        print_json(report.to_dict())
    else:
        print_lines(report.lines())
    return 0 if report.ok else 1
