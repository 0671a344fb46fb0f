"""`xtalgraph predict`."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated

from xtalgraph.cli.options import (
    Compute,
    Flag,
    Model,
    SkipBad,
    Structures,
    UsageError,
    choose_device,
    default,
)
from xtalgraph.cli.output import DomainWarning, RejectedStream, TableStream, refuse_table, say
from xtalgraph.errors import BadDataset


def predict(
    model: Model,
    /,
    *inputs: Structures,
    out: Annotated[Path | None, default("CSV to stdout")] = None,
    skip_bad: SkipBad = False,
    model_version: Annotated[bool, Flag] = False,
    compute: Compute = Compute(),
) -> int:
    """Predict properties of crystals with a trained model.

    The table has the column `id`, then `<target> [unit]`; for a classification the class and a
    probability for each class. A calibrated model adds `<target> uncertainty [unit]`, half the
    width of the interval that holds the true value nine times in ten, and `domain` (in, edge, out)
    with its reason: predictions for crystals out of the model's domain are not reliable. Crystals
    that cannot be read or predicted are listed with their reason, the rest is predicted, and the
    exit status is 1 unless --skip-bad is given.

    Parameters
    ----------
    out: Path
        File for the table (.csv, .parquet or .json).
    model_version: bool
        Add the column model_version, such as formation-energy@0.1.

    Examples
    --------
    xtalgraph predict formation-energy new_crystals/ --out predictions.csv
    """
    if not inputs:
        raise UsageError("nothing to predict. Name structure files, folders, globs or tables.")
    refuse_table(out)
    load_without_what_is_not_used()
    from xtalgraph.prediction import load_model, predict_source
    from xtalgraph.threads import limit_threads

    limit_threads(compute.threads)
    predictor = load_model(model, device=choose_device(compute.device))
    source = list(inputs) if len(inputs) > 1 else inputs[0]
    outside = DomainWarning()
    with TableStream(out) as table, RejectedStream(out) as rejected:
        for result in predict_source(predictor, source, n_threads=compute.threads):
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


def load_without_what_is_not_used() -> None:
    """Load jaxtyping without `unittest.mock`.

    It needs it, and with it asyncio, for an import hook of tests. Only a process of our own may do
    so: in another one, somebody's test may need it. Whoever imports it later gets it whole.
    """
    mock = ModuleType("unittest.mock")
    mock.patch = None  # type: ignore[attr-defined]
    _load_while_hidden("jaxtyping", "unittest.mock", mock)


def _load_while_hidden(wanted: str, hidden: str, instead: ModuleType | None) -> None:
    if wanted in sys.modules or hidden in sys.modules:
        return
    sys.modules[hidden] = instead  # type: ignore[assignment]  # None: as if it were not there
    try:
        import_module(wanted)
    finally:
        del sys.modules[hidden]
