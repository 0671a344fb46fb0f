"""`xtalgraph models` lists the shipped models; `xtalgraph convert` converts those of 2018."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from xtalgraph.cli.options import Json, default
from xtalgraph.cli.output import print_columns, print_json, print_lines, say
from xtalgraph.errors import BadConfig


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
