"""`xtalgraph evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from xtalgraph.cli.options import Data, Json, Model, SkipBad, default
from xtalgraph.cli.output import (
    TableStream,
    print_json,
    print_table,
    refuse_table,
    report_rejected,
    say,
)
from xtalgraph.errors import Rejected


def evaluate(
    model: Model,
    data: Data,
    /,
    *,
    split: str = "test",
    out: Annotated[Path | None, default("no table")] = None,
    skip_bad: SkipBad = False,
    json: Json = False,
) -> int:
    """Score a trained model on labelled data, next to trivial baselines on the same crystals.

    Parameters
    ----------
    split: str
        Part of the run's own split to score: test, validation or train; or all.
    out: Path
        File for a table of true and predicted values (.csv, .parquet or .json).

    Examples
    --------
    xtalgraph evaluate runs/gap my_data.csv --out true_and_predicted.csv
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
        print_table(result.table())
    say(*result.notes)
    report_rejected(rejected or [], out)
    if out is not None:
        with TableStream(out) as table:
            table.write({str(name): cells.to_numpy() for name, cells in result.predictions.items()})
        say(f"true and predicted values: {out}")
    return 0
