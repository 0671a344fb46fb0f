"""`xtalgraph predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from xtalgraph.cli.options import (
    Compute,
    Flag,
    Match,
    SkipBad,
    Structures,
    UsageError,
    choose_device,
    default,
    split_words,
)
from xtalgraph.cli.output import DomainWarning, RejectedStream, TableStream, refuse_table, say
from xtalgraph.errors import BadDataset


def predict(
    model: str,
    /,
    *inputs: Structures,
    out: Annotated[Path | None, default("CSV to stdout")] = None,
    long: Annotated[bool, Flag] = False,
    match: Match = "exact",
    skip_bad: SkipBad = False,
    model_version: Annotated[bool, Flag] = False,
    compute: Compute = Compute(),
) -> int:
    """Predict properties of crystals with a trained model, or with several at once.

    The table has the column `id`, then `<target> [unit]`; for a classification the class and a
    probability for each class. A calibrated model adds `<target> uncertainty [unit]`, half the
    width of the interval that holds the true value nine times in ten, and `domain` (in, edge, out)
    with its reason: predictions for crystals out of the model's domain are not reliable. Of several
    models the columns stand side by side, and what a model cannot take is blank. Crystals that
    cannot be read or predicted are listed with their reason, the rest is predicted, and the exit
    status is 1 unless --skip-bad is given.

    Parameters
    ----------
    model: str
        The name of a shipped model (listed by `xtalgraph models`), which NAME@VERSION pins to a
        release, a run folder, an ensemble, a model file, or hf:OWNER/NAME; several,
        comma-separated, or all for all shipped models.
    out: Path
        File for the table (.csv, .parquet or .json).
    long: bool
        Write a row for each crystal and property: value, ends of its interval, unit, class, domain.
    model_version: bool
        Add the column model_version, such as formation-energy@0.1.

    Examples
    --------
    xtalgraph predict formation-energy new_crystals/ --out predictions.csv
    xtalgraph predict formation-energy,band-gap crystal.cif
    xtalgraph predict all crystal.cif --long
    """
    if not inputs:
        raise UsageError("nothing to predict. Name structure files, folders, globs or tables.")
    refuse_table(out)
    from xtalgraph.data.source import open_source
    from xtalgraph.prediction import load_model, predict_source

    several = "," in model and not Path(model).exists()
    models = split_words(model) if several else model
    predictor = load_model(models, device=choose_device(compute.device))
    source = open_source(list(inputs) if len(inputs) > 1 else inputs[0], match=match)
    say(*source.remarks)
    outside = DomainWarning()
    with TableStream(out) as table, RejectedStream(out) as rejected:
        for result in predict_source(predictor, source, n_threads=compute.threads):
            table.write(result.to_columns(model_version=model_version, long=long))
            rejected.add(result.rejected)
            outside.add(result)
        if not outside.n_crystals:
            raise BadDataset(f"none of the crystals can be predicted:\n{rejected.summary()}")
    rejected.tell()
    outside.tell()
    if out is not None:
        say(f"{outside.n_crystals} crystals predicted: {out}")
    return 1 if rejected.n_rows and not skip_bad else 0
