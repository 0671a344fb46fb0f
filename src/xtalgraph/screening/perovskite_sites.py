"""Charges on A and B of perovskites, and quantities from their radii, for many candidates."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from jaxtyping import Bool, Float64, Int64

from xtalgraph.structures import CrystalStore
from xtalgraph.structures.elements import SYMBOLS, atomic_number

_FAR = 1e3  # so that neutrality outweighs any difference of tolerance factors
_NO_STATE = 99  # padding for elements with fewer states than others
_NUMERALS = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "", "XIV")
_LOW_SPIN = {("Co", 3, 6), ("Ni", 3, 6)}  # in oxides; otherwise the high-spin radius is used


@dataclass(frozen=True, eq=False)
class SiteCharges:
    """Charges and radii of the ions of each candidate; nan where no radius is tabulated."""

    a: Int64[np.ndarray, "n_crystals"]  # charges in e
    b: Int64[np.ndarray, "n_crystals"]
    is_neutral: Bool[np.ndarray, "n_crystals"]
    tolerance_factor: Float64[np.ndarray, "n_crystals"]
    octahedral_factor: Float64[np.ndarray, "n_crystals"]
    b_x: Float64[np.ndarray, "n_crystals"]  # r_B + r_X in Å


class Cations:
    """The states of a list of elements, each with its radius at a given coordination."""

    def __init__(self, elements: Sequence[str], coordination: int) -> None:
        positive = [[q for q in OXIDATION_STATES[element] if q > 0] for element in elements]
        n_states = max(map(len, positive))
        self.charges = np.full((len(elements), n_states), _NO_STATE)
        self.radii = np.full((len(elements), n_states), np.nan)
        for row, (element, charges) in enumerate(zip(elements, positive, strict=True)):
            self.charges[row, : len(charges)] = charges
            self.radii[row, : len(charges)] = [
                ionic_radius(element, charge, coordination) for charge in charges
            ]


def ionic_radius(element: str, charge: int, coordination: int) -> float:
    """Return Shannon's effective ionic radius in Å, or nan if none is tabulated.

    R. D. Shannon, Acta Cryst. A32, 751 (1976), where O²⁻ with six neighbours has 1.40 Å. For a
    charge or coordination that is not tabulated, the radius of the nearest one is used: the lower
    of two charges, the larger of two coordinations.

    >>> ionic_radius("Sr", 2, 12), ionic_radius("Sn", 2, 6), ionic_radius("He", 1, 12)
    (1.44, 0.69, nan)
    """
    table = shannon_radii(element)
    charges = [other for other in table if other * charge > 0]
    if not charges:
        return math.nan
    radii = table[min(charges, key=lambda other: (abs(other - charge), other))]
    return radii[min(radii, key=lambda other: (abs(other - coordination), -other))]


@cache
def shannon_radii(element: str) -> Mapping[int, Mapping[int, float]]:
    """Return the effective ionic radii (Å) of an element by charge and coordination, from pymatgen.

    Square-planar and pyramidal sites are left out.
    """
    from pymatgen.core.periodic_table import Element  # importing takes most of a second

    radii: dict[int, dict[int, float]] = {}
    for charge, sites in (Element(element).data.get("Shannon radii") or {}).items():
        for name, spins in sites.items():
            if charge and name in _NUMERALS:  # one entry of Eu has no charge
                key = element, int(charge), _NUMERALS.index(name) + 1
                choose = min if key in _LOW_SPIN else max
                radius = choose(spin["ionic_radius"] for spin in spins.values())
                radii.setdefault(key[1], {})[key[2]] = radius
    return radii


def choose_charges(
    a: Cations,
    b: Cations,
    rows_a: Int64[np.ndarray, "n_crystals"],
    rows_b: Int64[np.ndarray, "n_crystals"],
    anion_charge: Int64[np.ndarray, "n_crystals"],
    anion_radius: Float64[np.ndarray, "n_crystals"],
) -> SiteCharges:
    """Choose for each candidate the states of A and B that are closest to a neutral cell.

    Of several pairs that are equally close, the one whose tolerance factor is closest to 1 is
    chosen. The tolerance factor is (r_A + r_X) / √2 (r_B + r_X), A with twelve neighbours and B
    with six, the octahedral factor r_B / r_X; `anion_charge` is the sum over the three anions,
    `anion_radius` (Å) their mean.
    """
    charge_a, charge_b = a.charges[rows_a][:, :, None], b.charges[rows_b][:, None, :]
    radius_a, radius_b = a.radii[rows_a][:, :, None], b.radii[rows_b][:, None, :]
    radius_x = anion_radius[:, None, None]
    tolerance = (radius_a + radius_x) / (math.sqrt(2) * (radius_b + radius_x))
    imbalance = np.abs(charge_a + charge_b + anion_charge[:, None, None])
    strain = np.nan_to_num(np.abs(tolerance - 1), nan=_FAR / 10)
    n_crystals, _, n_b = tolerance.shape
    best = (_FAR * imbalance + strain).reshape(n_crystals, -1).argmin(axis=1)
    rows, state_a, state_b = np.arange(n_crystals), best // n_b, best % n_b
    chosen_b = radius_b[rows, 0, state_b]
    return SiteCharges(
        charge_a[rows, state_a, 0],
        charge_b[rows, 0, state_b],
        imbalance[rows, state_a, state_b] == 0,
        tolerance[rows, state_a, state_b],
        chosen_b / anion_radius,
        chosen_b + anion_radius,
    )


def anion_sums(anions: Sequence[Sequence[str]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the summed charge and the mean radius (Å) of each combination of three anions."""
    charges = [[ANION_CHARGES[symbol] for symbol in three] for three in anions]
    radii = [
        [ionic_radius(symbol, ANION_CHARGES[symbol], 6) for symbol in three] for three in anions
    ]
    return np.array(charges).sum(axis=1), np.array(radii).mean(axis=1)


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
