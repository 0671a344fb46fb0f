"""Splits: every kind, the same for the same seed, and no group on both sides."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from xtalgraph.data import (
    Dataset,
    Split,
    checksum_split,
    make_split,
    read_dataset,
    read_split,
    write_split,
)
from xtalgraph.data.composition import (
    contains_element,
    count_crystals_by_element,
    reduced_formulas,
)
from xtalgraph.data.groups import assign_groups, find_groups
from xtalgraph.data.splits import PARTS
from xtalgraph.errors import BadConfig, BadDataset, UnknownName
from xtalgraph.structures import Crystal, CrystalStore
from xtalgraph.units import Target


def make_dataset(symbols: list[str], ids: list[str] | None = None, **columns: list) -> Dataset:
    """One crystal for each entry, of the elements in it (`Sr O`)."""
    ids = ids or [f"x{row}" for row in range(len(symbols))]
    crystals = []
    for entry, id in zip(symbols, ids, strict=True):
        names = entry.split()
        positions = np.arange(len(names))[:, None] / len(names) * np.ones(3)
        crystals.append(Crystal.from_symbols(4.0 * np.eye(3), positions, names, id))
    frame = pd.DataFrame(columns, index=range(len(symbols)))
    targets = {name: Target(name) for name in frame if pd.api.types.is_numeric_dtype(frame[name])}
    return Dataset("made", CrystalStore.from_crystals(crystals), frame, targets, "made", "")


def sizes_of(split: Split) -> list[int]:
    return [len(split.part(part)) for part in PARTS]


def test_shares_of_the_paper_are_the_default() -> None:
    split = make_split(make_dataset(["Fe"] * 50))
    assert sizes_of(split) == [30, 10, 10]
    assert np.array_equal(np.sort(np.concatenate([split.part(p) for p in PARTS])), np.arange(50))


def test_two_shares_leave_the_test_part_empty() -> None:
    assert sizes_of(make_split(make_dataset(["Fe"] * 10), "0.8,0.2")) == [8, 2, 0]


@pytest.mark.parametrize("spec", ["0.6,0.2,0.2", "10,5,5", "group:formula", "element:O"])
def test_a_seed_fixes_the_split_and_another_changes_it(spec: str) -> None:
    dataset = make_dataset([f"{metal} O" for metal in ("Fe", "Ni", "Co", "Cu")] * 5 + ["Fe"] * 20)
    first, again, other = (make_split(dataset, spec, seed) for seed in (3, 3, 4))
    assert checksum_split(dataset, first) == checksum_split(dataset, again)
    if spec != "group:formula":  # few groups: there is one best way, and the seed cannot change it
        assert checksum_split(dataset, first) != checksum_split(dataset, other)


def test_sizes_leave_the_other_crystals_in_no_part() -> None:
    split = make_split(make_dataset(["Fe"] * 20), "10,3,2")
    assert sizes_of(split) == [10, 3, 2]


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(st.integers(0, 30), min_size=12, max_size=200),
    shares=st.sampled_from([[0.6, 0.2, 0.2], [0.8, 0.1, 0.1], [0.5, 0.5, 0.0], [0.9, 0.1, 0.0]]),
    seed=st.integers(0, 2**31),
)
def test_no_group_stands_on_both_sides(labels: list[int], shares: list[float], seed: int) -> None:
    groups = np.unique(np.array(labels), return_inverse=True)[1].astype(np.int64)
    if groups.max() + 1 < 3:
        return
    parts = assign_groups(groups, shares, np.random.default_rng(seed))
    for group in range(groups.max() + 1):
        assert len(set(parts[groups == group].tolist())) == 1
    wanted = np.array(shares) * len(labels)
    filled = np.bincount(parts, minlength=3)
    assert ((filled > 0) == (wanted > 0)).all()
    assert np.abs(filled - wanted).max() <= np.bincount(groups).max() + 1


@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(1, 30), min_size=3, max_size=6), seed=st.integers(0, 100))
def test_few_groups_fill_the_parts_as_well_as_can_be(sizes: list[int], seed: int) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    shares = [0.6, 0.2, 0.2]
    parts = assign_groups(groups, shares, np.random.default_rng(seed))
    wanted = np.array(shares) * len(groups)

    def cost(filled: np.ndarray) -> float:
        return float(np.abs(filled - wanted).sum()) if filled.all() else np.inf

    best = min(
        cost(np.bincount(way, weights=sizes, minlength=3))
        for way in itertools.product(range(3), repeat=len(sizes))
    )
    assert cost(np.bincount(parts, minlength=3)) == pytest.approx(best)


def test_many_small_groups_fill_the_parts_exactly() -> None:
    rng = np.random.default_rng(0)
    groups = np.unique(rng.integers(0, 400, 1000), return_inverse=True)[1].astype(np.int64)
    parts = assign_groups(groups, [0.6, 0.2, 0.2], rng)
    assert np.bincount(parts).tolist() == [600, 200, 200]


def test_formula_groups_hold_polymorphs_and_supercells_together() -> None:
    metals = ["Fe", "Ni", "Co", "Cu", "Mn", "Cr", "V", "Ti", "Sc", "Zn", "Mg", "Ca"]
    dataset = make_dataset([f"{m} O" for m in metals] + [f"{m} O O {m}" for m in metals])
    split = make_split(dataset, "group:formula:0.5,0.25,0.25")
    formulas = np.array(reduced_formulas(dataset.crystals))
    on_each_side = [set(formulas[split.part(part)].tolist()) for part in PARTS]
    assert sizes_of(split) == [12, 6, 6]
    assert not any(a & b for a, b in itertools.combinations(on_each_side, 2))
    random = make_split(dataset, "0.5,0.25,0.25")  # the negative twin: formulas do leak there
    sides = [set(formulas[random.part(part)].tolist()) for part in PARTS]
    assert any(a & b for a, b in itertools.combinations(sides, 2))


def test_formulas_are_those_of_the_crystal(shared_data: Path) -> None:
    dataset = read_dataset(shared_data / "castelli_perovskites.parquet").take(range(300))
    expected = [crystal.reduced_formula for crystal in dataset.crystals]
    assert reduced_formulas(dataset.crystals) == expected
    with_oxygen = ["O" in crystal.symbols for crystal in dataset.crystals]
    assert contains_element(dataset.crystals, "O").tolist() == with_oxygen
    assert count_crystals_by_element(dataset.crystals)[8] == sum(with_oxygen)


def test_crystal_systems_come_from_the_column_or_the_structure() -> None:
    cubic, tetragonal = 4.0 * np.eye(3), np.diag([4.0, 4.0, 5.0])
    crystals = [
        Crystal(lattice, [[0, 0, 0]], [26], id=str(row))
        for row, lattice in enumerate([cubic, tetragonal, cubic, tetragonal])
    ]
    store = CrystalStore.from_crystals(crystals)
    columns = pd.DataFrame({"space_group_number": [225, 225, 1, 1]})
    targets = {"space_group_number": Target("space_group_number")}
    by_column = Dataset("made", store, columns, targets, "made", "")
    by_structure = Dataset("made", store, pd.DataFrame(index=range(4)), {}, "made", "")
    assert find_groups(by_column, "crystal_system").tolist() == [0, 0, 1, 1]
    assert find_groups(by_structure, "crystal_system").tolist() == [0, 1, 0, 1]


def test_the_element_left_out_is_the_whole_test_part() -> None:
    dataset = make_dataset(["Sr O"] * 6 + ["Ba O"] * 20)
    split = make_split(dataset, "element:Sr:0.2")
    assert split.test.tolist() == [0, 1, 2, 3, 4, 5]
    assert sizes_of(split) == [16, 4, 6]
    assert sizes_of(make_split(dataset, "element:Sr")) == [18, 2, 6]


def test_a_column_names_the_parts() -> None:
    parts = ["train", "val", "Validation", "test", None, "train"]
    split = make_split(make_dataset(["Fe"] * 6, split=parts), "column:split")
    assert [split.part(part).tolist() for part in PARTS] == [[0, 5], [1, 2], [3]]


def test_a_column_without_validation_gives_a_tenth_of_train() -> None:
    dataset = make_dataset(["Fe"] * 40, split=["train"] * 30 + ["test"] * 10)
    assert sizes_of(make_split(dataset, "column:split")) == [27, 3, 10]


def test_values_of_a_column_are_dealt_to_parts() -> None:
    dataset = make_dataset(["Fe"] * 6, kind=["A", "A", "B", "B", "C", "D"])
    split = make_split(dataset, "column:kind:train=A+D,validation=B,test=C")
    assert [split.part(part).tolist() for part in PARTS] == [[0, 1, 5], [2, 3], [4]]
    split = make_split(dataset, "column:kind:train=A+B,test=C")
    assert sizes_of(split) == [3, 1, 1]


def test_the_published_split_of_castelli(shared_data: Path) -> None:
    dataset = read_dataset(shared_data / "castelli_perovskites.parquet")
    split = make_split(dataset, "column:split:train=train,test=validation")
    assert sizes_of(split) == [11356 - 1136, 1136, 3787]
    assert (dataset.labels("split")[split.test] == "validation").all()


def test_a_split_comes_back_from_its_file(tmp_path: Path) -> None:
    ids = ["0007", "a,b", 'say "x"', " mp-1", "é", "6", "7", "8"]
    dataset = make_dataset(["Fe"] * 8, ids=[id.strip() for id in ids])
    split = make_split(dataset, "3,2,2", seed=5)
    write_split(tmp_path / "splits.csv", dataset, split)
    again = make_split(dataset, f"file:{tmp_path / 'splits.csv'}")
    for part in PARTS:
        assert np.array_equal(split.part(part), again.part(part))
    assert checksum_split(dataset, split) == checksum_split(dataset, again)
    shuffled = dataset.take([7, 6, 5, 4, 3, 2, 1, 0])
    moved = read_split(tmp_path / "splits.csv", shuffled)
    assert checksum_split(shuffled, moved) == checksum_split(dataset, split)


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("0.6,0.2,0.3", BadConfig, "adding up to 1"),
        ("0.6", BadConfig, "shares '0.6'"),
        ("0.9,0.0,0.1", BadDataset, "validation set of the split is empty"),
        ("0,5,5", BadDataset, "train set of the split is empty"),
        ("10,10,10", BadConfig, "20 or less in all"),
        ("random", BadConfig, "neither shares nor one of"),
        ("groups:formula", UnknownName, "Did you mean 'group'"),
        ("group:formul", UnknownName, "Did you mean 'formula'"),
        ("group:formula", BadDataset, "2 groups cannot fill 3 parts"),
        ("group:formula:a,b", BadConfig, "write numbers"),
        ("group:kind", BadDataset, "is blank for 1 crystals, first 'x19'"),
        ("column:kind", BadDataset, "'A' is no part of a split"),
        ("column:kid", UnknownName, "Did you mean 'kind'"),
        ("column:kind:A", BadConfig, r"write train=A\+B"),
        ("column:kind:train=A,test=Z", UnknownName, "value of the column 'kind' 'Z'"),
        ("column:kind:train=A+B,test=B", BadConfig, "'B' is named for two parts"),
        ("element:Xx", UnknownName, "unknown element"),
        ("element:Sr:2", BadConfig, r"must lie in \(0, 1\)"),
        ("element:U", BadDataset, "no crystal holds U"),
        ("file:nowhere.csv", BadDataset, "cannot be read"),
    ],
)
def test_a_split_that_cannot_be_is_refused(spec: str, error: type[Exception], message: str) -> None:
    kinds = ["A"] * 10 + ["B"] * 9 + [None]
    dataset = make_dataset(["Sr O"] * 10 + ["Ba O"] * 10, kind=kinds)
    with pytest.raises(error, match=message):
        make_split(dataset, spec)


def test_repeated_ids_are_refused_and_can_be_told_apart(tmp_path: Path) -> None:
    dataset = make_dataset(["Fe"] * 6, ids=["a", "b", "a", "a#2", "c", "d"])
    with pytest.raises(BadDataset, match=r"1 ids stand for several rows, first 'a'.*with_unique"):
        make_split(dataset)
    unique = dataset.with_unique_ids()
    assert unique.ids.tolist() == ["a", "b", "a#3", "a#2", "c", "d"]
    write_split(tmp_path / "splits.csv", unique, make_split(unique))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,part\nx0,train\nx9,test\n", "1 ids are not in made, first 'x9'"),
        ("id,part\nx0,train\nx0,test\n", "id 'x0' is named twice"),
        ("id,part\nx0,trian\n", "'trian' is no part of a split"),
        ("name,part\nx0,train\n", "a split has id and part"),
        ("id,part\nx0,train\nx1,test\n", "validation set of the split is empty"),
    ],
)
def test_a_split_file_that_does_not_fit_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "splits.csv").write_text(text)
    with pytest.raises(BadDataset, match=message):
        read_split(tmp_path / "splits.csv", make_dataset(["Fe"] * 3))


def test_a_row_in_two_parts_is_refused() -> None:
    with pytest.raises(BadDataset, match="stands in two parts"):
        Split(np.array([0, 1]), np.array([1]), np.array([], dtype=np.int64))
    with pytest.raises(UnknownName, match="Did you mean 'train'"):
        Split(np.array([0]), np.array([1]), np.array([2])).part("trian")
