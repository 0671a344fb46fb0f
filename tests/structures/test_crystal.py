"""The crystal itself, the elements, and the store."""

import pickle
import re
import warnings

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from pymatgen.core import Composition, Element, Lattice

from tests.zoo import ZOO
from xtalgraph.data.composition import reduced_formulas
from xtalgraph.errors import BadCrystal
from xtalgraph.structures import Crystal, CrystalStore, lattice_from_parameters, pack
from xtalgraph.structures.elements import SYMBOLS, atomic_number

CUBE = 3.0 * np.eye(3)


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ((np.eye(2), [[0, 0, 0]], [1]), r"lattice has shape \(2, 2\), expected \(3, 3\)"),
        ((CUBE, [[0, 0, 0]], [1, 2]), r"numbers of shape \(2,\), but positions of shape \(1, 3\)"),
        ((CUBE, [[0, 0]], [1]), r"positions of shape \(1, 2\).*three fractional coordinates"),
        ((CUBE, [[0, 0, 0]], [[1]]), r"numbers of shape \(1, 1\)"),
        ((CUBE, np.empty((0, 3)), []), "no atoms"),
        ((CUBE, [[0, np.nan, 0]], [1]), "not a finite number"),
        ((np.full((3, 3), np.inf), [[0, 0, 0]], [1]), "not a finite number"),
        ((np.ones((3, 3)), [[0, 0, 0]], [1]), "no volume"),
        ((CUBE, [[0, 0, 0]], [0]), "atomic numbers outside 1 to 118.*Dummy atoms"),
        ((CUBE, [[0, 0, 0]], [119]), "outside 1 to 118"),
        ((CUBE, [[0, 0, 0]], [300]), "outside 1 to 118"),
        ((CUBE, [[0, 0, 0]], [-1]), "outside 1 to 118"),
        ((CUBE, [[0, 0, 0]], [1.5]), "outside 1 to 118"),
        ((CUBE, [[0, 0, 0]], np.array([0], np.uint8)), "outside 1 to 118"),
        ((CUBE, [[0, 0, 0]], np.array([200], np.uint8)), "outside 1 to 118"),
    ],
)
def test_arrays_that_make_no_crystal_are_refused_with_id(arrays, problem):
    with pytest.raises(BadCrystal, match=f"crystal 'bad': .*{problem}"):
        Crystal(*arrays, id="bad")


def test_a_crystal_cannot_be_changed_and_does_not_share_memory():
    lattice, positions = CUBE.copy(), np.zeros((1, 3))
    crystal = Crystal(lattice, positions, np.array([26], np.uint8), "Fe")
    positions[0, 0] = lattice[0, 0] = 7
    assert crystal.fractional_positions[0, 0] == 0
    assert crystal.lattice[0, 0] == 3
    for array in (crystal.lattice, crystal.fractional_positions, crystal.atomic_numbers):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    with pytest.raises(AttributeError):
        crystal.id = "other"


def test_a_crystal_survives_pickling():
    crystal = pickle.loads(pickle.dumps(ZOO["TiO2"]))
    assert crystal.formula == "Ti2O4"
    assert crystal.id == "TiO2"


def test_formulas_and_composition():
    crystal = ZOO["SrTiO3 2x2x2"]
    assert crystal.composition == {"O": 24, "Sr": 8, "Ti": 8}
    assert (crystal.formula, crystal.reduced_formula) == ("Sr8Ti8O24", "SrTiO3")
    assert crystal.volume == pytest.approx(8 * ZOO["SrTiO3"].volume)
    assert crystal.with_id("x").id == "x"


@pytest.mark.parametrize(
    "parameters",
    [
        (3, 4, 5, 90, 90, 90),
        (3.1, 3.1, 5, 90, 90, 120),
        (5, 6, 7, 78, 99, 112),
        (5, 5, 5, 33, 33, 33),
    ],
)
def test_lattices_are_those_of_pymatgen(parameters):
    ours = lattice_from_parameters(*parameters)
    np.testing.assert_allclose(ours, Lattice.from_parameters(*parameters).matrix, atol=1e-12)


def test_angles_that_make_no_cell_give_nan():
    assert np.isnan(lattice_from_parameters(3, 3, 3, 30, 30, 90)).any()


@pytest.mark.parametrize(
    ("label", "symbol"),
    [
        ("Na", "Na"), ("Na1+", "Na"), ("O2-", "O"), ("D", "H"), ("D1", "H"), ("FE", "Fe"),
        ("11B", "B"), ("Na+1", "Na"), ("Cval", "C"), ("V5+", "V"), ("W", "W"), ("Po4+", "Po"),
        ("Nh", "Nh"), ("Va", None), ("Vac1", None), ("Wat", None), ("OH2", None), ("NH4", None),
        ("Ow", None), ("HW2", None), ("T1", None), ("Uuo", None), ("Nb0.8Zr0.2", None),
        ("X", None), ("Du", None), ("", None), ("12", None), ("?", None), ("Q1", None),
    ],
)  # fmt: skip
def test_labels_become_elements(label, symbol):
    if symbol is None:
        with pytest.raises(BadCrystal, match=r"is not an element. Use element symbols"):
            atomic_number(label)
    else:
        assert SYMBOLS[atomic_number(label)] == symbol


def test_symbols_and_numbers_are_inverse():
    assert [atomic_number(symbol) for symbol in SYMBOLS[1:]] == list(range(1, 119))
    with pytest.raises(BadCrystal, match="'X' is not an element"):
        Crystal.from_symbols(CUBE, [[0, 0, 0]], ["X"])


def test_a_store_gives_back_its_crystals():
    store = CrystalStore.from_crystals(ZOO.values())
    assert len(store) == len(ZOO)
    for crystal, original in zip(store, ZOO.values(), strict=True):
        assert crystal.id == original.id
        np.testing.assert_array_equal(crystal.lattice, original.lattice)
        np.testing.assert_array_equal(crystal.fractional_positions, original.fractional_positions)
        np.testing.assert_array_equal(crystal.atomic_numbers, original.atomic_numbers)
    assert store[-1].id == list(ZOO)[-1]
    with pytest.raises(IndexError):
        store[len(store)]


def test_a_store_can_be_taken_from_in_any_order_with_repeats():
    store = pack(ZOO.values())
    taken = store.take([5, 0, 5])
    assert list(taken.ids) == [list(ZOO)[5], next(iter(ZOO)), list(ZOO)[5]]
    np.testing.assert_array_equal(taken[2].cartesian_positions, store[5].cartesian_positions)
    assert len(store.take([])) == 0


def test_pack_takes_one_many_or_none():
    assert len(pack(ZOO["Fe"])) == 1
    store = pack([])
    assert len(store) == 0
    assert pack(store) is store


def test_small_cells_cost_at_most_64_bytes_an_atom():
    crystals = [ZOO["SrTiO3"].with_id(f"mp-{i}") for i in range(100)]
    assert pack(crystals).n_bytes / 500 <= 64


USUAL = "SrTiO3 NaCl H2O SiO2 CaCO3 LiFePO4 BaTiO3 ZnGa2O4 CsCl GaAs KHCO3 CaNbNO2 XeO3 LaNi5 Fe O2"


@pytest.mark.parametrize("formula", USUAL.split())
def test_formulas_are_written_in_the_usual_order(formula: str) -> None:
    composition = Composition(formula)
    symbols = [str(one) for one, count in composition.items() for _ in range(round(count))][::-1]
    crystal = Crystal.from_symbols(9 * np.eye(3), np.zeros((len(symbols), 3)), symbols)
    assert crystal.formula == formula
    assert reduced_formulas(CrystalStore.from_crystals([crystal])) == [crystal.reduced_formula]


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(SYMBOLS[1:]), st.integers(1, 6), min_size=1, max_size=5))
def test_elements_of_a_formula_are_in_the_order_of_pymatgen(counts: dict[str, int]) -> None:
    known = {symbol for symbol in counts if not np.isnan(pymatgen_electronegativity(symbol))}
    symbols = [symbol for symbol, count in counts.items() for _ in range(count)]
    crystal = Crystal.from_symbols(9 * np.eye(3), np.zeros((len(symbols), 3)), symbols)
    words = re.findall(r"[A-Z][a-z]?", crystal.formula)
    expected = sorted(known, key=lambda symbol: (pymatgen_electronegativity(symbol), symbol))
    assert words[: len(known)] == expected
    assert Composition(crystal.formula) == Composition(counts)
    store = CrystalStore.from_crystals([crystal, crystal.repeated(2, 1, 1)])
    assert reduced_formulas(store) == [crystal.reduced_formula] * 2


def pymatgen_electronegativity(symbol: str) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Element(symbol).X
