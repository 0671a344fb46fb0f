"""`xtalgraph data`: public data sets, and the embedded one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from cyclopts import App, Parameter

from xtalgraph.cli.options import Data, SkipBad, UsageError, default, split_words
from xtalgraph.cli.output import print_columns, print_lines, report_rejected, say
from xtalgraph.cli.progress import describe_download, progress_bar
from xtalgraph.errors import BadConfig, Rejected

PublicName: TypeAlias = Annotated[str, Parameter(help="A name that `data list` shows.")]
app = App(
    name="data",
    help="Public data sets and the embedded one: list, download, convert.",
)


@app.command(name="list")
def list_sets() -> None:
    """List the data sets that can be downloaded or made.

    Examples
    --------
    xtalgraph data list
    """
    from xtalgraph.data import EMBEDDED, PUBLIC_SETS

    rows = [[EMBEDDED, "embedded: 1,700 perovskites and other oxides, DFT, no download"]]
    rows += [[name, public.title] for name, public in PUBLIC_SETS.items()]
    print_columns(rows)


@app.command
def info(name: PublicName, /) -> None:
    """Show what a public data set is: size, targets, licence, citation, address.

    Examples
    --------
    xtalgraph data info matbench_mp_gap
    """
    from xtalgraph.data import find_public_set

    public = find_public_set(name)
    rows = f"{public.n_rows:,} crystals" if public.n_rows else "depends on the query"
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
    name: PublicName,
    /,
    *,
    out: Path = Path("data"),
    mirror: Annotated[str | None, default("none")] = None,
    columns: str = "formation_energy_per_atom,band_gap",
    criteria: Annotated[str | None, default("all materials")] = None,
    skip_bad: SkipBad = False,
) -> int:
    """Download a public data set as a table for `train`; checksums are verified.

    If interrupted, rerun the command to resume.

    Parameters
    ----------
    out: Path
        Folder to write to.
    mirror: str
        OLD=NEW: files whose address begins with OLD are downloaded from NEW.
    columns: str
        For materials_project: comma-separated properties.
    criteria: str
        For materials_project: search criteria as JSON, as in
        '{"elements": ["Sr", "O"], "num_elements": 3}'. The API key is read from the environment
        variable MP_API_KEY.

    Examples
    --------
    xtalgraph data fetch matbench_mp_gap --out data
    """
    from xtalgraph.data import fetch_dataset, fetch_materials_project

    rejected: list[Rejected] | None = [] if skip_bad else None
    if name == "materials_project":
        path = out / "materials_project.parquet"
        query = read_criteria(criteria)
        path = fetch_materials_project(path, split_words(columns), query, rejected=rejected)
        report_rejected(rejected or [], path)
        print_lines([str(path)])
        return 0
    mirrors = {}
    if mirror is not None:
        old, equals, new = mirror.partition("=")
        if not equals:
            raise BadConfig(f"--mirror {mirror}: write OLD=NEW, the beginnings of two addresses.")
        mirrors[old] = new
    with progress_bar(describe_download) as show:
        path = fetch_dataset(
            name,
            out,
            mirrors=mirrors,
            progress=lambda done, total: show((done, total)),
            rejected=rejected,
        )
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
    target: Annotated[str | None, default("all columns")] = None,
) -> None:
    """Write the embedded data set as a folder of CIFs with id_prop.csv, or as one parquet file.

    Parameters
    ----------
    name: str
        mp-sample: perovskites and other oxides of the Materials Project.
    out: Path
        A folder, or a file that ends in .parquet.
    target: str
        Only this column.

    Examples
    --------
    xtalgraph data make --out mp_sample.parquet
    """
    from xtalgraph.data import EMBEDDED, make_dataset_folder, read_sample_dataset, write_parquet
    from xtalgraph.data.files import TABLE_SUFFIXES
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
    data: Data,
    /,
    *,
    out: Path,
    target: str = "space_group",
    n_distances: int = 64,
    cutoff: float = 8.0,
    skip_bad: SkipBad = False,
) -> None:
    """Write a CSV of id, space group and shortest distances (Å), for the distance classifier.

    Parameters
    ----------
    out: Path
        The CSV, an input of `cross-validate`.
    target: str
        The label in the second column. Where there is no column space_group or crystal_system, it
        is computed from the structures (within 0.01 Å).
    n_distances: int
        Largest number of distances of a crystal.
    cutoff: float
        Longest distance in Å.

    Examples
    --------
    xtalgraph data distances my_data.csv --out distances.csv
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
    data: Data,
    /,
    *,
    out: Path,
    size: int,
    max_atoms: Annotated[int | None, default("no limit")] = None,
    seed: int = 0,
) -> None:
    """Write a random sample of a data set as a parquet table, for quick experiments.

    Parameters
    ----------
    out: Path
        A file that ends in .parquet.
    size: int
        Number of crystals, drawn at random; they keep their order.
    max_atoms: int
        Largest number of atoms of a crystal that may be drawn.
    seed: int
        Random seed.

    Examples
    --------
    xtalgraph data sample my_data.csv --size 500 --out small.parquet
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
    skip_bad: SkipBad = False,
) -> int:
    """Pack tables larger than memory into a folder for train, evaluate and predict.

    The crystals of such a folder are memory-mapped: a batch reads only those that it needs, and
    several processes on one machine share them.

    Parameters
    ----------
    tables: Path
        Parquet, CSV or JSON files with the same columns: the parts of one table.
    out: Path
        The folder, which must not exist yet.

    Examples
    --------
    xtalgraph data pack part-1.parquet part-2.parquet --out packed
    """
    if not tables:
        raise UsageError("nothing to pack. Name one or more tables.")
    from xtalgraph.data import pack_dataset

    rejected: list[Rejected] | None = [] if skip_bad else None
    folder = pack_dataset(tables, out, rejected=rejected)
    report_rejected(rejected or [], out)
    print_lines([str(folder)])
    return 0
