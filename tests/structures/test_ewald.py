"""The Coulomb sum: Madelung constants, another program, and all the ways to write one crystal."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tests.zoo import BODY_CENTRED, FACE_CENTRED, ZOO, transformed
from xtalgraph.errors import BadCrystal
from xtalgraph.structures import Crystal
from xtalgraph.structures.ewald import COULOMB, ewald_energy, find_pairs

FLUORITE = [[0, 0, 0], [0.25, 0.25, 0.25], [0.75, 0.75, 0.75]]

# Lattice, positions, charges, nearest distance for a = 1, Madelung constant with that distance.
MADELUNG = {
    "rock salt": (FACE_CENTRED, [[0, 0, 0], [0.5] * 3], [1, -1], 0.5, 1.747565),
    "caesium chloride": (np.eye(3), [[0, 0, 0], [0.5] * 3], [1, -1], 0.75**0.5, 1.762675),
    "zinc blende": (FACE_CENTRED, [[0, 0, 0], [0.25] * 3], [1, -1], 0.1875**0.5, 1.638055),
    "fluorite": (FACE_CENTRED, FLUORITE, [2, -1, -1], 0.1875**0.5, 5.038785),
}
CHARGES = {"Na": 1, "Cl": -1, "Cs": 1, "Sr": 2, "Ti": 4, "O": -2, "Ca": 2, "F": -1, "Al": 3}
IONIC = [name for name, crystal in ZOO.items() if set(crystal.symbols) <= set(CHARGES)]
IONIC = [name for name in IONIC if sum(CHARGES[s] for s in ZOO[name].symbols) == 0]


def energy(crystal: Crystal, **settings: float) -> float:
    charges = np.array([CHARGES[symbol] for symbol in crystal.symbols], dtype=float)
    return ewald_energy(crystal.lattice, crystal.fractional_positions, charges, **settings)


@pytest.mark.parametrize("name", MADELUNG)
def test_madelung_constants(name: str) -> None:
    lattice, positions, charges, nearest, constant = MADELUNG[name]
    result = ewald_energy(4.0 * lattice, np.array(positions, float), np.array(charges, float))
    assert -result * 4.0 * nearest / COULOMB == pytest.approx(constant, abs=1e-6)


def test_a_wrong_structure_has_another_constant() -> None:
    lattice, _, charges, nearest, constant = MADELUNG["rock salt"]
    moved = np.array([[0, 0, 0], [0.45, 0.5, 0.5]])
    result = ewald_energy(4.0 * lattice, moved, np.array(charges, float))
    assert abs(-result * 4.0 * nearest / COULOMB - constant) > 1e-3


def test_the_zoo_has_ionic_crystals() -> None:
    assert len(IONIC) >= 3


@pytest.mark.parametrize("name", IONIC)
def test_it_does_not_matter_how_the_work_is_shared(name: str) -> None:
    expected = energy(ZOO[name])
    for splitting in (0.25, 0.4, 0.7, 1.1):
        assert energy(ZOO[name], splitting=splitting) == pytest.approx(expected, rel=1e-8)


def test_a_coarse_tolerance_shows() -> None:
    crystal = ZOO[IONIC[0]]
    assert energy(crystal, tolerance=1e-2) != pytest.approx(energy(crystal), rel=1e-8)


@pytest.mark.parametrize("name", IONIC)
def test_other_words_for_the_same_crystal(name: str) -> None:
    crystal = ZOO[name]
    for other in transformed(crystal).values():
        assert energy(other) == pytest.approx(energy(crystal), rel=1e-8)


@pytest.mark.parametrize("name", IONIC)
def test_a_supercell_has_the_same_energy_an_atom(name: str) -> None:
    crystal = ZOO[name]
    supercell = crystal.repeated(2, 1, 2)
    assert energy(supercell) / 4 == pytest.approx(energy(crystal), rel=1e-8)


@pytest.mark.parametrize("name", IONIC)
@pytest.mark.filterwarnings("ignore")  # pymatgen's own
def test_equal_to_pymatgen(name: str) -> None:
    from pymatgen.core import Structure
    from pymatgen.core.ewald import EwaldSummation

    crystal = ZOO[name]
    structure = Structure(crystal.lattice, crystal.symbols, crystal.fractional_positions)
    structure.add_oxidation_state_by_site([CHARGES[symbol] for symbol in crystal.symbols])
    # pymatgen's constant differs in the eighth digit; its sums are cut early by default.
    expected = EwaldSummation(structure, acc_factor=14).total_energy
    assert energy(crystal) == pytest.approx(expected, rel=1e-6)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_twice_the_size_is_half_the_energy(seed: int) -> None:
    random = np.random.default_rng(seed)
    lattice = 4 * np.eye(3) + random.uniform(-1, 1, (3, 3))
    positions = random.uniform(0, 1, (4, 3))
    charges = np.array([1.0, -1.0, 2.0, -2.0])
    expected = ewald_energy(lattice, positions, charges)
    assert 2 * ewald_energy(2 * lattice, positions, charges) == pytest.approx(expected, rel=1e-7)


def test_a_charged_cell_is_refused() -> None:
    with pytest.raises(BadCrystal, match=r"sum to 1 e.*neutral"):
        ewald_energy(4 * np.eye(3), np.zeros((1, 3)), np.array([1.0]))


def test_pairs_of_one_atom_are_its_images() -> None:
    pairs = find_pairs(3.0 * BODY_CENTRED, np.zeros((1, 3)), 3.1)
    distances, counts = np.unique(pairs.distance.round(6), return_counts=True)
    assert dict(zip(distances.tolist(), counts.tolist(), strict=True)) == {
        round(3.0 * 0.75**0.5, 6): 8,
        3.0: 6,
    }


def test_pairs_in_a_very_skewed_cell() -> None:
    """The same lattice by other vectors, of which one is almost the sum of the others."""
    skew = np.array([[1, 0, 0], [5, 1, 0], [3, -4, 1]])
    plain = find_pairs(3.0 * np.eye(3), np.zeros((1, 3)), 7.0)
    skewed = find_pairs(3.0 * skew @ np.eye(3), np.zeros((1, 3)), 7.0)
    np.testing.assert_allclose(np.sort(plain.distance), np.sort(skewed.distance), atol=1e-12)
