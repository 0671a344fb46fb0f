"""`xtalgraph settings`: what `--set` and a TOML file may say."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from rich.console import Console
from rich.table import Table

from xtalgraph.cli.options import Json, default
from xtalgraph.cli.output import print_json
from xtalgraph.errors import UnknownName

if TYPE_CHECKING:
    from xtalgraph.settings import Setting

WIDE = 1000  # columns of text that is read by a program: a setting is one line


def settings(name: Annotated[str | None, default("all")] = None, /, *, json: Json = False) -> None:
    """List the settings of graph, network and training: default, legal values, meaning.

    Each can be given as --set NAME=VALUE, or in a TOML file (--config). Settings of the network are
    listed for each kind of network; --set model.kind=KIND chooses one. The baselines and the
    formats of structure files follow.

    Parameters
    ----------
    name: str
        Show only this setting, such as train.learning_rate, or this section: graph, model or train.

    Examples
    --------
    xtalgraph settings
    xtalgraph settings train.learning_rate
    """
    known = [*list_settings(), *list_names()]
    rows = [(at, row) for at, row in known if name in (None, row.name, at.split(".")[0])]
    rows = rows or [(group, row) for group, row in known if name in row.name.split(".")]
    if not rows:
        raise UnknownName("setting", str(name), dict.fromkeys(row.name for _, row in known))
    if json:
        print_json([{"section": group, **asdict(row)} for group, row in rows])
        return
    table = Table(box=None, pad_edge=False)
    for title in ("setting", "default", "legal", "meaning"):
        table.add_column(title, overflow="fold")
    for group in dict.fromkeys(group for group, _ in rows):
        table.add_section()
        if "=" in group:
            table.add_row(f"[{group}]")
        for section, row in rows:
            if section == group:
                table.add_row(row.name, row.default, row.legal, row.meaning)
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else WIDE)
    console.print(table)


def list_settings() -> list[tuple[str, Setting]]:
    """Return each setting with its section, such as `train` or `model.kind = cgcnn`."""
    from xtalgraph.graphs import GraphConfig
    from xtalgraph.nn import NETWORKS
    from xtalgraph.settings import Setting, describe_settings
    from xtalgraph.training import TrainConfig, preset

    kind = preset("default").model_kind
    rows = [("graph", row) for row in describe_settings(GraphConfig, "graph")]
    rows += [
        ("model", Setting("model.kind", f'"{kind}"', " | ".join(NETWORKS), "Kind of network."))
    ]
    for name, network in NETWORKS.items():
        described = describe_settings(network.config_class, "model")
        rows += [(f"model.kind = {name}", row) for row in described]
    return rows + [("train", row) for row in describe_settings(TrainConfig, "train")]


def list_names() -> list[tuple[str, Setting]]:
    """Return what else is chosen by name and may be extended by other packages."""
    from xtalgraph.evaluation.baselines import BASELINES
    from xtalgraph.settings import Setting
    from xtalgraph.structures import FORMATS

    return [
        (
            "--baselines",
            Setting(
                "baselines",
                "",
                " | ".join(BASELINES),
                "Models to compare with: --baselines, --models.",
            ),
        ),
        (
            "files",
            Setting("formats", "", FORMATS.describe(), "Files of structures, also with .gz."),
        ),
    ]
