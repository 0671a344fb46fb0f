"""`xtalgraph predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from xtalgraph.cli.output import refuse_table, say
from xtalgraph.cli.quick_start import load_without_what_is_not_used
from xtalgraph.cli.streams import DomainWarning, RejectedStream, TableStream
from xtalgraph.cli.usage_error import UsageError
from xtalgraph.errors import BadDataset


def predict(
    model: str,
    /,
    *inputs: str,
    out: Path | None = None,
    skip_bad: Annotated[bool, Parameter(negative=())] = False,
    model_version: Annotated[bool, Parameter(negative=())] = False,
    device: str = "cpu",
    threads: Annotated[int, Parameter(validator=Number(gte=1))] = 1,
) -> int:
    """Predict crystals with a trained model.

    The table has the column `id`, then `<target> [unit]`; for a classification the class and a
    probability for each class. A calibrated model adds `<target> uncertainty [unit]`, half the
    width of the interval that holds the true value nine times in ten, and `domain` (in, edge, out)
    with its reason: out of its domain a model has no business answering. Crystals that cannot be
    read or predicted are listed with their reason, the rest is predicted, and the exit status is 1
    unless --skip-bad is given.

    Parameters
    ----------
    model: str
        The name of a shipped model (xtalgraph models lists them), which NAME@VERSION pins to a
        release, a run folder, an ensemble, a model file, or hf:OWNER/NAME.
    inputs: str
        Structure files, folders, globs or tables; no targets are needed.
    out: Path
        File for the table (.csv, .parquet or .json); CSV to stdout where it is not given. What was
        left out is listed in OUT.rejected.csv.
    skip_bad: bool
        Bad crystals are reported, and no failure.
    model_version: bool
        Add the column model_version, such as formation-energy@0.1.
    device: str
        Where the network runs: cpu, cuda, mps.
    threads: int
        Processor threads.
    """
    if not inputs:
        raise UsageError("nothing to predict. Name structure files, folders, globs or tables.")
    refuse_table(out)
    load_without_what_is_not_used()
    from xtalgraph.prediction import load_model, predict_source
    from xtalgraph.threads import limit_threads

    limit_threads(threads)
    predictor = load_model(model, device=device)
    source = list(inputs) if len(inputs) > 1 else inputs[0]
    outside = DomainWarning()
    with TableStream(out) as table, RejectedStream(out) as rejected:
        for result in predict_source(predictor, source, n_threads=threads):
            table.write(result.to_columns(model_version=model_version))
            rejected.add(result.rejected)
            outside.add(result.ids, result.domain or (), result.domain_reason)
        if not table.n_rows:
            raise BadDataset(f"none of the crystals can be predicted:\n{rejected.summary()}")
    rejected.tell()
    outside.tell(table.n_rows)
    if out is not None:
        say(f"{table.n_rows} crystals predicted: {out}")
    return 1 if rejected.n_rows and not skip_bad else 0
