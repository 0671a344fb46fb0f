"""What makes work resumable: a folder knows what it was begun with, and goes on only with that.

Training, cross-validation, comparisons, learning curves, searches and screens leave a
`manifest.json` in their folder when they begin. Called again on that folder they resume if their
identity, all that decides the result, is the same; otherwise the differences are named.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from xtalgraph.errors import BadConfig
from xtalgraph.files import plain, write_json

MANIFEST = "manifest.json"
FORMAT = 1
LONGEST_LINE = 96  # of a command, before it goes on in the next line


def begin_or_resume(
    folder: Path | str,
    work: str,
    identity: Mapping[str, Any],
    *,
    may_differ: Collection[str] = (),
    may_grow: Collection[str] = (),
) -> bool:
    """Claim a folder for a piece of work; True where the same work was begun there before.

    `work` names the kind (`cross-validation`), `identity` is all that decides the result, as nested
    dicts of JSON values: settings, checksums of data and models, seeds. Keys in `may_differ` are
    recorded and not compared (where data lie). Sections in `may_grow` may have other entries than
    they were begun with: new ones are added to the manifest, and only what is in both is compared.
    Raises `BadConfig` with every difference where the folder was begun with something else.
    """
    folder = Path(folder)
    begun = read_manifest(folder)
    if begun is None:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / MANIFEST, {"format": FORMAT, "work": work, "identity": plain(identity)})
        return False
    if begun["work"] != work:
        raise BadConfig(
            f"{folder} holds {begun['work']}, not {work}. Choose another folder (--out)."
        )
    before, now = dict(begun["identity"]), plain(identity)
    for section in may_grow:
        then, asked = before.get(section, {}), now.get(section, {})
        before[section], now[section] = asked | then, then | asked
    refuse_changes(folder, before, now, may_differ)
    if before != begun["identity"]:
        write_json(folder / MANIFEST, {"format": FORMAT, "work": work, "identity": before})
    return True


def read_manifest(folder: Path | str) -> dict[str, Any] | None:
    """Return what a folder was begun with (`work`, `identity`), or None where nothing was."""
    file = Path(folder) / MANIFEST
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
        if manifest["format"] == FORMAT and isinstance(manifest["work"], str):
            return {"work": manifest["work"], "identity": dict(manifest["identity"])}
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise BadConfig(
        f"{file} is broken, or of another version of xtalgraph. Choose another folder (--out), or "
        "remove this one to begin again."
    )


def refuse_changes(
    folder: Path | str,
    begun: Mapping[str, Any],
    now: Mapping[str, Any],
    may_differ: Collection[str] = (),
) -> None:
    """Raise `BadConfig` that names each setting in which two identities differ."""
    changes = list(find_changes(begun, now, may_differ))
    if changes:
        more = [f"  and {len(changes) - 10} more"] if len(changes) > 10 else []
        raise BadConfig(
            f"{folder} was begun with other settings or data, and can only be resumed with the "
            "same:\n" + "\n".join(changes[:10] + more) + "\nUndo the change, or choose another "
            "folder (--out)."
        )


def find_changes(
    begun: Mapping[str, Any], now: Mapping[str, Any], may_differ: Collection[str] = ()
) -> Iterator[str]:
    """Yield a line for each value that differs, named as `section.key`."""
    before, after = dict(_flatten(plain(begun))), dict(_flatten(plain(now)))
    for name in before | after:
        if name in may_differ or name.rsplit(".", 1)[-1] in may_differ:
            continue
        if name not in before or name not in after or before[name] != after[name]:
            then, is_now = (_show(values, name) for values in (before, after))
            yield f"  {name}: {then} then, {is_now} now"


def write_command(words: Sequence[object], options: Mapping[str, object]) -> str:
    """Return the command line, quoted for a shell, with which a piece of work is done again.

    `words` are the command and what it is given in place; options have the names of the command
    line, without dashes. One whose value is a list is given several times, True makes it a flag,
    and None or False leaves it out.

    >>> print(write_command(["compare", "my data.csv"], {"vary": ["a=1,2", "b=3"], "json": True}))
    xtalgraph compare 'my data.csv' --vary a=1,2 --vary b=3 --json
    """
    lines = [shlex.join(["xtalgraph", *map(str, words)])]
    for name, value in options.items():
        for one in value if isinstance(value, list | tuple) else [value]:
            if one is None or one is False:
                continue
            text = str(one)  # what begins with a dash would be taken for an option
            pair = [f"--{name}={text}"] if text.startswith("-") else [f"--{name}", text]
            part = f"--{name}" if one is True else shlex.join(pair)
            if len(lines[-1]) + len(part) < LONGEST_LINE:
                lines[-1] += f" {part}"
            else:
                lines.append(part)
    return " \\\n    ".join(lines)


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _show(values: Mapping[str, Any], name: str) -> str:
    text = repr(values[name]) if name in values else "not set"
    return text if len(text) <= 60 else f"{text[:57]}…"
