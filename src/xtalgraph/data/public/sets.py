"""Public data sets: where they are published, under which licence, and what their columns mean.

They are listed in `sets.toml`; no data of theirs are in this package. Checksums are those that the
publishers give: SHA-256 in matminer's list of data sets for matbench, git's object names in the
repository of CDVAE for its tables. A set without a published checksum is checked against the first
download instead.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files

from xtalgraph.errors import BadDataset, UnknownName
from xtalgraph.units import Target, read_target_header


@dataclass(frozen=True)
class PublicFile:
    """A published file.

    Attributes:
        name: The name of the file.
        url: Its address.
        sha256: Checksum of the content, if known.
        git_blob: Git's SHA-1 of "blob <size>" and the content, which names the file in a commit.
        n_bytes: Its size, if published.
        part: `train`, `validation` or `test` if the files are a published split.
    """

    name: str
    url: str
    sha256: str = ""  # of the content
    git_blob: str = ""  # git's SHA-1 of "blob <size>" and the content; names the file in a commit
    n_bytes: int | None = None  # where the publisher says so
    part: str = ""  # train, validation or test, where the files are a published split

    @property
    def checksum(self) -> str:
        """What the file is checked against, in words.

        >>> PublicFile("a.csv", "https://example.org/a.csv").checksum
        'none published; later downloads must equal the first'
        """
        if self.git_blob:
            return f"git blob {self.git_blob}"
        return (
            f"sha256 {self.sha256}"
            if self.sha256
            else ("none published; later downloads must equal the first")
        )


@dataclass(frozen=True)
class PublicSet:
    """A published data set.

    Attributes:
        name: Its name for `xtalgraph data fetch`.
        files: The published files.
        columns: Our targets, with units, by published name.
        n_rows: Number of crystals; None if it depends on the query.
        title: A short title.
        description: What it contains.
        licence: Its licence.
        citation: What to cite.
        homepage: Where it is published.
        note: What to know before comparing results.
    """

    name: str
    files: tuple[PublicFile, ...]
    columns: Mapping[str, Target]
    n_rows: int | None  # None where the user's query decides
    title: str
    description: str
    licence: str
    citation: str
    homepage: str
    note: str = ""  # what one should know before comparing figures


def _read_sets() -> Iterator[PublicSet]:
    content = tomllib.loads(files(__package__).joinpath("sets.toml").read_text("utf-8"))
    texts: dict[str, str] = content["texts"]
    for name, entry in content["sets"].items():
        published = entry.pop("files", [])
        columns = {key: read_target_header(ours) for key, ours in entry.pop("columns", {}).items()}
        n_rows = entry.pop("n_rows", None)
        words = {key: text.format_map(texts) for key, text in entry.items()}
        listed = [file | {"url": file["url"].format_map(texts)} for file in published]
        yield PublicSet(
            name, tuple(PublicFile(**file) for file in listed), columns, n_rows, **words
        )


PUBLIC_SETS = {one.name: one for one in _read_sets()}
"""Every public data set that can be fetched, by name."""

COMPOSITION_TASKS = (
    "matbench_expt_gap",
    "matbench_expt_is_metal",
    "matbench_glass",
    "matbench_steels",
)
"""Matbench's other four tasks, which have no structures."""


def find_public_set(name: str) -> PublicSet:
    """Return the public set of this name; matbench tasks without structures are refused."""
    if name in COMPOSITION_TASKS:
        raise BadDataset(
            f"{name} has compositions and no structures, so there is no crystal graph to learn "
            "from. Take one of matbench's tasks with structures: "
            f"{', '.join(one for one in PUBLIC_SETS if one.startswith('matbench_'))}."
        )
    if name not in PUBLIC_SETS:
        raise UnknownName("public data set", name, PUBLIC_SETS)
    return PUBLIC_SETS[name]
