"""Reading crystals from files, folders, globs and text, and writing them, whatever their format."""

from __future__ import annotations

import glob
import gzip
import io
import os
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from os.path import basename
from pathlib import Path
from typing import Any, TypeGuard

from xtalgraph.errors import BadCrystal, Rejected, summarise
from xtalgraph.structures.checks import READER_ERRORS, explain
from xtalgraph.structures.crystal import Crystal, CrystalStore
from xtalgraph.structures.formats.registry import FORMATS, Format

Source = str | Path | Mapping[str, Any]

_PIECE = 1 << 15  # bytes that are asked for at first: most structures have fewer
_LARGE = 1 << 23  # bytes that are asked for at most
_UNPACKED = 1 << 27  # bytes; what a gzip file may expand to


class _PathText(str):
    """The path of a file in a folder: a `Path` would take as long to make as the file to read."""


def read_crystal(source: Source, *, id: str | None = None, format: str | None = None) -> Crystal:
    """Return the one crystal of a file, a text, or a pymatgen dict.

    Args:
        source: A path, or the text of a file, which is recognised by its line breaks (or a leading
            brace), or a dict.
        id: The id; by default the file's stem, or the name of a CIF's data block.
        format: The name of a format; by default it follows from the name or the content.

    Returns:
        The crystal.

    Raises:
        BadCrystal: It cannot be read, or the source contains several crystals.
        UnknownName: There is no such format.

    >>> read_crystal('1\\nLattice="2.87 0 0 0 2.87 0 0 0 2.87"\\nFe 0 0 0', id="Fe").formula
    'Fe'
    """
    if format is not None and isinstance(source, str) and "\n" in source:
        crystals = read_text(source, id or "", format)  # quick, for tables with CIF text
    else:
        crystals = _read_source(source, id, format, None)
    return only_one(crystals, id)


def only_one(crystals: list[Crystal], id: str | None = None) -> Crystal:
    """Return the crystal of a source that holds one."""
    if len(crystals) == 1:
        return crystals[0]
    raise BadCrystal(
        f"the source holds {len(crystals)} crystals: {', '.join(c.id for c in crystals[:5])}",
        id=id or "",
        remedy="Use read_crystals, which reads them all.",
    )


def read_crystals(
    sources: Source | Iterable[Source], *, rejected: list[Rejected] | None = None
) -> CrystalStore:
    """Return the crystals of files.

    Each data block or frame is a separate crystal, with the id `stem`, or `stem#block` if a file
    contains several; files with the same name in different folders get `folder/stem`.

    Args:
        sources: A path, a folder, a glob, text, or several of them.
        rejected: List to which whatever cannot be read is added; without it, all problems are
            raised together.

    Returns:
        The crystals.

    Raises:
        BadDataset: Something cannot be read and `rejected` is None, or there are no crystals.
    """
    problems: list[Rejected] = [] if rejected is None else rejected
    if isinstance(sources, str | Path | Mapping):
        sources = [sources]
    items = [item for source in sources for item in _expand(source)]
    names = name_sources(items)
    crystals: list[Crystal] = []
    for index, (item, name) in enumerate(zip(items, names, strict=True)):
        try:
            crystals += _read_source(item, name, None, problems)
        except BadCrystal as problem:
            problems.append(Rejected(problem.id or name or f"source {index}", str(problem)))
    if rejected is None and problems:
        raise BadCrystal(
            f"{len(problems)} of {len(problems) + len(crystals)} crystals cannot be read:\n"
            f"{summarise(problems)}\n",
            remedy="Correct them, or pass rejected=[] to read the others.",
        )
    return CrystalStore.from_crystals(crystals)


def find_files(folder: Path) -> list[Path]:
    """Return the structure files of a folder by name, sorted; its subfolders are not searched."""
    names = list_structure_names(folder)
    _refuse_none(names, folder)
    return [folder / name for name in names]


def _refuse_none(files: Sequence[object], folder: Path) -> None:
    if not files:
        raise BadCrystal(
            "the folder has no structure files",
            file=str(folder),
            remedy=f"Read are {FORMATS.describe()}; for subfolders give a glob such as "
            "'folder/**/*.cif'.",
        )


def list_structure_names(folder: Path) -> list[str]:
    """Return the names of the structure files of a folder, sorted; there may be none."""
    with os.scandir(folder) as entries:  # which knows what is a file without asking for each
        return sorted(
            entry.name
            for entry in entries
            if FORMATS.find(entry.name) is not None and entry.is_file()
        )


def list_by_priority(folder: Path) -> list[str]:
    """Return the names of the structure files of a folder: CIF first, then the other formats."""
    return sorted(list_structure_names(folder), key=_priority)


def _priority(name: str) -> int:
    found = FORMATS.find(name)
    return 0 if found is None else found.priority


def _expand(source: Source) -> list[Source]:
    """Return the files of a folder or a glob; anything else stands for itself."""
    if isinstance(source, Mapping) or _is_text(source):
        return [source]
    path = Path(source)
    if path.is_dir():
        _refuse_none(names := list_structure_names(path), path)
        return [_PathText(f"{path}{os.sep}{name}") for name in names]
    if any(sign in str(source) for sign in "*?[") and not path.exists():
        files = [Path(name) for name in sorted(glob.glob(str(source), recursive=True))]
        files = [file for file in files if file.is_file()]
        if not files:
            problem = "no file matches"
            raise BadCrystal(problem, file=str(source), remedy="Check the folder and the pattern.")
        return list(files)
    return [path]


def name_sources(items: Sequence[Source]) -> list[str]:
    """Return the stem of each file, with its folder where two files share the stem."""
    stems = [FORMATS.stem(basename(item)) if _is_path(item) else "" for item in items]
    counts = Counter(stems)
    return [
        f"{Path(item).parent.name}/{stem}" if counts[stem] > 1 and _is_path(item) else stem
        for item, stem in zip(items, stems, strict=True)
    ]


def _is_path(item: Source) -> TypeGuard[Path | _PathText]:
    return isinstance(item, Path | _PathText)


def _is_text(source: str | Path) -> bool:
    return isinstance(source, str) and ("\n" in source or source.lstrip()[:1] in ("{", "["))


def _read_source(
    source: Source, id: str | None, format: str | None, rejected: list[Rejected] | None
) -> list[Crystal]:
    if format is not None:
        FORMATS.require(format)
    if _is_path(source):  # asked first: whether it is a mapping takes longer to tell
        return read_file(source, id, format, rejected)
    if isinstance(source, Mapping):
        from xtalgraph.structures.formats.pymatgen_json import read_structure_dict

        try:
            return [read_structure_dict(dict(source), id or "")]
        except (BadCrystal, *READER_ERRORS) as problem:
            raise explain(problem, id or "") from problem
    if _is_text(source):
        return read_text(str(source), id or "", format, rejected)
    return read_file(Path(source), id, format, rejected)


def read_file(
    path: str | Path,
    id: str | None = None,
    format: str | None = None,
    rejected: list[Rejected] | None = None,
    *,
    content: bytes | None = None,
) -> list[Crystal]:
    """Return the crystals of a structure file, or of its `content` where that was read before.

    Whatever its reader raises becomes a `BadCrystal` with the name of the file.
    """
    name = basename(path)
    id = id or FORMATS.stem(name)
    chosen = FORMATS[format] if format else FORMATS.find(name)
    try:
        text = _decode(read_bytes(path) if content is None else content)
        chosen = chosen or _sniff(text, id)
        return chosen.read(text, id, rejected)
    except (BadCrystal, *READER_ERRORS) as problem:
        raise explain(problem, id, str(path)) from problem


def read_text(
    text: str, id: str, format: str | None = None, rejected: list[Rejected] | None = None
) -> list[Crystal]:
    """Return the crystals of a text; whatever its reader raises becomes a `BadCrystal`."""
    chosen = FORMATS[format] if format else None
    try:
        chosen = chosen or _sniff(text, id)
        return chosen.read(text, id, rejected)
    except (BadCrystal, *READER_ERRORS) as problem:
        raise explain(problem, id) from problem


def read_bytes(path: str | Path) -> bytes:
    """Return the bytes of a file by system calls, which take a third of the time of `open`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            pieces, size = [], _PIECE
            while piece := os.read(descriptor, size):
                pieces.append(piece)
                size = min(2 * size, _LARGE)
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        finally:
            os.close(descriptor)
    except OSError as problem:
        reason = problem.strerror or type(problem).__name__
        remedy = "Give the path of a structure file, or text with line breaks."
        raise BadCrystal(f"it cannot be opened ({reason})", remedy=remedy) from problem


def _decode(data: bytes) -> str:
    """Return the text of a file, unpacked where it is compressed with gzip."""
    if data.startswith(b"\x1f\x8b"):
        data = _unpack(data)
    if not data or data.isspace():
        raise BadCrystal("the file is empty", remedy="Write or copy it again.")
    if b"\x00" in data:
        problem_text = "the file is binary, or text in UTF-16"
        raise BadCrystal(problem_text, remedy="Give a structure file as plain UTF-8 text.")
    if data.isascii():
        return data.decode("ascii")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")  # names of authors in old CIFs; it cannot fail


def _unpack(data: bytes) -> bytes:
    """Return what a gzip file holds; refused where it expands beyond the limit."""
    pieces, size = [], 0
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            while piece := file.read(_LARGE):
                pieces.append(piece)
                size += len(piece)
                if size > _UNPACKED:
                    raise BadCrystal(
                        f"the gzip file expands to more than {_UNPACKED >> 20} MB",
                        remedy="Unpack it first: unpacked files of many frames are read in parts.",
                    )
    except (OSError, EOFError, zlib.error) as problem:
        remedy = "Copy or compress it again."
        raise BadCrystal("broken gzip: it cannot be unpacked", remedy=remedy) from problem
    return b"".join(pieces)


def _sniff(text: str, id: str) -> Format:
    """Return the format that the content shows."""
    found = FORMATS.sniff(text)
    if found is None:
        raise BadCrystal(
            "its format is not recognised",
            id=id,
            remedy=f"Give it a name that says it ({FORMATS.describe()}), or in Python format= one "
            f"of {', '.join(FORMATS)}.",
        )
    return found


def write_crystal(crystal: Crystal, path: str | Path, format: str | None = None) -> None:
    """Write a crystal; the format is that of the name (`.cif`, `.vasp`, `.xyz`, `.json`, `.gz`).

    What `read_crystal` reads back is the same crystal to 1e-9 Å; a CIF has no orientation, and a
    POSCAR groups the atoms by element.

    Args:
        crystal: The crystal.
        path: The file; it is written whole or not at all.
        format: The name of a format in `FORMATS`, where the name of the file does not say it.

    Raises:
        BadCrystal: The name does not say the format, or the format is only read.
    """
    from xtalgraph.files import write_bytes  # which only writing needs

    path = Path(path)
    chosen = FORMATS[format] if format else FORMATS.find(path.name)
    if chosen is None or chosen.write is None:
        writable = [name for name, entry in FORMATS.items() if entry.write is not None]
        problem = "the name does not say the format"
        raise BadCrystal(
            problem if chosen is None else f"the format {chosen.name} is read and not written",
            id=crystal.id,
            file=str(path),
            remedy=f"Use a suffix such as .cif, or format= one of {', '.join(writable)}.",
        )
    data = chosen.write(crystal).encode()
    write_bytes(path, gzip.compress(data) if path.suffix.lower() == ".gz" else data)
