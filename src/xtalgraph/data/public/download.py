"""Fetching one file over HTTP: with resume, progress, checksums, and errors that say what to do."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from xtalgraph.data.public.sets import PublicFile
from xtalgraph.errors import BadDataset
from xtalgraph.files import publish

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are there, and the bytes in all if the server says how many."""

ATTEMPTS = 20  # connections for one file, as long as each brings something new
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
    for _ in range(ATTEMPTS):
        before = _size(part)
        if _fetch_some(url, path, part, progress, timeout):
            break
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
) -> bool:
    """Fetch as much as one connection gives; True if the file is then complete."""
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
) -> bool:
    """Write a response behind what is there, or in its place; True if all of it came."""
    if response.status != 206:
        done = 0  # the whole file comes: the server cannot resume, or the file has changed
    elif not response.headers.get("Content-Range", "").startswith(f"bytes {done}-"):
        part.unlink()  # other bytes than were asked for
        return False
    length = response.headers.get("Content-Length", "")
    total = done + int(length) if length.isdigit() else None
    _keep_tag(part, response)
    with open(part, "ab" if done else "wb") as file:
        if progress is not None:
            progress(done, total)
        while chunk := response.read(CHUNK):
            file.write(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, total)
    return total is None or done == total


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
