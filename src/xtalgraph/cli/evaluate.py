"""`xtalgraph evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from xtalgraph.cli.output import (
    print_json,
    print_lines,
    refuse_table,
    report_rejected,
    say,
    write_table,
)
from xtalgraph.errors import Rejected


def evaluate(
    model: str,
    data: str,
    /,
    *,
    split: str = "test",
    out: Path | None = None,
    skip_bad: Annotated[bool, Parameter(negative=())] = False,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Score a trained model on labelled data, beside trivial baselines on the same crystals.

    Parameters
    ----------
    model: str
        A run folder or a model file.
    data: str
        The labelled data set.
    split: str
        Part of the run's own split to score: test, validation or train; or all.
    out: Path
        File for a table of true and predicted values (.csv, .parquet or .json).
    skip_bad: bool
        Leave out crystals that cannot be read or predicted, and list them.
    json: bool
        Print the scores for a program.
    """
    refuse_table(out)
    from xtalgraph.data import read_dataset
    from xtalgraph.evaluation import evaluate as score

    rejected: list[Rejected] | None = [] if skip_bad else None
    dataset = read_dataset(data, rejected=rejected)
    result = score(model, dataset, part=split, rejected=rejected)
    if json:
        print_json(result.to_json())
    else:
        print_lines(result.table().to_string(index=False).split("\n"))
    say(*result.notes)
    report_rejected(rejected or [], out)
    if out is not None:
        write_table(result.predictions, out)
        say(f"true and predicted values: {out}")
    return 0
