"""The repeated search: its scores on rankings made by hand, and its names of compositions."""

import numpy as np
import pandas as pd
from recipes.perovskite_search import COUNTS, composition_ids, rebuild, score_rankings

from xtalgraph.data import Dataset
from xtalgraph.screening import PerovskiteSpace
from xtalgraph.structures import Crystal, CrystalStore

ENERGIES = np.linspace(-0.05, 3.0, 1220)  # 20 below 0, 60 below 0.1, 100 below 0.2 eV/atom


def row(table: pd.DataFrame, ranking: str, threshold: float, k: int) -> pd.Series:
    found = table[(table["ranking"] == ranking) & (table["threshold [eV/atom]"] == threshold)]
    return found[found["k"] == k].iloc[0]


def test_scores_of_the_best_the_worst_and_every_other() -> None:
    every_other = np.where(np.arange(1220) % 2, ENERGIES, ENERGIES + 10)
    rankings = {"best": ENERGIES, "worst": -ENERGIES, "half": every_other}
    table, found = score_rankings(ENERGIES, rankings)
    stable = int((ENERGIES < 0.1).sum())
    assert set(table["stable"]) == {int((limit > ENERGIES).sum()) for limit in (0.0, 0.1, 0.2)}
    best = row(table, "best", 0.1, 50)
    assert (best["found"], best["precision"]) == (50, 1.0)
    assert best["recall"] == 50 / stable
    assert best["enrichment"] == 1220 / stable
    assert row(table, "worst", 0.1, 1000)["found"] == 0
    assert row(table, "half", 0.1, 20)["found"] == 20
    assert row(table, "half", 0.1, 100)["found"] == stable // 2
    assert found["best", 0.1][-1] == stable
    assert sorted(set(table["k"])) == sorted(COUNTS)


def test_relaxed_structures_are_replaced_by_built_cells_of_their_composition() -> None:
    symbols = {"1": ["Sr", "Ti", "O", "O", "O"], "2": ["Ca", "Nb", "N", "O", "O"]}
    relaxed = CrystalStore.from_crystals(
        Crystal.from_symbols(4 * np.eye(3), np.random.default_rng(0).random((5, 3)), names, id)
        for id, names in symbols.items()
    )
    dataset = Dataset("made", relaxed, pd.DataFrame({"energy": [0.0, 1.0]}), {}, "by hand", "")
    ids = composition_ids(dataset)
    assert ids.tolist() == ["SrTiO3", "CaNbO2N"]
    crystals = PerovskiteSpace(("Ca", "Sr"), ("Nb", "Ti"), ("O3", "O2N")).make(0, 8).crystals
    built = Dataset("built", crystals, pd.DataFrame(index=range(8)), {}, "", "")
    again = rebuild(dataset, ids, built)
    assert again.ids.tolist() == ["1", "2"]
    assert again.columns["energy"].tolist() == [0.0, 1.0]
    assert [crystal.reduced_formula for crystal in again.crystals] == ["SrTiO3", "CaNbNO2"]
    assert np.isin(again.crystals.fractional_positions, [0, 0.5]).all()
