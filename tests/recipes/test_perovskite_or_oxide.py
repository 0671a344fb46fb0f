"""The table of perovskites and other oxides, on crystals made by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
from recipes.perovskite_or_oxide import is_abo3, make_table

from xtalgraph.data import Dataset, read_dataset, write_parquet
from xtalgraph.structures import Crystal, CrystalStore


def make(*crystals: tuple[str, str]) -> Dataset:
    store = CrystalStore.from_crystals(
        Crystal.from_symbols(
            9 * np.eye(3),
            np.linspace(0, 0.9, len(symbols.split()))[:, None] * np.ones(3),
            symbols.split(),
            id,
        )
        for id, symbols in crystals
    )
    columns = pd.DataFrame({"energy": np.zeros(len(crystals))})
    return Dataset("made", store, columns, {}, "by hand", "0")


def test_abo3_is_told_from_what_looks_like_it() -> None:
    dataset = make(
        ("yes", "Sr Ti O O O"),
        ("twice", "Sr Sr Ti Ti O O O O O O"),
        ("nitride", "Sr Ti N N N"),
        ("two of O", "Sr O Ti Ti Ti"),
        ("double", "Sr Sr Ti Zr O O O O O O"),
        ("sesquioxide", "Al Al O O O"),
    )
    assert is_abo3(dataset).tolist() == [True, True, False, False, False, False]


def test_each_crystal_comes_to_its_kind(tmp_path: Path) -> None:
    homework = make(("1", "Sr Sr Ti Zr O O O O O O"), ("2", "K Mg F F F"))
    castelli = make(("3", "Ca Ti O O O"), ("4", "Ca Ti O O N"))
    project = make(
        ("1", "Mg O"),  # the id of another crystal, told apart
        ("6", "Ba Ti O O O"),
        ("7", "Na Cl"),
        ("8", "Sr Sr Ti Zr O O O O O O"),  # the formula of a perovskite of the homework
    )
    table = make_table(homework, castelli, project)
    assert table.ids.tolist() == ["1", "3", "1#2"]
    assert table.labels("kind").tolist() == ["perovskite", "perovskite", "other oxide"]
    assert table.labels("origin").tolist() == ["homework", "castelli", "materials_project"]
    again = read_dataset(write_parquet(table, tmp_path / "table.parquet"))
    assert again.labels("kind").tolist() == table.labels("kind").tolist()
