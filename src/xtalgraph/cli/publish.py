"""`xtalgraph publish`."""

from __future__ import annotations

from pathlib import Path

from xtalgraph.cli.output import print_lines


def publish(folder: Path, /, *, to: str) -> None:
    """Put a packed ensemble on the Hugging Face hub, its card as the page.

    Needs the extra `hub` and a login with the right to write (hf auth login). Only safetensors,
    JSON, Markdown and PNG are sent.

    Parameters
    ----------
    folder: Path
        The folder of an ensemble, as xtalgraph ensemble leaves it.
    to: str
        OWNER/NAME on the hub; xtalgraph predict hf:OWNER/NAME then takes it from there.
    """
    from xtalgraph.prediction.catalogue import publish_model

    print_lines([publish_model(folder, to)])
