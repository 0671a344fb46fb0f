"""`xtalgraph evaluate` scores a model; `xtalgraph explain` says what carries its predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from xtalgraph.cli.options import (
    Compute,
    Data,
    Json,
    Model,
    SkipBad,
    Structures,
    UsageError,
    choose_device,
    default,
)
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


MOST_ROWS = 60  # sites that are printed one by one; of more, the means of elements are


def explain(
    model: Model,
    /,
    *inputs: Structures,
    out: Path,
    target: Annotated[str | None, default("the first target, or the last class")] = None,
    pictures: Annotated[int, Parameter(validator=Number(gte=0))] = 12,
    skip_bad: SkipBad = False,
    compute: Compute = Compute(),
) -> int:
    """Compute how much each site, and each element at each site, contributes to a prediction.

    A model with a linear head (--set model.n_hidden=0 when it was trained) gives exact
    contributions; for any other head they are integrated gradients, which need the extra
    `explain` (captum). In both cases they add up to the prediction.

    Parameters
    ----------
    out: Path
        Folder for contributions.csv, .cif and .extxyz, crystals.csv, elements.csv, figures and
        report.html.
    target: str
        The target, or the class, that is explained.
    pictures: int
        Number of crystals that are drawn: the first ones.

    Examples
    --------
    xtalgraph explain formation-energy SrTiO3.cif --out runs/explained
    """
    if not inputs:
        raise UsageError("nothing to explain. Name structure files, folders, globs or tables.")
    import torch

    from xtalgraph.data import read_dataset
    from xtalgraph.interpretation import explain as work
    from xtalgraph.prediction import load_model
    from xtalgraph.threads import count_cores

    torch.set_num_threads(compute.threads or count_cores())
    predictor = load_model(model, device=choose_device(compute.device))
    rejected: list[Rejected] = []
    dataset = read_dataset(list(inputs) if len(inputs) > 1 else inputs[0], rejected=rejected)
    found = work(predictor, dataset, out, target=target, n_pictures=pictures, rejected=rejected)
    report_rejected(rejected, out)
    print_table(found.sites if len(found.sites) <= MOST_ROWS else found.elements)
    say(f"{len(found.crystals)} crystals explained ({found.contributions.method}): {found.page}")
    return 1 if rejected and not skip_bad else 0
