"""Common oxidation states of the elements, and which crystals they can make neutral."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import numpy as np
from jaxtyping import Bool

from xtalgraph.structures import CrystalStore
from xtalgraph.structures.elements import SYMBOLS, atomic_number

_TABLE = tomllib.loads(
    files("xtalgraph.screening").joinpath("oxidation_states.toml").read_text("utf-8")
)
OXIDATION_STATES: dict[str, tuple[int, ...]] = {
    symbol: tuple(states)
    for symbols, states in _TABLE["states"].items()
    for symbol in symbols.split()
}
"""The common oxidation states of each element in solids. Elements not listed here have none."""

ANION_CHARGES: dict[str, int] = _TABLE["anions"]
"""The elements on the X site of perovskites, each with its charge there."""

METALS = tuple(
    symbol
    for symbol, states in OXIDATION_STATES.items()
    if max(states) > 0 and symbol not in ANION_CHARGES and symbol not in ("H", "C", "P")
)
"""The elements allowed on A and B sites: those with a positive state that are not anions."""


def can_be_neutral(store: CrystalStore) -> Bool[np.ndarray, "n_crystals"]:
    """Return which crystals are neutral with one common oxidation state per element.

    All atoms of an element have the same state, so that Fe₃O₄ (Fe²⁺ and Fe³⁺) is not found.
    Elemental metals, and crystals with an element without a common state, are not neutral by this
    rule either. It takes about 5 µs per crystal.
    """
    crystal = np.repeat(np.arange(len(store)), store.n_atoms)
    keys, counts = np.unique(
        crystal * len(SYMBOLS) + store.atomic_numbers.astype(np.int64), return_counts=True
    )
    reached: list[set[int]] = [{0} for _ in range(len(store))]
    for row, number, count in zip(
        (keys // len(SYMBOLS)).tolist(),
        (keys % len(SYMBOLS)).tolist(),
        counts.tolist(),
        strict=True,
    ):
        states = _STATES_BY_NUMBER.get(number, ())
        reached[row] = {charge + count * state for charge in reached[row] for state in states}
    return np.array([0 in charges for charges in reached], dtype=bool)


_STATES_BY_NUMBER = {atomic_number(symbol): states for symbol, states in OXIDATION_STATES.items()}
