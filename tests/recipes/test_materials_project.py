"""The joined table has each material once, and each formula in one part."""

from __future__ import annotations

import numpy as np
import pandas as pd
from recipes.materials_project import choose_parts, find_same, join


def rows(formulas: list[str], energies: list[float], gaps: list[float]) -> pd.DataFrame:
    n_rows = len(formulas)
    return pd.DataFrame(
        {
            "formula_reduced": formulas,
            "formation_energy_per_atom": energies,
            "band_gap": gaps,
            "species": [["H"] * (3 if formula == "B" else 1) for formula in formulas],
            "number": range(n_rows),
        }
    )


FIRST = rows(["A", "A", "B", "C"], [-1.0, -2.0, -3.0, np.nan], [0.0, 1.0, 2.0, 0.0])
FIRST["is_metal"] = FIRST["band_gap"] == 0
SECOND = rows(["A", "A", "B", "D"], [-2.001, -2.002, -3.5, -1.0], [1.01, 1.0, 2.0, 0.5])
SECOND["fermi_energy"], SECOND["energy_per_atom"] = [1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]


def test_the_same_material_is_found_by_formula_energy_and_gap() -> None:
    # both A of the second table are near the second A of the first, which is taken once
    assert find_same(FIRST, SECOND).tolist() == [1, -1, -1, -1]


def test_joined_rows_have_what_either_table_knows() -> None:
    joined = join(FIRST, SECOND, max_atoms=100, seed=0)
    assert len(joined) == 7
    same = joined[(joined.formula_reduced == "A") & (joined.formation_energy_per_atom == -2.0)]
    assert same[["fermi_energy", "energy_per_atom", "band_gap"]].to_numpy().tolist() == [[1, 5, 1]]
    new = joined[joined.formula_reduced == "D"].iloc[0]
    assert not new.is_metal
    assert joined.is_metal.dtype == bool
    assert (joined.groupby("formula_reduced")["split"].nunique() == 1).all()


def test_large_cells_are_left_out_of_the_training_part_alone() -> None:
    table = pd.concat([FIRST] * 1, ignore_index=True)
    for seed in range(8):
        joined = join(table, SECOND, max_atoms=2, seed=seed)
        large = joined[joined.formula_reduced == "B"]
        assert len(large) == (0 if choose_part_of("B", seed) == "train" else 2)


def choose_part_of(formula: str, seed: int) -> str:
    formulas = pd.Series(["A", "A", "B", "C", "A", "B", "D"])
    return str(choose_parts(formulas, seed)[formulas.tolist().index(formula)])


def test_the_parts_have_their_shares() -> None:
    formulas = pd.Series([f"X{number}" for number in range(1000)])
    counts = pd.Series(choose_parts(formulas, seed=1)).value_counts()
    assert counts.to_dict() == {"train": 880, "validation": 60, "test": 60}
