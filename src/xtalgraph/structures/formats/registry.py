"""The formats of structure files: one entry makes a format work wherever files are read or written.

`FORMATS` is asked by `read_crystals` and `write_crystal`, by data sets in folders, by `predict` and
`screen`, and by the messages that list what can be read. An entry of another package comes through
the entry points `xtalgraph.formats`. The module of a format is loaded when its first file is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from os.path import splitext
from typing import TYPE_CHECKING, Any

from xtalgraph.errors import BadConfig
from xtalgraph.registry import Registry

if TYPE_CHECKING:
    from xtalgraph.errors import Rejected
    from xtalgraph.structures.crystal import Crystal

_DATA_BLOCK = re.compile(r"^[ \t]*data_", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True)
class Format:
    """One format of structure files.

    Attributes:
        name: Its name in messages and for `format`.
        read: Gives the crystals of a text. It takes the text, the id (of one crystal; several are
            called `id#0`, `id#1`, …) and a list for crystals that are refused among several, or
            None, with which the first refusal is raised as `BadCrystal`.
        write: Gives the text of one crystal; None where the format is only read.
        split: Gives the texts of single crystals from the lines of a file, for files of many
            frames that may be larger than memory. None: a file is read whole.
        sniff: Tells whether a text of unknown name is of this format.
        suffixes: What the names of its files end in, in small letters and with the point.
        file_names: What the names of its files begin with where they have no suffix, such as
            `POSCAR`; case does not count.
        not_names: Files that have the suffix and are no structures.
        is_often_other: Whether files of its suffixes are often something else, as JSON is: in a
            folder they count as structures only where there are no others.
        priority: The lower one wins where one id has files of several formats.
    """

    name: str
    read: Callable[[str, str, list[Rejected] | None], list[Crystal]]
    suffixes: tuple[str, ...] = ()
    file_names: tuple[str, ...] = ()
    write: Callable[[Crystal], str] | None = None
    split: Callable[[Iterable[str]], Iterator[str]] | None = None
    sniff: Callable[[str], bool] | None = None
    not_names: tuple[str, ...] = ()
    is_often_other: bool = False
    priority: int = 100


class Formats(Registry[Format]):
    """The registry of formats, which also finds a format by the name or content of a file."""

    def __init__(self) -> None:
        super().__init__("structure format", "xtalgraph.formats")
        self._by_suffix: dict[str, Format] = {}

    def add(self, name: str, entry: Format) -> Format:
        """Add a format; a name or a suffix that is taken is refused."""
        for suffix in entry.suffixes:
            if suffix in self._by_suffix:
                raise BadConfig(
                    f"the suffix {suffix!r} belongs to the structure format "
                    f"{self._by_suffix[suffix].name!r} already. Choose another suffix."
                )
        super().add(name, entry)
        self._by_suffix |= dict.fromkeys(entry.suffixes, entry)
        return entry

    def find(self, name: str) -> Format | None:
        """Return the format that the name of a file says, `.gz` or not, or None.

        >>> [FORMATS.find(name).name for name in ("POSCAR.gz", "b.CIF")], FORMATS.find("c.txt")
        (['poscar', 'cif'], None)
        """
        if name.endswith(".cif"):  # nearly every file
            return self._by_suffix[".cif"]
        name = _unpacked(name)
        found = self._find(name.lower())
        if found is None and not self._is_complete:
            self._complete()
            found = self._find(name.lower())
        return None if found is None or name in found.not_names else found

    def _find(self, name: str) -> Format | None:
        found = self._by_suffix.get(splitext(name)[1])
        if found is None:
            for entry in self._entries.values():
                if any(name.startswith(start.lower()) for start in entry.file_names):
                    return entry
        return found

    def sniff(self, text: str) -> Format | None:
        """Return the format that a text shows, or None."""
        by_priority = sorted(self.values(), key=lambda entry: entry.priority)
        return next((one for one in by_priority if one.sniff is not None and one.sniff(text)), None)

    def stem(self, name: str) -> str:
        """Return the name of a file without the suffixes of a structure: the id of its crystal.

        >>> FORMATS.stem("mp-1.5.cif.gz"), FORMATS.stem("POSCAR")
        ('mp-1.5', 'POSCAR')
        """
        if name.endswith(".cif") and name[0] != ".":  # nearly every file
            return name[:-4]
        name = _unpacked(name)
        stem, suffix = splitext(name)
        return stem if suffix.lower() in self._by_suffix else name

    def describe(self) -> str:
        """Return the names of files that are read, for messages and help."""
        names = [name for entry in self.values() for name in (*entry.suffixes, *entry.file_names)]
        return ", ".join(names)


def _unpacked(name: str) -> str:
    return name[:-3] if name[-3:].lower() == ".gz" else name


def _load_later(module: str, function: str) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        found = getattr(import_module(f"xtalgraph.structures.formats.{module}"), function)
        return found(*arguments)

    return call


def _is_json(text: str) -> bool:
    return text.lstrip()[:1] in ("{", "[")


def _has_data_block(text: str) -> bool:
    return not _is_json(text) and _DATA_BLOCK.search(text) is not None


def _begins_with_count(text: str) -> bool:
    return text.lstrip().split("\n", 1)[0].strip().isdecimal()


def _has_lattice_lines(text: str) -> bool:
    """Return whether the third to fifth line each begin with three numbers, as in a POSCAR."""
    lines = text.split("\n", 6)
    try:
        words = [line.replace("D", "E").replace("d", "e").split()[:3] for line in lines[2:5]]
        rows = [[float(word) for word in line] for line in words]
    except ValueError:
        return False
    return len(lines) > 5 and [len(row) for row in rows] == [3] * 3 and not _begins_with_count(text)


FORMATS = Formats()
"""The formats by name. `FORMATS.add("res", Format(...))` makes one known everywhere."""

for _entry in (
    Format(
        "cif",
        _load_later("cif", "read_cif"),
        suffixes=(".cif", ".mcif"),
        write=_load_later("cif", "format_cif"),
        sniff=_has_data_block,
        priority=10,
    ),
    Format(
        "poscar",
        _load_later("poscar", "read_poscar_text"),
        suffixes=(".vasp", ".poscar"),
        file_names=("POSCAR", "CONTCAR"),
        write=_load_later("poscar", "format_poscar"),
        sniff=_has_lattice_lines,
        priority=20,
    ),
    Format(
        "extxyz",
        _load_later("extended_xyz", "read_extended_xyz"),
        suffixes=(".xyz", ".extxyz"),
        write=_load_later("extended_xyz", "format_extended_xyz"),
        split=_load_later("extended_xyz", "split_frames"),
        sniff=_begins_with_count,
        priority=30,
    ),
    Format(
        "json",
        _load_later("pymatgen_json", "read_structure_json"),
        suffixes=(".json", ".jsonl"),
        write=_load_later("pymatgen_json", "format_structure_json"),
        sniff=_is_json,
        not_names=("atom_init.json",),  # the element vectors in a folder of the 2018 layout
        is_often_other=True,
        priority=40,
    ),
):
    FORMATS.add(_entry.name, _entry)
