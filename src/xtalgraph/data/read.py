"""Data sets held whole: the pieces of a source, joined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from xtalgraph.data.cells import Table, join_columns
from xtalgraph.data.columns import read_columns
from xtalgraph.data.dataset import Dataset, join_datasets, join_stores
from xtalgraph.data.files import CORRECT
from xtalgraph.data.packed import DatasetSource
from xtalgraph.data.pieces import SeveralSource, Source
from xtalgraph.data.source import open_source
from xtalgraph.errors import BadDataset, Rejected, summarise
from xtalgraph.structures import CrystalStore
from xtalgraph.units import Target


def read_dataset(
    source: str | Path | Sequence[str | Path],
    *,
    rejected: list[Rejected] | None = None,
    match: str = "exact",
) -> Dataset:
    """Read a whole data set.

    Args:
        source: What `open_source` opens: structure files, a folder, a glob, a table, a packed
            folder, the name of the embedded data set, or a list of these.
        rejected: A list to which rows and files are added that make no crystal; the others are
            then read. Without it they are refused together.
        match: How the ids of a table find their structure files, `exact` or `loose`; see
            `open_source`.

    Returns:
        The crystals with their ids and columns, in the order of the source.

    Raises:
        BadDataset: Something cannot be read and `rejected` is not given, or nothing is left.
    """
    opened = open_source(source, match=match)
    if isinstance(opened, SeveralSource):
        return _read_several(opened, rejected)
    found: list[Rejected] = []
    dataset = _read_one(opened, found)
    n_rows = len(found) + (0 if dataset is None else len(dataset))
    if rejected is not None:
        rejected += found
    elif found:
        raise BadDataset(
            f"{opened.title}: {len(found)} of {n_rows} crystals cannot be read:\n"
            f"{summarise(found)}\n{CORRECT}"
        )
    if dataset is None:
        raise opened.explain_nothing(len(found), found)
    return dataset


def iterate_dataset(
    source: str | Path | Sequence[str | Path],
) -> Iterator[tuple[CrystalStore, list[Rejected]]]:
    """Yield the crystals of a source in the order of `read_dataset`, in pieces that fit in memory.

    `open_source(source).pieces()` yields the columns too.

    Args:
        source: A path, a glob or several, as for `read_dataset`.

    Yields:
        Crystals, and what could not be read among them.

    Raises:
        BadDataset: At the end, if nothing of the source can be read.
    """
    for piece in open_source(source).pieces():
        yield piece.crystals, list(piece.rejected)


def _read_one(
    opened: Source, found: list[Rejected], *, keeps_beginning: bool = False
) -> Dataset | None:
    if isinstance(opened, DatasetSource):
        return opened.dataset
    checksum = opened.checksum()
    stores, cells = [], []
    try:
        for part in opened.parts():
            crystals, rejected, some = part.read()
            found += rejected
            if len(crystals):
                stores.append(crystals)
                cells += [] if some is None else [some]
    except BadDataset as error:
        if not keeps_beginning:
            raise
        found.append(Rejected(opened.paths[0], str(error)))
    if not stores:
        return None
    store = join_stores(stores)
    columns: Table = {}
    targets: dict[str, Target] = {}
    if cells:
        whole = join_columns([some.content for some in cells], [len(one) for one in stores])
        columns, targets = read_columns(whole, texts=cells[0].texts, decimal=cells[0].decimal)
    return Dataset(
        opened.name,
        store,
        columns,
        targets,
        opened.title,
        checksum,
        opened.paths,
        opened.remarks,
        opened.match,
    )


def _read_several(several: SeveralSource, rejected: list[Rejected] | None) -> Dataset:
    """Return the data set of several sources; an unreadable source is collected like a row."""
    found: list[Rejected] = []
    datasets = []
    for child in several.children():
        if isinstance(child, Rejected):
            found.append(child)
            continue
        try:
            dataset = _read_one(child, found, keeps_beginning=True)
        except BadDataset as error:
            found.append(Rejected(child.paths[0], str(error)))
        else:
            datasets += [] if dataset is None else [dataset]
    if rejected is not None:
        rejected += found
    elif found and datasets:
        raise BadDataset(
            f"{len(found)} crystals or files cannot be read:\n{summarise(found)}\n{CORRECT}"
        )
    if found and not datasets:
        raise several.explain_nothing(len(found), found)
    return join_datasets(datasets)
