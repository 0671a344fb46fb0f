"""`xtalgraph explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from xtalgraph.cli.output import print_lines, report_rejected, say
from xtalgraph.cli.usage_error import UsageError
from xtalgraph.errors import Rejected

MOST_ROWS = 60  # sites that are printed one by one; of more, the means of elements are


def explain(
    model: str,
    /,
    *inputs: str,
    out: Path,
    target: str | None = None,
    pictures: Annotated[int, Parameter(validator=Number(gte=0))] = 12,
    skip_bad: Annotated[bool, Parameter(negative=())] = False,
    device: str = "cpu",
    threads: Annotated[int, Parameter(validator=Number(gte=1))] = 1,
) -> int:
    """Say which site, and which element at which site, carries a prediction.

    A model with a linear head (--set model.n_hidden=0 when it was trained) gives exact
    contributions; for any other head they are integrated gradients, which needs the extra
    `explain` (captum). In both cases they add up to the prediction.

    Parameters
    ----------
    model: str
        A run folder or a model file.
    inputs: str
        Structure files, folders, globs or tables; no targets are needed.
    out: Path
        Folder for contributions.csv, .cif and .extxyz, crystals.csv, elements.csv, figures and
        report.html; what was left out is listed in OUT.rejected.csv.
    target: str
        The target that is explained, or the class; the first target or the last class where it is
        not given.
    pictures: int
        How many crystals are drawn: the first ones.
    skip_bad: bool
        Bad crystals are reported, and no failure.
    device: str
        Where the network runs: cpu, cuda, mps.
    threads: int
        Processor threads.
    """
    if not inputs:
        raise UsageError("nothing to explain. Name structure files, folders, globs or tables.")
    import torch

    from xtalgraph.data import read_dataset
    from xtalgraph.interpretation import explain as work
    from xtalgraph.prediction import load_model

    torch.set_num_threads(threads)
    predictor = load_model(model, device=device)
    rejected: list[Rejected] = []
    dataset = read_dataset(list(inputs) if len(inputs) > 1 else inputs[0], rejected=rejected)
    found = work(predictor, dataset, out, target=target, n_pictures=pictures, rejected=rejected)
    report_rejected(rejected, out)
    table = found.sites if len(found.sites) <= MOST_ROWS else found.elements
    print_lines(table.to_string(index=False).split("\n"))
    say(f"{len(found.crystals)} crystals explained ({found.contributions.method}): {found.page}")
    return 1 if rejected and not skip_bad else 0
