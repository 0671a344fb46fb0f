"""Fetching a public data set: download, check, and one table under the names of this package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from xtalgraph.data.dataset import Dataset, join_datasets
from xtalgraph.data.public.download import Progress, download, verify
from xtalgraph.data.public.sets import PublicFile, PublicSet, find_public_set
from xtalgraph.data.read import read_dataset
from xtalgraph.data.write import write_parquet
from xtalgraph.errors import BadDataset, Rejected
from xtalgraph.files import write_json

LOCK_NAME = "fetched.json"


def fetch_dataset(
    name: str | PublicSet,
    folder: str | Path,
    *,
    mirrors: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    rejected: list[Rejected] | None = None,
    timeout: float = 30.0,
) -> Path:
    """Fetch a public data set into `folder` and give the table to read: `FOLDER/NAME.parquet`.

    The published files go to `FOLDER/NAME/`, each checked against its published checksum, or
    against the first download where none is published; `fetched.json` beside them notes address,
    size, SHA-256, and which of the two it was. Files that are there already, fetched before or put
    there by hand, are checked and not fetched again, and a broken download goes on where it
    stopped. The table has our names with units, and a column `split` where a split is published
    (use it with `column:split`).

    `mirrors` replaces beginnings of addresses (`{"https://published/": "http://nearer/"}`); the
    checksums stay the published ones. Rows that make no crystal are refused together, unless a
    list `rejected` is given. `progress` is called with the bytes that are there and those in all,
    file by file.
    """
    public = name if isinstance(name, PublicSet) else find_public_set(name)
    if not public.files:
        raise BadDataset(
            f"{public.name} is queried, not fetched as a file: call fetch_materials_project with "
            "the properties and your API key."
        )
    folder = Path(folder)
    fetched = {
        file.name: _fetch_file(file, folder / public.name, mirrors or {}, progress, timeout)
        for file in public.files
    }
    table = folder / f"{public.name}.parquet"
    made_from = folder / public.name / "made_from.json"
    checksums = {file_name: note["sha256"] for file_name, note in fetched.items()}
    if table.exists() and rejected is None and _read_json(made_from) == checksums:
        return table
    dataset = read_published(public, folder / public.name, rejected=rejected)
    write_parquet(dataset, table)
    write_json(made_from, checksums)
    return table


def read_published(
    public: PublicSet, folder: str | Path, *, rejected: list[Rejected] | None = None
) -> Dataset:
    """Return the data set of published files in `folder`, columns under our names with our units.

    Columns that the set does not list are left out. Nothing is fetched or checked.
    """
    folder = Path(folder)
    parts = []
    for file in public.files:
        dataset = read_dataset(folder / file.name, rejected=rejected)
        parts.append(_rename(dataset, public, file))
    joined = join_datasets(parts) if len(parts) > 1 else parts[0]
    return replace(joined, name=public.name)


def _fetch_file(
    file: PublicFile,
    folder: Path,
    mirrors: Mapping[str, str],
    progress: Progress | None,
    timeout: float,
) -> dict[str, Any]:
    """Have the file in the folder, checked, and give what is noted about it."""
    path, lock = folder / file.name, folder / LOCK_NAME
    notes = _read_json(lock)
    known = notes.get(file.name, {})
    url = _find_mirror(file.url, mirrors)
    if not path.exists():
        download(url, path, progress=progress, timeout=timeout)
    sha256 = verify(path, file, known.get("sha256", ""))
    published = "git blob" if file.git_blob else "sha256" if file.sha256 else ""
    note = {
        "url": url,
        "n_bytes": path.stat().st_size,
        "sha256": sha256,
        "checked_against": f"published {published}" if published else "first download",
    }
    if note != known:
        # Read again: the lock is shared by the files of a set.
        write_json(lock, _read_json(lock) | {file.name: note})
    return note


def _find_mirror(url: str, mirrors: Mapping[str, str]) -> str:
    for beginning, replacement in mirrors.items():
        if url.startswith(beginning):
            return replacement + url.removeprefix(beginning)
    return url


def _rename(dataset: Dataset, public: PublicSet, file: PublicFile) -> Dataset:
    missing = [name for name in public.columns if name not in dataset.columns.columns]
    if missing:
        raise BadDataset(
            f"{dataset.source}: no column {missing[0]!r}, which {public.name} is published with; "
            f"it has {', '.join(map(str, dataset.columns.columns)) or 'none'}. The published "
            "format has changed; read the file itself with read_dataset."
        )
    columns, targets = {}, {}
    for published, target in public.columns.items():
        columns[target.name] = dataset.columns[published]
        if published in dataset.targets:
            targets[target.name] = target
    frame = pd.DataFrame(columns, index=dataset.columns.index)
    if file.part:
        frame["split"] = pd.Series([file.part] * len(frame), index=frame.index, dtype=object)
    return replace(dataset, columns=frame, targets=targets)


def _read_json(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise BadDataset(f"{path}: not JSON ({error}). Remove it and fetch again.") from error
