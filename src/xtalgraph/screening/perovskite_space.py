"""All perovskites ABX₃ of chosen elements, as cubic cells of five atoms, by number."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import pandas as pd

from xtalgraph.errors import BadConfig, Rejected, UnknownName
from xtalgraph.screening.candidates import Candidates, Chunk, generate_chunks
from xtalgraph.screening.cell_sizes import CellRule, RadiiCells, Sites
from xtalgraph.screening.perovskite_sites import (
    ANION_CHARGES,
    METALS,
    Cations,
    SiteCharges,
    anion_sums,
    choose_charges,
)
from xtalgraph.structures import CrystalStore
from xtalgraph.structures.elements import atomic_number
from xtalgraph.units import Target

_CASTELLI = (
    "Li Be B Na Mg Al Si K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Rb Sr Y Zr Nb Mo Ru Rh Pd Ag "
    "Cd In Sn Sb Te Cs Ba La Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi"
)
CASTELLI_METALS = tuple(_CASTELLI.split())
"""The 52 elements that Castelli et al. (2012) use on A and on B."""
CASTELLI_ANIONS = ("O3", "O2N", "ON2", "N3", "O2S", "O2F", "OFN")
"""The anions of that set: 52 × 52 × 7 = 18,928 perovskites."""

ELEMENT_SETS = {"castelli": CASTELLI_METALS, "metals": METALS}
"""Names of lists of elements."""

_POSITIONS = np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
_TERM = re.compile(r"([A-Z][a-z]?)(\d?)")
_TARGETS = {"lattice_constant": Target("lattice_constant", "Å")}


@dataclass(frozen=True)
class PerovskiteSpace:
    """Cubic perovskites: A on the corner, B in the centre, three X on the faces of a cube.

    Candidates are numbered by their anions, then by A and B. Equal elements on A and B are allowed.

    Attributes:
        a_elements: Elements on A.
        b_elements: Elements on B.
        anions: Combinations of three anions, such as `O3` and `O2N`.
        cells: The rule for lattice constants.
        charge_balance: Build only candidates with common oxidation states that add up to zero.
        tolerance: Range of Goldschmidt's tolerance factor; candidates without tabulated radii are
            outside any range.
        octahedral: Range of the octahedral factor r_B / r_X, likewise.

    >>> space = PerovskiteSpace(("Ca", "Sr"), ("Ti",), ("O3", "O2N"))
    >>> len(space), [crystal.id for crystal in space.make(0, 4).crystals]
    (4, ['CaTiO3', 'SrTiO3', 'CaTiO2N', 'SrTiO2N'])
    """

    a_elements: tuple[str, ...] = CASTELLI_METALS
    b_elements: tuple[str, ...] = CASTELLI_METALS
    anions: tuple[str, ...] = CASTELLI_ANIONS
    cells: CellRule = field(default_factory=RadiiCells)
    charge_balance: bool = False
    tolerance: tuple[float, float] | None = None
    octahedral: tuple[float, float] | None = None

    may_repeat = False
    title = "perovskites"

    def __post_init__(self) -> None:
        for site, elements in (("A", self.a_elements), ("B", self.b_elements)):
            for symbol in elements:
                if symbol not in METALS:
                    raise UnknownName(f"element for the {site} site", symbol, METALS)
        for name, values in zip(
            ("A", "B", "X"), (self.a_elements, self.b_elements, self.anions), strict=True
        ):
            if not values or len(set(values)) < len(values):
                raise BadConfig(f"{name}: {', '.join(values)}. Name at least one, and each once.")
        for window in (self.tolerance, self.octahedral):
            if window is not None and not window[0] < window[1]:
                raise BadConfig(f"the range from {window[0]} to {window[1]} is empty.")

    def __len__(self) -> int:
        return len(self.anions) * len(self.a_elements) * len(self.b_elements)

    @property
    def n_candidates(self) -> int:
        """Number of combinations, before any filter."""
        return len(self)

    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return {
            "kind": "perovskites",
            "A": list(self.a_elements),
            "B": list(self.b_elements),
            "X": list(self.anions),
            "cells": self.cells.describe(),
            "charge_balance": self.charge_balance,
            "tolerance": self.tolerance and list(self.tolerance),
            "octahedral": self.octahedral and list(self.octahedral),
        }

    def chunks(self, done: Container[int]) -> Iterator[tuple[int, Chunk]]:
        """Return the chunks that are not done."""
        return generate_chunks(self, done)

    def make(self, first: int, last: int) -> Candidates:
        """Build the candidates `first` to `last` - 1, about 2 µs each."""
        rows = np.arange(first, min(last, len(self)))
        rows, row_b = np.divmod(rows, len(self.b_elements))
        row_x, row_a = np.divmod(rows, len(self.a_elements))
        tables = self._tables
        charges = choose_charges(
            tables.a, tables.b, row_a, row_b, tables.x_charge[row_x], tables.x_radius[row_x]
        )
        left_out, kept = self._filter(charges)
        sites = Sites(
            tables.a_numbers[row_a],
            tables.b_numbers[row_b],
            tables.x_numbers[row_x],
            charges.b_x,
        )
        edges = self.cells.edges(sites)
        texts = self._texts(row_a, row_b, row_x)
        missing = kept & ~np.isfinite(edges)
        rejected = tuple(
            Rejected(
                str(texts["id"][row]),
                self.cells.explain_missing([str(texts[site][row]) for site in "ABX"]),
            )
            for row in np.flatnonzero(missing).tolist()
        )
        good = np.flatnonzero(kept & ~missing)
        columns = _tabulate(texts, charges, edges).iloc[good].reset_index(drop=True)
        store = _build(sites, edges, texts["id"], good)
        return Candidates(store, columns, _TARGETS, left_out, rejected)

    def _filter(self, charges: SiteCharges) -> tuple[dict[str, int], np.ndarray]:
        """Return how many each filter leaves out (the first that does), and which are kept."""
        kept = np.ones(len(charges.a), dtype=bool)
        left_out = {}
        for name, wanted, passes in (
            ("charge balance", self.charge_balance, charges.is_neutral),
            ("tolerance factor", self.tolerance, _within(charges.tolerance_factor, self.tolerance)),
            (
                "octahedral factor",
                self.octahedral,
                _within(charges.octahedral_factor, self.octahedral),
            ),
        ):
            if wanted:
                left_out[name] = int((kept & ~passes).sum())
                kept &= passes
        return left_out, kept

    def _texts(
        self, row_a: np.ndarray, row_b: np.ndarray, row_x: np.ndarray
    ) -> dict[str, np.ndarray]:
        kind = np.dtypes.StringDType()
        a = np.array(self.a_elements, dtype=kind)[row_a]
        b = np.array(self.b_elements, dtype=kind)[row_b]
        x = np.array(self.anions, dtype=kind)[row_x]
        return {"id": a + b + x, "A": a, "B": b, "X": x}

    @cached_property
    def _tables(self) -> _Tables:
        anions = [read_anions(text) for text in self.anions]
        x_charge, x_radius = anion_sums(anions)
        return _Tables(
            Cations(self.a_elements, 12),
            Cations(self.b_elements, 6),
            np.array([atomic_number(symbol) for symbol in self.a_elements]),
            np.array([atomic_number(symbol) for symbol in self.b_elements]),
            np.array([[atomic_number(symbol) for symbol in three] for three in anions]),
            x_charge,
            x_radius,
        )


@dataclass(frozen=True, eq=False)
class _Tables:
    """Lookup tables for the elements and anions of a space, made once per process."""

    a: Cations
    b: Cations
    a_numbers: np.ndarray
    b_numbers: np.ndarray
    x_numbers: np.ndarray
    x_charge: np.ndarray
    x_radius: np.ndarray


def list_elements(words: Sequence[str]) -> tuple[str, ...]:
    """Return elements in the order given, with names of lists expanded.

    Args:
        words: Symbols of elements, `castelli` or `metals`.

    Returns:
        Symbols, each once.
    """
    found = [symbol for word in words for symbol in ELEMENT_SETS.get(word, (word,))]
    return tuple(dict.fromkeys(found))


def list_anions(words: Sequence[str]) -> tuple[str, ...]:
    """Return combinations of three anions.

    Args:
        words: Formulas of three atoms, each one combination, and single elements, which together
            stand for all combinations of three of them.

    Returns:
        Formulas of three atoms, each once.

    Raises:
        BadConfig: A word is neither a formula of three atoms nor an element.

    >>> list_anions(["O2N", "O", "F"])
    ('O2N', 'O3', 'O2F', 'OF2', 'F3')
    """
    singles = [word for word in words if word in ANION_CHARGES]
    found = [word for word in words if word not in ANION_CHARGES]
    for word in found:
        read_anions(word)
    for three in combinations_with_replacement(singles, 3):
        counts = {symbol: three.count(symbol) for symbol in three}
        found.append("".join(f"{s}{n if n > 1 else ''}" for s, n in counts.items()))
    return tuple(dict.fromkeys(found))


def read_anions(text: str) -> tuple[str, ...]:
    """Return the three anions of a formula.

    >>> read_anions("O2N"), read_anions("OFN")
    (('O', 'O', 'N'), ('O', 'F', 'N'))
    """
    terms = _TERM.findall(text)
    symbols = [symbol for symbol, count in terms for _ in range(int(count or 1))]
    whole = "".join(symbol + count for symbol, count in terms) == text
    if not whole or len(symbols) != 3:
        raise BadConfig(f"anions {text!r}: write three atoms, such as O3, O2N or OFN.")
    for symbol in symbols:
        if symbol not in ANION_CHARGES:
            raise UnknownName("anion", symbol, ANION_CHARGES)
    return tuple(symbols)


def _within(values: np.ndarray, window: tuple[float, float] | None) -> np.ndarray:
    low, high = window or (-np.inf, np.inf)
    return (values >= low) & (values <= high)


def _tabulate(
    texts: dict[str, np.ndarray], charges: SiteCharges, edges: np.ndarray
) -> pd.DataFrame:
    frame = pd.DataFrame({site: texts[site].astype(object) for site in "ABX"})
    frame["charge_A"], frame["charge_B"] = charges.a, charges.b
    frame["is_neutral"] = charges.is_neutral
    frame["tolerance_factor"] = charges.tolerance_factor
    frame["octahedral_factor"] = charges.octahedral_factor
    frame["lattice_constant"] = edges
    return frame


def _build(sites: Sites, edges: np.ndarray, ids: np.ndarray, good: np.ndarray) -> CrystalStore:
    numbers = np.column_stack([sites.a[good], sites.b[good], sites.x[good]])
    return CrystalStore(
        edges[good, None, None] * np.eye(3),
        np.tile(_POSITIONS, (len(good), 1)),
        numbers.ravel().astype(np.uint8),
        5 * np.arange(len(good) + 1),
        ids[good],
    )
