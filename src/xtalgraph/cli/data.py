"""`xtalgraph data`: public data sets, and the embedded one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from xtalgraph.cli.output import print_lines, report_rejected, say
from xtalgraph.cli.usage_error import UsageError
from xtalgraph.errors import BadConfig, Rejected

app = App(name="data", help="Public data sets, and the embedded one.")


@app.command(name="list")
def list_sets() -> None:
    """List the data sets that can be fetched or made."""
    from xtalgraph.data import EMBEDDED, PUBLIC_SETS

    width = max(map(len, PUBLIC_SETS))
    print_lines(
        [f"{EMBEDDED:{width}}  embedded: 1,700 perovskites and other oxides, DFT, no download"]
    )
    print_lines(f"{name:{width}}  {public.title}" for name, public in PUBLIC_SETS.items())


@app.command
def info(name: str, /) -> None:
    """Show what a public data set is: size, targets, licence, citation, address.

    Parameters
    ----------
    name: str
        A name of `data list`.
    """
    from xtalgraph.data import find_public_set

    public = find_public_set(name)
    rows = f"{public.n_rows:,} crystals" if public.n_rows else "as many crystals as the query gives"
    targets = ", ".join(target.column for target in public.columns.values())
    print_lines(
        [
            f"{public.name}: {public.title}",
            public.description,
            f"size: {rows}",
            f"columns: {targets}",
            *(f"file: {file.url} ({file.checksum})" for file in public.files),
            f"homepage: {public.homepage}",
            f"licence: {public.licence}",
            f"cite: {public.citation}",
            *([public.note] if public.note else []),
        ]
    )


@app.command
def fetch(
    name: str,
    /,
    *,
    out: Path = Path("data"),
    mirror: str | None = None,
    columns: str = "formation_energy_per_atom,band_gap",
    criteria: str | None = None,
    skip_bad: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Download a public data set, checked and resumable, as a table that `train` takes.

    Parameters
    ----------
    name: str
        A name of `data list`.
    out: Path
        Folder to write to.
    mirror: str
        OLD=NEW: addresses that begin with OLD are fetched from NEW.
    columns: str
        For materials_project: the properties to ask for.
    criteria: str
        For materials_project: JSON with the criteria of its search, as in
        '{"elements": ["Sr", "O"], "num_elements": 3}'. The key is read from MP_API_KEY.
    skip_bad: bool
        Leave out rows that make no crystal, and list them.
    """
    from xtalgraph.data import fetch_dataset, fetch_materials_project

    rejected: list[Rejected] | None = [] if skip_bad else None
    if name == "materials_project":
        path = out / "materials_project.parquet"
        query = read_criteria(criteria)
        path = fetch_materials_project(path, columns.split(","), query, rejected=rejected)
        report_rejected(rejected or [], path)
        print_lines([str(path)])
        return 0
    mirrors = {}
    if mirror is not None:
        old, equals, new = mirror.partition("=")
        if not equals:
            raise BadConfig(f"--mirror {mirror}: write OLD=NEW, two beginnings of addresses.")
        mirrors[old] = new
    with _download_bar() as show:
        path = fetch_dataset(name, out, mirrors=mirrors, progress=show, rejected=rejected)
    report_rejected(rejected or [], path)
    print_lines([str(path)])
    return 0


def read_criteria(text: str | None) -> dict[str, Any]:
    """Read the criteria of a query from JSON."""
    try:
        criteria = json.loads(text or "{}")
    except ValueError as error:
        raise BadConfig(f"--criteria: not JSON ({error}).") from None
    if not isinstance(criteria, dict):
        raise BadConfig('--criteria: write a JSON object, as in {"elements": ["Sr", "O"]}.')
    return criteria


@app.command
def make(
    name: str = "mp-sample",
    /,
    *,
    out: Path,
    target: str | None = None,
) -> None:
    """Write the embedded data set as a folder of CIFs with id_prop.csv, or as one parquet file.

    Parameters
    ----------
    name: str
        mp-sample: perovskites and other oxides of the Materials Project.
    out: Path
        A folder, or a file that ends in .parquet.
    target: str
        Only this column; all where not given.
    """
    from xtalgraph.data import EMBEDDED, make_dataset_folder, read_sample_dataset, write_parquet
    from xtalgraph.data.sources import TABLE_SUFFIXES
    from xtalgraph.errors import UnknownName

    if name != EMBEDDED:
        raise UnknownName("embedded data set", name, [EMBEDDED])
    if out.suffix != ".parquet" and out.suffix in TABLE_SUFFIXES:
        raise BadConfig(f"--out {out}: give a folder, or a file that ends in .parquet.")
    dataset = read_sample_dataset()
    if out.suffix == ".parquet":
        path = write_parquet(dataset, out)
    else:
        path = make_dataset_folder(dataset, out, target)
    say(f"{len(dataset)} crystals of the {dataset.source}:")
    print_lines([str(path)])


@app.command
def distances(
    data: str,
    /,
    *,
    out: Path,
    target: str = "space_group",
    n_distances: int = 64,
    cutoff: float = 8.0,
    skip_bad: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Write a CSV of id, space group and shortest distances (Å), for the distance classifier.

    Parameters
    ----------
    data: str
        A folder, a table, or `mp-sample`.
    out: Path
        The CSV, which `cross-validate` takes.
    target: str
        The label in the second column; space_group and crystal_system are found from the
        structures, within 0.01 Å, where there is no such column.
    n_distances: int
        At most so many a crystal.
    cutoff: float
        In Å; longer distances are left out.
    skip_bad: bool
        Leave out crystals that cannot be read, and list them.
    """
    from xtalgraph.data import read_dataset
    from xtalgraph.evaluation.distance_table import write_distances

    rejected: list[Rejected] = []
    dataset = read_dataset(data, rejected=rejected if skip_bad else None)
    path = write_distances(dataset, out, label=target, n_distances=n_distances, cutoff=cutoff)
    report_rejected([*rejected, *dataset.find_unlabelled(target)], out)
    print_lines([str(path)])


@app.command
def sample(
    data: str,
    /,
    *,
    out: Path,
    size: int,
    max_atoms: int | None = None,
    seed: int = 0,
) -> None:
    """Write a random part of a data set as a parquet table, for experiments that shall be quick.

    Parameters
    ----------
    data: str
        A folder, a table, or `mp-sample`.
    out: Path
        A file that ends in .parquet.
    size: int
        Number of crystals, drawn at random; they keep their order.
    max_atoms: int
        Draw from crystals with at most so many atoms.
    seed: int
        Of the draw.
    """
    from xtalgraph.data import draw_sample, read_dataset, write_parquet

    if out.suffix != ".parquet":
        raise BadConfig(f"--out {out}: give a file that ends in .parquet.")
    drawn = draw_sample(read_dataset(data), size, max_atoms=max_atoms, seed=seed)
    print_lines([str(write_parquet(drawn, out))])


@app.command
def pack(
    *tables: Path,
    out: Path,
    skip_bad: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Write tables larger than memory as a folder that train, evaluate and predict take.

    The crystals of such a folder are mapped from disk: a batch touches those it is made of, and
    several processes on one machine share them.

    Parameters
    ----------
    tables: Path
        Files of parquet, CSV or JSON with the same columns, one or several parts of one table.
    out: Path
        The folder, which must not be there yet.
    skip_bad: bool
        Leave out rows that make no crystal, and list them.
    """
    if not tables:
        raise UsageError("nothing to pack. Name one or more tables.")
    from xtalgraph.data import pack_dataset

    rejected: list[Rejected] | None = [] if skip_bad else None
    folder = pack_dataset(tables, out, rejected=rejected)
    report_rejected(rejected or [], out)
    print_lines([str(folder)])
    return 0


@contextmanager
def _download_bar() -> Iterator[Any]:
    """Give a function that shows how much of a download is there, on stderr."""
    console = Console(stderr=True)
    columns = (TextColumn("fetching"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        bar = bars.add_task("fetch", total=None)
        yield lambda done, total: bars.update(bar, completed=done, total=total)
