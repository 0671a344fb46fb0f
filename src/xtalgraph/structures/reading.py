"""Reading crystals from files, folders, globs and text, whatever their format."""

from __future__ import annotations

import glob
import gzip
import os
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from os.path import basename, splitext
from pathlib import Path
from typing import Any, TypeGuard

from xtalgraph.errors import BadCrystal, Rejected, UnknownName, summarise
from xtalgraph.structures.crystal import Crystal
from xtalgraph.structures.formats.cif import read_cif
from xtalgraph.structures.formats.extended_xyz import iterate_extended_xyz, read_extended_xyz
from xtalgraph.structures.formats.poscar import has_lattice, read_poscar
from xtalgraph.structures.formats.pymatgen_json import read_structure_dict, read_structure_json
from xtalgraph.structures.store import CrystalStore

Source = str | Path | Mapping[str, Any]
Reader = Callable[[str, str, list[Rejected] | None], list[Crystal]]


def _read_one_poscar(text: str, id: str, rejected: list[Rejected] | None) -> list[Crystal]:
    return [read_poscar(text, id)]


READERS: dict[str, Reader] = {
    "cif": read_cif,
    "extxyz": read_extended_xyz,
    "json": read_structure_json,
    "poscar": _read_one_poscar,
}
"""The formats, by the name that `format=` takes."""

SUFFIXES = {
    ".cif": "cif",
    ".mcif": "cif",
    ".xyz": "extxyz",
    ".extxyz": "extxyz",
    ".json": "json",
    ".jsonl": "json",
    ".vasp": "poscar",
    ".poscar": "poscar",
}
_NOT_STRUCTURES = {"atom_init.json"}  # the element vectors in a folder of the 2018 layout
_AT_ONCE = 2048  # crystals of one piece: some MB
_PIECE = 1 << 15  # bytes that are asked for at first: most structures have fewer
_LARGE = 1 << 23  # bytes; from here on a file of many frames is not held whole
_DATA_BLOCK = re.compile(r"^\s*data_", re.MULTILINE | re.IGNORECASE)


class _PathText(str):
    """The path of a file in a folder: a `Path` would take as long to make as the file to read."""


def read_crystal(source: Source, *, id: str | None = None, format: str | None = None) -> Crystal:
    """Give the one crystal of a file, of text, or of a pymatgen dict.

    Text is told from a path by its line breaks (or a leading brace), its format by its content. The
    id is the file's stem, or the name of a CIF's data block. A source with several crystals is
    refused.

    >>> read_crystal('1\\nLattice="2.87 0 0 0 2.87 0 0 0 2.87"\\nFe 0 0 0', id="Fe").formula
    'Fe'
    """
    if format == "cif" and isinstance(source, str) and "\n" in source:
        crystals = read_cif(source, id or "")  # the quick way, for tables with CIF text
    else:
        crystals = _read_source(source, id, format, None)
    return only_one(crystals, id)


def only_one(crystals: list[Crystal], id: str | None = None) -> Crystal:
    """Give the crystal of a source that holds one."""
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
    """Give the crystals of a path, a folder, a glob, text, or an iterable of them.

    Each data block or frame is a crystal of its own, with the id `stem`, or `stem#block` where a
    file holds several; files of one name in different folders get `folder/stem`. With a list
    `rejected` what cannot be read is added to it and the rest is given; without it all problems
    are raised together.
    """
    problems: list[Rejected] = [] if rejected is None else rejected
    if isinstance(sources, str | Path | Mapping):
        sources = [sources]
    items = [item for source in sources for item in _expand(source)]
    names = _name_sources(items)
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
            remedy="Mend them, or pass rejected=[] to read the others.",
        )
    return CrystalStore.from_crystals(crystals)


def iterate_files(files: Sequence[Path]) -> Iterator[tuple[CrystalStore, list[Rejected]]]:
    """Give the crystals of files some thousand at a time, and what cannot be read among them.

    Ids are those of `read_crystals`. A large extended xyz file is read frame by frame; other files
    are held one at a time.
    """
    crystals: list[Crystal] = []
    problems: list[Rejected] = []
    for file, name in zip(files, _name_sources(list(files)), strict=True):
        for crystal in _iterate_source(file, name, problems):
            crystals.append(crystal)
            if len(crystals) >= _AT_ONCE:
                yield CrystalStore.from_crystals(crystals), problems.copy()
                crystals.clear()
                problems.clear()
    if crystals or problems:
        yield CrystalStore.from_crystals(crystals), problems


def find_files(folder: Path) -> list[Path]:
    """Give the structure files of a folder by name, sorted; its subfolders are not searched."""
    files = list_structure_files(folder)
    _refuse_none(files, folder)
    return files


def _refuse_none(files: Sequence[object], folder: Path) -> None:
    if not files:
        raise BadCrystal(
            "the folder has no structure files",
            file=str(folder),
            remedy=f"Known are {', '.join(SUFFIXES)}, POSCAR and CONTCAR; for subfolders give a "
            "glob such as 'folder/**/*.cif'.",
        )


def list_structure_files(folder: Path) -> list[Path]:
    """Give the structure files of a folder by name, sorted; there may be none."""
    return [folder / name for name in list_structure_names(folder)]


def list_structure_names(folder: Path) -> list[str]:
    """Give the names of the structure files of a folder, sorted; there may be none."""
    with os.scandir(folder) as entries:  # which knows what is a file without asking for each
        return sorted(
            entry.name for entry in entries if is_structure_name(entry.name) and entry.is_file()
        )


def is_structure_file(path: Path) -> bool:
    """Tell by the name whether a file is a structure; `atom_init.json` is none."""
    return is_structure_name(path.name)


def is_structure_name(name: str) -> bool:
    """Tell whether a file of this name is a structure."""
    return format_of_name(name) is not None and name not in _NOT_STRUCTURES


def format_of(path: Path) -> str | None:
    """Give the format that the name of a file says, or None.

    >>> format_of(Path("a/POSCAR.gz")), format_of(Path("b.CIF")), format_of(Path("c.txt"))
    ('poscar', 'cif', None)
    """
    return format_of_name(path.name)


def format_of_name(name: str) -> str | None:
    """Give the format that a name says, or None."""
    if name.endswith(".cif"):  # nearly every file
        return "cif"
    name = _unpacked(name).lower()
    suffix = splitext(name)[1]
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    return "poscar" if name.startswith(("poscar", "contcar")) else None


def _expand(source: Source) -> list[Source]:
    """Give the files of a folder or a glob; anything else stands for itself."""
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


def _name_sources(items: list[Source]) -> list[str]:
    """Give the stem of each file, with its folder where two files share the stem."""
    stems = [stem_of_name(basename(item)) if _is_path(item) else "" for item in items]
    counts = Counter(stems)
    return [
        f"{Path(item).parent.name}/{stem}" if counts[stem] > 1 and _is_path(item) else stem
        for item, stem in zip(items, stems, strict=True)
    ]


def _is_path(item: Source) -> TypeGuard[Path | _PathText]:
    return isinstance(item, Path | _PathText)


def stem_of(path: Path) -> str:
    """Give the name of a file without the suffixes of a structure: the id of its crystal."""
    return stem_of_name(path.name)


def stem_of_name(name: str) -> str:
    """Give a name without the suffixes of a structure."""
    if name.endswith(".cif") and name[0] != ".":  # nearly every file
        return name[:-4]
    name = _unpacked(name)
    stem, suffix = splitext(name)
    return stem if suffix.lower() in SUFFIXES else name


def _unpacked(name: str) -> str:
    return name[:-3] if name[-3:].lower() == ".gz" else name


def _is_text(source: str | Path) -> bool:
    return isinstance(source, str) and ("\n" in source or source.lstrip()[:1] in ("{", "["))


def _read_source(
    source: Source, id: str | None, format: str | None, rejected: list[Rejected] | None
) -> list[Crystal]:
    if format is not None and format not in READERS:
        raise UnknownName("structure format", format, READERS)
    if _is_path(source):  # asked first: whether it is a mapping takes longer to tell
        return read_file(source, id, format, rejected)
    if isinstance(source, Mapping):
        return [read_structure_dict(dict(source), id or "")]
    if _is_text(source):
        text = str(source)
        return READERS[format or _format_of_text(text, id or "")](text, id or "", rejected)
    return read_file(Path(source), id, format, rejected)


def read_file(
    path: str | Path,
    id: str | None = None,
    format: str | None = None,
    rejected: list[Rejected] | None = None,
    *,
    content: bytes | None = None,
) -> list[Crystal]:
    """Give the crystals of a structure file, or of its `content` where that was read before."""
    if format is not None and format not in READERS:
        raise UnknownName("structure format", format, READERS)
    name = basename(path)
    id = id or stem_of_name(name)
    try:
        text = _decode(read_bytes(path) if content is None else content)
        return READERS[format or format_of_name(name) or _format_of_text(text, id)](
            text, id, rejected
        )
    except BadCrystal as problem:
        raise BadCrystal(
            problem.problem,
            id=problem.id or id,
            file=str(path),
            site=problem.site,
            remedy=problem.remedy,
        ) from problem.__cause__


def _iterate_source(file: Path, name: str, problems: list[Rejected]) -> Iterator[Crystal]:
    try:
        if format_of(file) == "extxyz" and file.suffix != ".gz" and file.stat().st_size > _LARGE:
            with open(file, encoding="utf-8-sig", errors="replace") as lines:
                yield from iterate_extended_xyz(lines, name, problems)
        else:
            yield from _read_source(file, name, None, problems)
    except (BadCrystal, OSError) as problem:
        problems.append(Rejected(getattr(problem, "id", "") or name, str(problem)))


def read_bytes(path: str | Path) -> bytes:
    """Give what a file holds, by the system's own calls: a third of the time of Python's `open`."""
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
    """Give the text of a file, unpacked where it is compressed with gzip."""
    if data.startswith(b"\x1f\x8b"):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as problem:
            remedy = "Copy or compress it again."
            raise BadCrystal(f"broken gzip ({problem})", remedy=remedy) from problem
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


def _format_of_text(text: str, id: str) -> str:
    """Give the format that the content shows."""
    start = text.lstrip()
    if start[:1] in ("{", "["):
        return "json"
    if _DATA_BLOCK.search(text):
        return "cif"
    lines = text.splitlines()
    if start.split(maxsplit=1)[:1] and start.splitlines()[0].strip().isdecimal():
        return "extxyz"
    if len(lines) > 5 and has_lattice(lines):
        return "poscar"
    raise BadCrystal(
        "its format is not recognised",
        id=id,
        remedy=f"Give it a name that says it ({', '.join(SUFFIXES)}, POSCAR), or in Python format= "
        f"one of {', '.join(READERS)}.",
    )
