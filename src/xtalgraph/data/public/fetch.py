"""Fetching a public data set: download, check, and one table under the names of this package."""

from __future__ import annotations

import hashlib
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from xtalgraph.data.dataset import Dataset, join_datasets
from xtalgraph.data.public.sets import PublicFile, PublicSet, find_public_set
from xtalgraph.data.read import read_dataset
from xtalgraph.data.write import write_parquet
from xtalgraph.errors import BadDataset, Rejected
from xtalgraph.files import publish, write_json

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
    """Download a public data set and write the table `FOLDER/NAME.parquet`.

    The published files go to `FOLDER/NAME/`, each verified with its published checksum, or with
    that of the first download if none is published; `fetched.json` next to them records address,
    size, SHA-256, and which of the two was used. Existing files, downloaded before or put there by
    hand, are verified and not downloaded again, and an interrupted download is resumed. The table
    has our column names with units, and a column `split` if a split is published (use it with
    `column:split`).

    Args:
        name: The name of a public set, or the set itself.
        folder: The output folder.
        mirrors: Replacements for the beginnings of addresses
            (`{"https://published/": "http://nearer/"}`); checksums remain the published ones.
        progress: Called with the bytes downloaded and the total, file by file.
        rejected: List to which rows that are no valid crystal are added; without it they are
            refused.
        timeout: Seconds without data before the download fails.

    Returns:
        The path of the table.

    Raises:
        UnknownName: There is no such public set.
        BadDataset: A download fails, a checksum is wrong, or rows are refused.
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


Progress = Callable[[int, int | None], None]
"""Called with the bytes that are there, and the bytes in all if the server says how many."""

ATTEMPTS = 20  # connections for one file, as long as each brings something new
LARGEST = 1 << 34  # bytes of a file: more fills a disk by mistake
CHUNK = 1 << 18  # bytes read at once: often enough for a smooth progress bar
_BREAKS = (http.client.HTTPException, ConnectionError, TimeoutError)


def download(
    url: str, path: Path, *, progress: Progress | None = None, timeout: float = 30.0
) -> None:
    """Fetch `url` to `path`; what has arrived of a broken transfer is kept and continued.

    The bytes grow in `PATH.part`, which the next call finds again, and get their name when they
    are complete. A broken connection is taken up again as long as each attempt changes something.
    What is left over is continued by the next call if the server can and its file is still the same
    (by ETag or date), otherwise fetched anew. Only http and https, through the proxies of
    the environment. Nothing is checked here but the length; see `verify`.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise BadDataset(f"{url}: only http and https addresses are fetched.")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    seen = ""
    for _ in range(ATTEMPTS):
        before = _size(part)
        is_whole = _fetch_some(url, path, part, progress, timeout)
        if is_whole:
            break
        if is_whole is None:  # nothing tells whether all has come: it must come twice the same
            _tag_path(part).unlink(missing_ok=True)
            last, seen = seen, checksums(part)[0]
            if seen == last:
                break
            continue
        if _size(part) == before:
            raise _broken(url, path, part)
    else:
        raise _broken(url, path, part)
    if _size(part) == 0:
        part.unlink(missing_ok=True)
        raise BadDataset(f"{url}: the server sent an empty file. {_by_hand(url, path)}")
    publish(part, path)
    _tag_path(part).unlink(missing_ok=True)


def checksums(path: Path) -> tuple[str, str]:
    """Return the SHA-256 of a file, and the SHA-1 by which git names its content."""
    sha256, git = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % path.stat().st_size)
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            sha256.update(chunk)
            git.update(chunk)
    return sha256.hexdigest(), git.hexdigest()


def verify(path: Path, expected: PublicFile, first_sha256: str = "") -> str:
    """Return the SHA-256 of a file that is what was published; anything else is set aside.

    Where no checksum is published, `first_sha256` is that of the first download. A wrong file is
    renamed to `PATH.wrong`, so that it is neither used nor lost.
    """
    sha256, git_blob = checksums(path)
    size = path.stat().st_size
    if expected.git_blob and expected.git_blob != git_blob:
        problem = f"git's checksum is {git_blob}, published is {expected.git_blob}"
    elif expected.sha256 and expected.sha256 != sha256:
        problem = f"SHA-256 is {sha256}, published is {expected.sha256}"
    elif not (expected.git_blob or expected.sha256) and first_sha256 not in ("", sha256):
        problem = f"SHA-256 is {sha256}, but was {first_sha256} when it was first fetched"
    else:
        return sha256
    wrong = path.with_name(path.name + ".wrong")
    publish(path, wrong)
    raise BadDataset(
        f"{path}: not the published file ({problem}; {size:,} bytes). It was set aside as "
        f"{wrong.name}. Fetch again; if the same comes back, look into that file (an error page in "
        f"place of data?), or the file at {expected.url} has changed."
    )


def _fetch_some(
    url: str, path: Path, part: Path, progress: Progress | None, timeout: float
) -> bool | None:
    """Fetch as much as one connection gives; True if the file is then complete, None if unknown."""
    done, tag = _size(part), _read_tag(part)
    request = urllib.request.Request(url, headers={"User-Agent": "xtalgraph"})
    if done and tag:
        request.add_header("Range", f"bytes={done}-")
        request.add_header("If-Range", tag)
    try:
        with _opener().open(request, timeout=timeout) as response:
            return _receive(response, part, done, progress)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416:  # what is there is no beginning of what is published
                part.unlink(missing_ok=True)
                return False
            raise BadDataset(f"{url}: {_explain(error)} {_by_hand(url, path)}") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            return False
        raise BadDataset(
            f"{url}: the server cannot be reached ({error.reason}). Check the network and the "
            f"proxy. {_by_hand(url, path)}"
        ) from error
    except _BREAKS:
        return False


def _receive(
    response: http.client.HTTPResponse, part: Path, done: int, progress: Progress | None
) -> bool | None:
    """Write a response behind what is there, or in its place; True if all of it came.

    None where the server tells neither the length nor the end, so that it may have broken off.
    """
    if response.status != 206:
        done = 0  # the whole file comes: the server cannot resume, or the file has changed
    elif not response.headers.get("Content-Range", "").startswith(f"bytes {done}-"):
        part.unlink()  # other bytes than were asked for
        return False
    length = response.headers.get("Content-Length", "")
    total = done + int(length) if length.isdigit() else None
    _refuse_large(response.url, total or 0)
    _keep_tag(part, response)
    with open(part, "ab" if done else "wb") as file:
        if progress is not None:
            progress(done, total)
        while chunk := response.read(CHUNK):
            file.write(chunk)
            done += len(chunk)
            _refuse_large(response.url, done)
            if progress is not None:
                progress(done, total)
    if total is None:
        return True if response.chunked else None  # which ends with a chunk of its own
    return done == total


def _refuse_large(url: str, n_bytes: int) -> None:
    if n_bytes > LARGEST:
        raise BadDataset(
            f"{url}: it has {n_bytes:,} bytes or more, and the limit is {LARGEST:,}. Fetch it in "
            "another way if it is meant."
        )


def _opener() -> urllib.request.OpenerDirector:
    """Return an opener for http and https alone: a redirect must not lead to a local file."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _explain(error: urllib.error.HTTPError) -> str:
    if error.code in (404, 410):
        return f"nothing is published there (HTTP {error.code}); the address may have moved."
    if error.code in (401, 403):
        return f"the server refuses (HTTP {error.code})."
    if error.code == 429 or error.code >= 500:
        return f"the server cannot answer now (HTTP {error.code}). Try again later."
    return f"the server answered HTTP {error.code} ({error.reason})."


def _broken(url: str, path: Path, part: Path) -> BadDataset:
    return BadDataset(
        f"{url}: the connection was lost after {_size(part):,} bytes, which are kept in {part}. "
        f"Rerun the command to resume. {_by_hand(url, path)}"
    )


def _by_hand(url: str, path: Path) -> str:
    return f"Or fetch {url} in another way, put it at {path}, and run the same again."


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _tag_path(part: Path) -> Path:
    return part.with_name(part.name + "-tag")


def _read_tag(part: Path) -> str:
    path = _tag_path(part)
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _keep_tag(part: Path, response: http.client.HTTPResponse) -> None:
    """Note by what the server tells this version of its file from another."""
    tag = response.headers.get("ETag", "")
    if not tag or tag.startswith("W/"):  # a weak tag does not promise the same bytes
        tag = response.headers.get("Last-Modified", "")
    _tag_path(part).write_text(tag, encoding="utf-8")
