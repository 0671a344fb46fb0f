"""`xtalgraph models` lists shipped models; `convert`, `ensemble`, `publish` make and share them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from xtalgraph.cli.options import Baselines, Json, UsageError, default, split_words
from xtalgraph.cli.output import print_columns, print_json, print_lines, say
from xtalgraph.errors import BadConfig


def ensemble(
    *runs: Path,
    out: Path,
    data: Annotated[str | None, default("where the runs read it")] = None,
    coverage: Annotated[float, Parameter(validator=Number(gt=0, lt=1))] = 0.9,
    baselines: Baselines = None,
    card_notes: Annotated[Path | None, default("none")] = None,
    target: Annotated[str | None, default("all that the runs learned")] = None,
    members: Annotated[Path | None, default("OUT")] = None,
    weights: Literal["float16", "int8"] = "float16",
    release: Annotated[str, default("none")] = "",
) -> None:
    """Pack finished runs into one calibrated model with its card.

    The runs share data, split and task, and differ in their seeds or settings; a single one will
    do. Uncertainty and domain are calibrated on the validation set of that split and tested once
    on its test set. The folder holds the networks, ensemble.json, card.md and its figure, and is
    used by `predict` like a run folder.

    Parameters
    ----------
    runs: Path
        Folders of finished runs.
    out: Path
        Folder for the ensemble; its name is the name of the model.
    data: str
        The data set, if it has been moved.
    coverage: float
        Fraction of unseen crystals whose true value the intervals hold.
    card_notes: Path
        Markdown for the end of the card: licence and citation of the data, known failures.
    target: str
        Comma-separated targets to pack, of runs that learned several.
    members: Path
        Folder for the networks, which ensembles of other targets of the same runs may share.
    weights: str
        How weights are stored: float16, or int8 in half the space.
    release: str
        Version of the model, such as 0.2; `predict NAME@VERSION` asks for it.

    Examples
    --------
    xtalgraph ensemble runs/gap-1 runs/gap-2 runs/gap-3 --out models/gap
    """
    if not runs:
        raise UsageError("no run is named. Give the folders of finished runs.")
    from xtalgraph.data import read_dataset
    from xtalgraph.evaluation.packing import pack_ensemble

    packed = pack_ensemble(
        runs,
        out,
        dataset=None if data is None else read_dataset(data),
        coverage=coverage,
        baselines=None if baselines is None else tuple(split_words(baselines)),
        notes="" if card_notes is None else card_notes.read_text(encoding="utf-8"),
        targets=() if target is None else split_words(target),
        members=members,
        weights=weights,
        version=release,
    )
    print_lines(
        f"{row['target']}: {100 * row['observed']:.1f} % of the test crystals are within the "
        f"{100 * row['stated']:g} % intervals"
        for row in packed.facts["intervals"]
    )
    say(f"{len(packed.members)} networks: {out}", f"card: {out / 'card.md'}")


def publish(folder: Path, /, *, to: str) -> None:
    """Upload a packed ensemble to the Hugging Face hub, with its card as the page.

    Needs the extra `hub` and a login with permission to write (hf auth login). Only safetensors,
    JSON, Markdown and PNG files are sent.

    Parameters
    ----------
    folder: Path
        The folder of an ensemble, as `xtalgraph ensemble` writes it.
    to: str
        OWNER/NAME on the hub; `xtalgraph predict hf:OWNER/NAME` then uses it from there.

    Examples
    --------
    xtalgraph publish models/gap --to my-name/gap
    """
    from xtalgraph.prediction.catalogue import publish_model

    print_lines([publish_model(folder, to)])


def models(
    name: Annotated[str | None, default("list all")] = None, /, *, json: Json = False
) -> None:
    """List the models that come with the package, or show the card of one.

    The list has names, what is predicted in which unit, the error on unseen crystals, the number of
    networks and the size. `xtalgraph predict NAME FILES` predicts with one.

    Parameters
    ----------
    name: str
        Show the card of this model: data, licence, split, errors next to baselines, elements, and
        how it was trained.

    Examples
    --------
    xtalgraph models
    xtalgraph models formation-energy
    """
    from xtalgraph.nn.resolve import CARD, find_shipped

    if name is not None:
        print_lines([(find_shipped(name) / CARD).read_text(encoding="utf-8").rstrip()])
        return
    from xtalgraph.prediction.catalogue import describe_shipped

    rows = describe_shipped()
    if json:
        print_json(rows)
        return
    header = ["name", "predicts", "error on unseen crystals", "networks", "size"]
    table = [
        [row["name"], row["predicts"], row["error"], row["networks"], f"{row['mb']:.1f} MB"]
        for row in rows
    ]
    print_columns([header, *table])


def convert(model: Path, /, *, out: Path) -> int:
    """Convert a checkpoint of the 2018 code (.pth.tar) to the format of this package.

    What it predicts and in which unit follows from the names of the files shipped in 2018, as in
    band-gap.pth.tar; any other predicts `target`, without a unit. No code in the file is run.

    Parameters
    ----------
    model: Path
        A .pth.tar file that the 2018 code shipped or wrote.
    out: Path
        Folder for model.json and model.safetensors; it must not hold a model.

    Examples
    --------
    xtalgraph convert band-gap.pth.tar --out models/gap-2018
    """
    from xtalgraph.nn import read_model, save_model
    from xtalgraph.nn.saved import DESCRIPTION

    if (out / DESCRIPTION).exists():
        raise BadConfig(f"--out {out}: it holds a model already. Choose another folder.")
    saved = read_model(model)
    save_model(saved, out)
    say(f"{saved.task.kind} of {saved.task.targets[0].column}: {out}")
    return 0
