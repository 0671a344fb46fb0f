"""`xtalgraph ensemble`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from xtalgraph.cli.output import print_lines, say
from xtalgraph.cli.usage_error import UsageError


def ensemble(
    *runs: Path,
    out: Path,
    data: str | None = None,
    coverage: Annotated[float, Parameter(validator=Number(gt=0, lt=1))] = 0.9,
    baselines: str | None = None,
    card_notes: Path | None = None,
    target: str | None = None,
    members: Path | None = None,
    weights: Literal["float16", "int8"] = "float16",
) -> None:
    """Pack finished runs into one calibrated model with its card.

    The runs share data, split and task, and differ in their seeds or settings; one alone will do.
    Uncertainty and domain are calibrated on the validation part of that split, and judged once on
    its test part. The folder holds the networks (16 or 8 bits a weight), ensemble.json,
    card.md and its figure, and is predicted with as a run folder is.

    Parameters
    ----------
    runs: Path
        Folders of finished runs.
    out: Path
        Folder for the ensemble; its name is what the card calls it.
    data: str
        The data set, where it is no longer where the runs read it.
    coverage: float
        Fraction of unseen crystals whose true value the intervals hold.
    baselines: str
        Models to compare with on the card, by name, separated by commas; the trivial ones where
        not given (xtalgraph cross-validate has the names).
    card_notes: Path
        Markdown for the end of the card: licence and citation of the data, known failures.
    target: str
        Of runs that learned several targets, the one to pack; several, separated by commas; all
        where not given.
    members: Path
        Folder for the networks, which ensembles of other targets of the same runs may share; OUT
        where not given.
    weights: str
        How they are stored: float16, or int8, half of that again.
    """
    if not runs:
        raise UsageError("no run is named. Give the folders of finished runs.")
    from xtalgraph.data import read_dataset
    from xtalgraph.evaluation.packing import pack_ensemble

    names = None if baselines is None else tuple(name.strip() for name in baselines.split(","))
    notes = "" if card_notes is None else card_notes.read_text(encoding="utf-8")
    dataset = None if data is None else read_dataset(data)
    packed = pack_ensemble(
        runs,
        out,
        dataset=dataset,
        coverage=coverage,
        baselines=names,
        notes=notes,
        targets=() if target is None else [name.strip() for name in target.split(",")],
        members=members,
        weights=weights,
    )
    print_lines(
        f"{row['target']}: {100 * row['observed']:.1f} % of the test crystals within what is "
        f"stated for {100 * row['stated']:g} %"
        for row in packed.facts["intervals"]
    )
    say(f"{len(packed.members)} networks: {out}", f"card: {out / 'card.md'}")
