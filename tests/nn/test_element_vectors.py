"""Element vectors: those of 2018 from properties, a user's file, learned ones, and refusals."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.zoo import ZOO
from xtalgraph.errors import BadConfig, BadCrystal, Rejected
from xtalgraph.nn import (
    describe_components,
    element_table,
    paper_vectors,
    read_element_vectors,
    refuse_unknown_elements,
)
from xtalgraph.nn.element_properties import (
    DEVIATIONS_2018,
    PROPERTIES,
    components_of_elements,
)
from xtalgraph.nn.element_vectors import (
    FixedElementVectors,
    LearnedElementVectors,
    make_element_vectors,
)
from xtalgraph.structures import Crystal, CrystalStore
from xtalgraph.structures.elements import SYMBOLS


def test_all_hundred_vectors_equal_those_of_2018(oracle_2018: Path) -> None:
    oracle = json.loads((oracle_2018 / "atom_init.json").read_text())
    expected = torch.tensor([oracle[str(number)] for number in range(1, 101)])
    assert expected.shape == (100, 92)
    assert torch.equal(paper_vectors()[1:101], expected.float())
    read = read_element_vectors(oracle_2018 / "atom_init.json")
    assert torch.equal(read[1:101], expected.float())


def test_elements_beyond_a_hundred_and_the_dummy_have_no_vector() -> None:
    vectors = paper_vectors()
    assert vectors[0].isnan().all()
    assert vectors[101:].isnan().all()
    assert len(vectors) == len(SYMBOLS)


def test_palladium_alone_deviates_from_the_table(
    oracle_2018: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    oracle = json.loads((oracle_2018 / "atom_init.json").read_text())
    monkeypatch.delitem(DEVIATIONS_2018, ("Pd", "valence_electrons"))
    different = [
        number
        for number, components in components_of_elements().items()
        if components != np.flatnonzero(oracle[str(number)]).tolist()
    ]
    assert different == [46]


def test_components_are_described_in_order_and_bins_touch() -> None:
    components = describe_components()
    assert [component.index for component in components] == list(range(92))
    assert [component.property for component in components[::91]] == ["group", "atomic_volume"]
    assert str(components[0]) == "0: group none"
    assert str(components[26]) == "26: electronegativity from 0.5 to 0.85"
    for one, other in pairwise(components):
        if one.property == other.property and one.bin and other.bin:
            assert one.bin[1] == pytest.approx(other.bin[0])


def test_the_description_says_what_the_vectors_do() -> None:
    """Each number of the table lies in the bin that its component describes."""
    components, table = describe_components(), element_table()
    for number, positions in components_of_elements().items():
        for component in (components[position] for position in positions):
            value = table.loc[number, component.property]
            if component.bin:
                low, high = component.bin
                assert low * (1 - 1e-12) <= value <= high * (1 + 1e-12)
            elif (SYMBOLS[number], component.property) not in DEVIATIONS_2018:
                missing = isinstance(value, float) and math.isnan(value)
                text = str(value if isinstance(value, str) else "none" if missing else int(value))
                assert text == component.category


def test_only_two_known_values_lie_outside_their_bins() -> None:
    table, without = element_table(), []
    for element_property in PROPERTIES:
        if element_property.n_bins:
            values = table[element_property.name].dropna()
            without += [
                (str(table.symbol[number]), element_property.name)
                for number, value in values.items()
                if element_property.component(str(value)) is None
            ]
    assert without == [("He", "electron_affinity"), ("Ar", "electron_affinity")]


def test_the_table_agrees_with_pymatgen() -> None:
    """Another collection of the same properties: it catches a slipped row or a wrong unit."""
    from pymatgen.core import Element

    table = element_table()
    assert list(table.symbol) == list(SYMBOLS[1:101])
    for number in range(1, 101):
        element = Element.from_Z(number)
        row = table.loc[number]
        assert row.period == element.row
        assert row.ionisation_energy == pytest.approx(element.ionization_energy, rel=0.005)
        assert row.block == element.block or row.symbol == "He"  # a matter of taste
        if not math.isnan(row.group):
            assert row.group == element.group
        if not math.isnan(row.electronegativity) and row.symbol not in ("W", "Pb"):
            assert row.electronegativity == pytest.approx(element.X, abs=0.35)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no json", "is not JSON"),
        ("[1, 2]", "got list"),
        ("{}", "must hold"),
        ('{"Fe": [1, 2]}', "invalid literal"),
        ('{"1": [1, 2], "2": [1]}', "of one length"),
        ('{"1": 3}', "of one length"),
        ('{"0": [1]}', "for 1 to 118, got 0 to 0"),
        ('{"1": ["a"]}', "must hold"),
    ],
)
def test_a_bad_file_of_vectors_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "atom_init.json"
    file.write_text(text)
    with pytest.raises(BadConfig, match=message) as caught:
        read_element_vectors(file)
    assert str(file) in str(caught.value)


def test_a_missing_file_of_vectors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"does not exist\. Give 'paper', 'learned'"):
        make_element_vectors(str(tmp_path / "none.json"), 8)


def test_fixed_vectors_are_mapped_linearly_and_unknown_ones_give_nan(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text('{"1": [1, 0.5], "8": [0, 2]}')
    module = make_element_vectors(str(file), 3)
    assert isinstance(module, FixedElementVectors)
    assert module.known_elements == [1, 8]
    given = torch.tensor([8, 1, 8])
    expected = module.embedding(torch.tensor([[0, 2], [1, 0.5], [0, 2]]))
    torch.testing.assert_close(module(given), expected)
    assert module(torch.tensor([8, 26]))[1].isnan().all()
    module(given).sum().backward()
    assert module.embedding.weight.grad.isfinite().all()


def test_learned_vectors_know_all_elements() -> None:
    module = make_element_vectors("learned", 4)
    assert isinstance(module, LearnedElementVectors)
    assert module.known_elements == list(range(1, 119))
    assert module(torch.tensor([118, 1])).shape == (2, 4)


def heavy(id: str, number: int) -> Crystal:
    return Crystal(4 * np.eye(3), [[0, 0, 0], [0.5] * 3], [8, number], id=id)


def test_unknown_elements_are_refused_with_id_and_symbol() -> None:
    known = list(range(1, 101))
    good = [ZOO["SrTiO3"], ZOO["NaCl"]]
    store = CrystalStore.from_crystals([good[0], heavy("new", 109), good[1], heavy("newer", 118)])
    with pytest.raises(BadCrystal, match=r"crystal 'new': .* for Mt \(likewise in 1 more: newer\)"):
        refuse_unknown_elements(store, known)
    with pytest.raises(BadCrystal, match="element_vectors = 'learned'"):
        refuse_unknown_elements(store.take([1]), known)
    rejected: list[Rejected] = []
    assert refuse_unknown_elements(store, known, rejected=rejected).tolist() == [0, 2]
    assert [(row.id, row.reason) for row in rejected] == [
        ("new", "the network has no vector for Mt"),
        ("newer", "the network has no vector for Og"),
    ]
    assert refuse_unknown_elements(CrystalStore.from_crystals(good), known).tolist() == [0, 1]
