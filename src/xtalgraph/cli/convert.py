"""`xtalgraph convert`."""

from __future__ import annotations

from pathlib import Path

from xtalgraph.cli.output import say
from xtalgraph.errors import BadConfig


def convert(model: Path, /, *, out: Path) -> int:
    """Write a checkpoint of the 2018 code (.pth.tar) in our format.

    What it predicts and in which unit follows from the names of the files shipped in 2018, as in
    band-gap.pth.tar; any other predicts `target`, without a unit. No code in the file is run.

    Parameters
    ----------
    model: Path
        A .pth.tar that the 2018 code shipped or wrote.
    out: Path
        Folder for model.json and model.safetensors; it must not hold a model.
    """
    from xtalgraph.nn import read_model, save_model
    from xtalgraph.nn.saved import DESCRIPTION

    if (out / DESCRIPTION).exists():
        raise BadConfig(f"--out {out}: it holds a model already. Choose another folder.")
    saved = read_model(model)
    save_model(saved, out)
    say(f"{saved.task.kind} of {saved.task.targets[0].column}: {out}")
    return 0
