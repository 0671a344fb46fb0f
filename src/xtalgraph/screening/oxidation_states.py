"""Common oxidation states of the elements, and which crystals they can make neutral."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from xtalgraph.structures import CrystalStore
from xtalgraph.structures.elements import SYMBOLS, atomic_number

_BY_STATES = {
    "H": (1, -1),
    "Li Na K Rb Cs Ag": (1,),
    "Be Mg Ca Sr Ba Zn Cd": (2,),
    "B Al Sc Y La Ga In Lu Gd Dy Ho Er Nd": (3,),
    "Pr Tb Ce": (3, 4),
    "Sm Eu Yb Tm": (2, 3),
    "C": (4, -4),
    "Si": (4, -4),
    "Ge Sn Pb": (2, 4),
    "N": (-3, 3, 5),
    "P": (5, 3, -3),
    "As Sb Bi": (3, 5, -3),
    "O": (-2,),
    "S Se Te": (-2, 4, 6),
    "F": (-1,),
    "Cl Br": (-1,),
    "I": (-1, 5),
    "Ti": (2, 3, 4),
    "Zr Hf Th": (4,),
    "V": (2, 3, 4, 5),
    "Nb Ta": (3, 4, 5),
    "Cr": (2, 3, 4, 5, 6),
    "Mo W": (3, 4, 5, 6),
    "Mn": (2, 3, 4, 6, 7),
    "Tc": (4, 7),
    "Re": (4, 5, 6, 7),
    "Fe": (2, 3, 4),
    "Ru Rh Ir": (3, 4, 5),
    "Os": (4, 5, 6, 7),
    "Co Ni": (2, 3),
    "Pd Pt": (2, 4),
    "Cu": (1, 2),
    "Au Tl": (1, 3),
    "Hg": (2,),
    "U": (4, 5, 6),
    "Np Pu": (3, 4),
}
OXIDATION_STATES: dict[str, tuple[int, ...]] = {
    symbol: states for symbols, states in _BY_STATES.items() for symbol in symbols.split()
}
"""The common oxidation states of each element in solids. Elements not listed here have none."""

ANION_CHARGES = {"N": -3, "O": -2, "S": -2, "Se": -2, "F": -1, "Cl": -1, "Br": -1, "I": -1}
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
