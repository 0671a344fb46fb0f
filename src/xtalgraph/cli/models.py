"""`xtalgraph models`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from xtalgraph.cli.output import print_json, print_lines


def models(
    name: str | None = None, /, *, json: Annotated[bool, Parameter(negative=())] = False
) -> None:
    """List the models that come with the package, or show the card of one.

    The list has names, what is predicted in which unit, the error on crystals that the model has
    not seen, the number of networks and the size. `xtalgraph predict NAME FILES` predicts with one.

    Parameters
    ----------
    name: str
        Show the card of this one: data, licence, split, errors beside baselines, elements, how it
        was trained.
    json: bool
        Print the list for a program.
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
    lines = [["name", "predicts", "error on unseen crystals", "networks", "size"]]
    lines += [
        [row["name"], row["predicts"], row["error"], str(row["networks"]), f"{row['mb']:.1f} MB"]
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    print_lines(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
