"""Files that are whole or not there: one way to write, to checksum, to lock, to write JSON.

Everything that xtalgraph writes for keeps passes through this file. A reader never sees half a
file, also where the program is killed in between, and two programs never write into one folder.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Literal

from xtalgraph.errors import FolderInUse

LOCK, LOCK_OWNER = ".lock", ".lock-owner"


def write_bytes(path: Path | str, content: bytes) -> None:
    """Write a file whole, or leave the one that is there."""
    with open_atomically(path, "wb") as file:
        file.write(content)


def write_text(path: Path | str, text: str) -> None:
    """Write a text in UTF-8, its line ends as they are, whole or not at all."""
    write_bytes(path, text.encode())


def write_json(path: Path | str, value: Any) -> None:
    """Write a value as JSON for people and programs: indented, NaN as null, a line end."""
    write_text(path, format_json(value) + "\n")


@contextmanager
def open_atomically(path: Path | str, mode: Literal["w", "wb"] = "w") -> Iterator[IO[Any]]:
    """Open a file that takes its place when the `with` block ends without an error.

    It is written beside its place under a temporary name with the number of this process, synced to
    disk, and renamed. Where the block raises, the file that was there stays as it was. Text is
    UTF-8, its line ends as they are written.
    """
    path = Path(path)
    temporary = temporary_name(path)
    text: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    try:
        with open(temporary, mode, **text) as file:
            yield file
        publish(temporary, path)
    finally:  # nothing is left under that name where all went well
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def folder_atomically(folder: Path | str) -> Iterator[Path]:
    """Return an empty folder to fill, which takes the place of `folder` when the block ends well.

    Raises `OSError` where there is something at that place by then.
    """
    folder = Path(folder)
    temporary = temporary_name(folder)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        publish(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def temporary_name(path: Path) -> Path:
    """Return the name under which this process writes a file that is not whole yet."""
    return path.with_name(f".{path.name[:200]}.{os.getpid()}.part")


def publish(temporary: Path, path: Path) -> None:
    """Sync a file or folder that is whole to disk, and give it its name in one step."""
    if temporary.is_file():
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
    os.replace(temporary, path)


def format_json(value: Any, indent: int | None = 2) -> str:
    """Return the JSON text of a value, whose numpy numbers and paths are written as plain ones.

    JSON has no NaN and no infinity: both become null.

    >>> format_json({"mae": float("nan"), "n": 3}, indent=None)
    '{"mae": null, "n": 3}'
    """
    return json.dumps(plain(value), indent=indent, ensure_ascii=False, allow_nan=False)


def protect(text: str) -> str:
    """Return a text that a spreadsheet takes for a text: one that would be a formula gets a quote.

    A spreadsheet computes a cell of CSV that begins with = + - @, which a file name may do on
    purpose. Numbers stay as they are; `unprotect` gives the text back.

    >>> protect("=1+1"), protect("-0.5"), protect("mp-1")
    ("'=1+1", '-0.5', 'mp-1')
    """
    return f"'{text}" if _is_formula(text) else text


def unprotect(text: str) -> str:
    """Return the text that `protect` was given."""
    return text[1:] if text[:1] == "'" and _is_formula(text[1:]) else text


def _is_formula(text: str) -> bool:
    begin = text.lstrip("'")
    if begin[:1] not in {"=", "+", "-", "@", "\t", "\r"} or len(begin) < 2:
        return False
    try:
        float(text)
    except ValueError:
        return True
    return False


def format_csv(frame: Any, float_format: str | None = None) -> str:
    """Return a data frame as CSV without its index, its texts as `protect` gives them."""
    safe = frame.copy()
    for place, (name, values) in enumerate(frame.items()):
        if values.dtype.kind not in "biuf":
            cells = [protect(cell) if isinstance(cell, str) else cell for cell in values]
            safe.isetitem(place, type(values)(cells, index=values.index, name=name, dtype=object))
    return safe.to_csv(index=False, float_format=float_format)


def plain(value: Any) -> Any:
    """Return a value as JSON types: dicts, lists, texts, numbers, and None for NaN."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # numpy's numbers and arrays
        return plain(value.tolist())
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    raise TypeError(f"a {type(value).__name__} has no form in JSON: {value!r}")


def checksum(*contents: bytes | str | Path) -> str:
    """Return the SHA-256, as 64 hexadecimal digits, of bytes, a text, or a file that is named.

    One piece has the SHA-256 that every other program gives; several have that of their checksums
    in this order, so that where one ends and the next begins counts.

    >>> checksum("abc")[:12]
    'ba7816bf8f01'
    """
    if len(contents) == 1:
        return _digest(contents[0])
    total = hashlib.sha256()
    for content in contents:
        total.update(bytes.fromhex(_digest(content)))
    return total.hexdigest()


def _digest(content: bytes | str | Path) -> str:
    if isinstance(content, Path):
        with open(content, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    content = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(content).hexdigest()


@contextmanager
def lock_folder(folder: Path | str, work: str) -> Iterator[None]:
    """Hold a folder for one piece of work of this process; it is made where it is missing.

    `work` says what is done (`training`, `a screen`), for the message that another process gets.
    The operating system holds the lock, so that one whose process is gone is free again. Raises
    `FolderInUse` with the work and the process of the other.
    """
    from filelock import FileLock, Timeout  # which a prediction does not need

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    owner = folder / LOCK_OWNER
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise FolderInUse(folder, _read_owner(owner)) from None
    try:
        write_text(owner, f"{work} (process {os.getpid()})")
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def _read_owner(owner: Path) -> str:
    try:
        return owner.read_text(encoding="utf-8") or "another process"
    except OSError:
        return "another process"
