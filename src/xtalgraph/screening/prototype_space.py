"""All crystals that result from substituting elements on some sites of a prototype."""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
import pandas as pd

from xtalgraph.errors import BadConfig, BadCrystal, Rejected, UnknownName
from xtalgraph.screening.candidates import Candidates, Chunk, generate_chunks
from xtalgraph.screening.cell_sizes import covalent_radii
from xtalgraph.screening.perovskite_space import list_elements
from xtalgraph.structures import Crystal, CrystalStore, read_crystal
from xtalgraph.structures.elements import SYMBOLS, atomic_number
from xtalgraph.structures.formats import FORMATS


@dataclass(frozen=True)
class Substitution:
    """Sites of a prototype that are substituted together, and the elements for them.

    Attributes:
        name: An element or the label of a site, as given by the user.
        sites: Atoms of the cell, counted from 0.
        elements: Symbols.
    """

    name: str
    sites: tuple[int, ...]
    elements: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class PrototypeSpace:
    """Every combination of the substitutions, with the cell scaled by the size of the atoms.

    The cell lengths are multiplied by the sum of the covalent radii of the new atoms divided by
    that of the old ones; fractional positions are kept. An id consists of that of the prototype and
    the elements in the order of the substitutions: `SrTiO3-Ba-Zr`.

    Attributes:
        crystal: The prototype.
        substitutions: The sites to substitute.
    """

    crystal: Crystal
    substitutions: tuple[Substitution, ...]

    may_repeat = True  # elements on two equivalent sites can be exchanged

    def __post_init__(self) -> None:
        taken = [site for one in self.substitutions for site in one.sites]
        if not taken or len(set(taken)) < len(taken):
            raise BadConfig(
                "substitutions of "
                f"{', '.join(one.name for one in self.substitutions)}: name at least one, and no "
                "site twice."
            )

    def __len__(self) -> int:
        return math.prod(len(one.elements) for one in self.substitutions)

    @property
    def n_candidates(self) -> int:
        """Number of combinations."""
        return len(self)

    @property
    def title(self) -> str:
        """The prototype's name."""
        return f"{self.crystal.id} with other elements"

    def describe(self) -> dict[str, Any]:
        """Return the prototype and its substitutions as JSON values."""
        return {
            "kind": "prototype",
            "id": self.crystal.id,
            "lattice": self.crystal.lattice.tolist(),
            "positions": self.crystal.fractional_positions.tolist(),
            "symbols": self.crystal.symbols,
            "substitutions": [
                {"name": one.name, "sites": list(one.sites), "elements": list(one.elements)}
                for one in self.substitutions
            ],
        }

    def chunks(self, done: Container[int]) -> Iterator[tuple[int, Chunk]]:
        """Return the chunks that are not done."""
        return generate_chunks(self, done)

    def make(self, first: int, last: int) -> Candidates:
        """Build the candidates `first` to `last` - 1."""
        places = np.arange(first, min(last, len(self)))
        n_crystals, n_atoms = len(places), self.crystal.n_atoms
        numbers = np.tile(self.crystal.atomic_numbers.astype(np.int64), (n_crystals, 1))
        kind = np.dtypes.StringDType()
        frame: dict[str, np.ndarray] = {}
        for one in reversed(self.substitutions):
            places, choice = np.divmod(places, len(one.elements))
            chosen = np.array([atomic_number(symbol) for symbol in one.elements])[choice]
            numbers[:, list(one.sites)] = chosen[:, None]
            frame[f"site_{one.name}"] = np.array(one.elements, dtype=kind)[choice]
        frame = dict(reversed(frame.items()))
        ids = np.full(n_crystals, self.crystal.id, dtype=kind)
        for symbols in frame.values():
            ids = ids + "-" + symbols
        radii = covalent_radii()
        scale = radii[numbers].sum(axis=1) / radii[self.crystal.atomic_numbers].sum()
        good = np.isfinite(scale)
        store = CrystalStore(
            scale[good, None, None] * self.crystal.lattice,
            np.tile(self.crystal.fractional_positions, (int(good.sum()), 1)),
            numbers[good].ravel().astype(np.uint8),
            n_atoms * np.arange(good.sum() + 1),
            ids[good],
        )
        columns = {name: symbols.astype(object)[good] for name, symbols in frame.items()}
        rejected = tuple(
            Rejected(str(ids[row]), _explain(self.crystal, numbers[row], radii))
            for row in np.flatnonzero(~good).tolist()
        )
        return Candidates(store, pd.DataFrame(columns), rejected=rejected)


def read_prototype(path: str | Path, assignments: Sequence[str]) -> PrototypeSpace:
    """Read a prototype from a structure file and parse its substitutions.

    Args:
        path: The structure file.
        assignments: Substitutions as `SITES=ELEMENTS`. SITES is an element of the prototype, which
            means all its sites (`Ti`), or a label from a CIF's `_atom_site_label`, which means the
            sites of that row (`O2`); a word that could be both is an element. ELEMENTS are
            comma-separated symbols, `castelli` or `metals`; the original element is not among them
            unless it is named.

    Returns:
        All combinations.

    Raises:
        BadCrystal: The file cannot be read.
        BadConfig: An assignment has another form.
        UnknownName: The prototype has no such site, or there is no such element.
    """
    crystal = read_crystal(path)
    if not crystal.id:
        crystal = crystal.with_id(Path(path).stem)
    substitutions = []
    for text in assignments:
        name, sign, words = text.partition("=")
        elements = list_elements([word for word in words.split(",") if word])
        if not sign or not elements:
            raise BadConfig(f"--substitute {text!r}: write SITES=ELEMENTS, such as Ti=Ti,Zr,Hf.")
        for symbol in elements:
            if symbol not in SYMBOLS[1:]:
                raise UnknownName("element", symbol, SYMBOLS[1:])
        substitutions.append(Substitution(name, _find_sites(crystal, path, name), elements))
    return PrototypeSpace(crystal, tuple(substitutions))


def _find_sites(crystal: Crystal, path: str | Path, name: str) -> tuple[int, ...]:
    symbols = crystal.symbols
    if name in symbols:
        return tuple(site for site, symbol in enumerate(symbols) if symbol == name)
    labels = _read_labels(Path(path)) if FORMATS.find(Path(path).name) is FORMATS["cif"] else []
    if name not in labels:
        raise UnknownName("site of the prototype", name, {*symbols, *labels})
    return _find_label(crystal, Path(path), labels.index(name))


def _read_labels(path: Path) -> list[str]:
    return list(gemmi.cif.read(str(path)).sole_block().find_values("_atom_site_label"))


def _find_label(crystal: Crystal, path: Path, row: int) -> tuple[int, ...]:
    """Return the atoms generated by a row of a CIF's table of sites.

    The row is changed to an element that the crystal does not contain, and the file is read again,
    so that the symmetry is applied by the same code.
    """
    marker = next(symbol for symbol in SYMBOLS[2:] if symbol not in crystal.symbols)
    document = gemmi.cif.read(str(path))
    block = document.sole_block()
    loop = block.find_loop("_atom_site_label").get_loop()
    if "_atom_site_type_symbol" not in loop.tags:
        loop.add_columns(["_atom_site_type_symbol"], "?")
        for index in range(loop.length()):
            loop[index, loop.width() - 1] = loop[index, loop.tags.index("_atom_site_label")]
    loop[row, loop.tags.index("_atom_site_type_symbol")] = marker
    for tag in ("_chemical_formula_sum", "_chemical_formula_structural", "_cell_formula_units_Z"):
        found = block.find_pair_item(tag)
        if found is not None:
            found.erase()
    marked = read_crystal(document.as_string(), format="cif")
    sites = tuple(np.flatnonzero(marked.atomic_numbers == atomic_number(marker)).tolist())
    if marked.n_atoms != crystal.n_atoms or not sites:
        raise BadCrystal(
            "its sites cannot be distinguished by label",
            id=crystal.id,
            file=str(path),
            remedy="Name elements instead, or write the file without symmetry.",
        )
    return sites


def _explain(crystal: Crystal, numbers: np.ndarray, radii: np.ndarray) -> str:
    unknown = sorted({SYMBOLS[n] for n in numbers if not np.isfinite(radii[n])})
    if unknown:
        return f"no covalent radius of {', '.join(unknown)} is known. Leave it out."
    return f"no covalent radius of an element of {crystal.id} is known. Use another prototype."
