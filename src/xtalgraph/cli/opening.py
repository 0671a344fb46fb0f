"""What the commands that train many networks do first: read the data, choose a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xtalgraph.cli.output import report_rejected

if TYPE_CHECKING:
    from xtalgraph.data import Dataset
    from xtalgraph.errors import Rejected


def load_inputs(
    data: str, target: str, skip_bad: bool, out: Path | None, ending: str
) -> tuple[Dataset, list[str], Path]:
    """Give the data set, the names of the targets, and the folder; what is left out is listed."""
    from xtalgraph.data import read_dataset

    rejected: list[Rejected] | None = [] if skip_bad else None
    dataset = read_dataset(data, rejected=rejected)
    names = target.split(",")
    out = out or Path("runs") / f"{dataset.name}-{'+'.join(names)}-{ending}"
    report_rejected(rejected or [], out)
    return dataset, names, out
