"""The data set that the package makes itself: oxides and perovskites of a classical ionic model.

It needs no download and is the same on every run, so that a newcomer, a test or a course can train
at once. Its energies are those of an ionic model (formal charges and Born repulsion) and NOT of
density functional theory or experiment; its structures are built from ionic radii, and many of them
have never been made. Learn the tool with it, never chemistry.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from xtalgraph.data.dataset import Dataset
from xtalgraph.data.ionic.born import relax_size
from xtalgraph.data.ionic.oxide_prototypes import list_oxides
from xtalgraph.data.ionic.perovskites import list_perovskites
from xtalgraph.data.ionic.prototypes import Prototype
from xtalgraph.data.shannon import Ion
from xtalgraph.structures.crystal import Crystal
from xtalgraph.structures.store import CrystalStore
from xtalgraph.units import KNOWN_TARGETS

TARGET = KNOWN_TARGETS["ionic_energy_per_atom"]
PEROVSKITE, OTHER_OXIDE = "perovskite", "other oxide"
_ANION_NAMES = {
    "O": "oxide",
    "F": "fluoride",
    "Cl": "chloride",
    "Br": "bromide",
    "I": "iodide",
    "S": "sulfide",
    "N": "nitride",
}


def make_ionic_dataset() -> Dataset:
    """Make the embedded data set `ionic`: about 700 perovskites and 950 oxides of other types.

    Perovskites ABX₃ (oxides, halides, sulfides, nitrides) are all combinations of common ions with
    radii of Shannon (1976) that are neutral and within the windows of Goldschmidt's tolerance
    factor and of the octahedral factor. Each is there as the cubic form and, where the tolerance
    factor is below 0.985, also tilted: a⁰a⁰c⁻ (I4/mcm) or, below 0.95, a⁻a⁻c⁺ (Pbnm). The other
    oxides are neutral combinations in twenty structure types. Every cell has the size of least
    energy.

    Columns:

    - `ionic_energy_per_atom` (eV/atom): the classical ionic lattice energy against separate ions,
      Ewald sum of formal charges plus Born repulsion. An ionic model, not DFT.
    - `is_perovskite`: `perovskite` or `other oxide`, for classification; missing for the
      perovskites that are no oxides, so that the anion does not give the answer away.
    - `prototype`: the structure type; `anion`: oxide, fluoride, …

    Takes about 2 seconds.
    """
    rows = [_make_row(prototype, ions) for prototype, ions in _list_recipes()]
    crystals = CrystalStore.from_crystals(row.crystal for row in rows)
    columns = pd.DataFrame(
        {
            TARGET.name: [row.energy for row in rows],
            "is_perovskite": pd.Series([row.label for row in rows], dtype=object),
            "prototype": pd.Series([row.prototype for row in rows], dtype=object),
            "anion": pd.Series([row.anion for row in rows], dtype=object),
        }
    )
    checksum = _checksum(crystals, columns)
    source = "made by xtalgraph from ionic radii (ionic model, not DFT)"
    return Dataset("ionic", crystals, columns, {TARGET.name: TARGET}, source, checksum)


@dataclass(frozen=True)
class _Row:
    crystal: Crystal
    energy: float
    label: str | None
    prototype: str
    anion: str


def _list_recipes() -> Iterator[tuple[Prototype, dict[str, Ion]]]:
    yield from list_perovskites()
    yield from list_oxides()


def _make_row(prototype: Prototype, ions: Mapping[str, Ion]) -> _Row:
    built, placed = prototype.build(ions, "")
    relaxed, energy = relax_size(built, placed)
    id = f"{_write_formula(ions, placed)}_{prototype.name.replace(' ', '-')}"
    # Rounded so that the last bits of a platform's arithmetic do not show in the checksum.
    crystal = Crystal(
        np.round(relaxed.lattice, 7),
        np.round(relaxed.fractional_positions, 9),
        relaxed.atomic_numbers,
        id,
    )
    is_perovskite = prototype.name.endswith("perovskite")
    is_oxide = ions["X"].element == "O"
    label = (PEROVSKITE if is_perovskite else OTHER_OXIDE) if is_oxide else None
    anion = _ANION_NAMES[ions["X"].element]
    return _Row(crystal, round(energy, 7), label, prototype.name, anion)


def _write_formula(ions: Mapping[str, Ion], placed: Sequence[Ion]) -> str:
    counts = [placed.count(ions[role]) for role in sorted(ions)]
    factor = int(np.gcd.reduce(counts))
    numbers = [str(count // factor) if count > factor else "" for count in counts]
    symbols = [ions[role].element for role in sorted(ions)]
    return "".join(symbol + number for symbol, number in zip(symbols, numbers, strict=True))


def _checksum(crystals: CrystalStore, columns: pd.DataFrame) -> str:
    """SHA-256 of the content, since there is no file."""
    total = hashlib.sha256()
    for array in (crystals.lattices, crystals.fractional_positions, crystals.atomic_numbers):
        total.update(array.tobytes())
    total.update("\n".join(crystals.ids.tolist()).encode())
    total.update(columns.to_csv(index=False).encode())
    return total.hexdigest()
