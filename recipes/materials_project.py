"""One table of the Materials Project for all shipped models, with one split by formula.

Joins `matbench_mp_106k.parquet` and `materials_project_36k.parquet`, which name the same materials
differently: a row of the second is the same material as one of the first where the formula is the
same and formation energy and gap nearly are; its Fermi energy then goes there. The others are
added. A column `split` puts all crystals of a reduced formula into one part, so that no model of
any property has seen the formulas that another is tested on; cells of more than `--max-atoms`
atoms are left out of the training part, because they cost the most and are few.

    python -m recipes.materials_project --data ../shared/data --out materials_project.parquet
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

PARTS = {"train": 0.88, "validation": 0.06, "test": 0.06}
SAME = 0.02  # eV/atom of formation energy, plus a tenth of the difference of the gaps in eV
FROM_SECOND = ["fermi_energy", "energy_per_atom"]


def find_same(first: pd.DataFrame, second: pd.DataFrame) -> np.ndarray:
    """Give for each row of the second table the row of the first that is the same, or -1."""
    rows_of = first.groupby("formula_reduced").indices
    energy, gap = first["formation_energy_per_atom"].to_numpy(), first["band_gap"].to_numpy()
    same, taken = np.full(len(second), -1), set()
    columns = second["formula_reduced"], second["formation_energy_per_atom"], second["band_gap"]
    for place, (formula, its_energy, its_gap) in enumerate(zip(*columns, strict=True)):
        rows = rows_of.get(formula)
        if rows is None:
            continue
        difference = np.abs(energy[rows] - its_energy) + 0.1 * np.abs(gap[rows] - its_gap)
        best = int(np.where(np.isnan(difference), np.inf, difference).argmin())
        if difference[best] < SAME and rows[best] not in taken:
            same[place] = rows[best]
            taken.add(rows[best])
    return same


def choose_parts(formulas: pd.Series, seed: int) -> np.ndarray:
    """Give the part of each row: a formula is in one part alone."""
    distinct = np.sort(formulas.unique())
    np.random.default_rng(seed).shuffle(distinct)
    bounds = np.cumsum(list(PARTS.values())[:-1])
    names = np.repeat(
        list(PARTS), np.diff([0, *np.round(bounds * len(distinct)), len(distinct)]).astype(int)
    )
    return formulas.map(dict(zip(distinct, names, strict=True))).to_numpy()


def join(first: pd.DataFrame, second: pd.DataFrame, max_atoms: int, seed: int) -> pd.DataFrame:
    """Give the joined table with its split."""
    same = find_same(first, second)
    found = same >= 0
    first = first.copy()
    for name in FROM_SECOND:
        first[name] = np.nan
        first.loc[same[found], name] = second.loc[found, name].to_numpy()
    joined = pd.concat([first, second[~found]], ignore_index=True)
    joined = joined.drop(columns=["energy_above_hull", "total_magnetization"], errors="ignore")
    unlabelled = joined["is_metal"].isna()
    joined["is_metal"] = joined["is_metal"].where(~unlabelled, joined["band_gap"] == 0).astype(bool)
    joined["split"] = choose_parts(joined["formula_reduced"], seed)
    n_atoms = joined["species"].map(len)
    return joined[(joined["split"] != "train") | (n_atoms <= max_atoms)].reset_index(drop=True)


def write_table(data: Path, out: Path, max_atoms: int = 100, seed: int = 0) -> None:
    """Read the two tables and write the joined one."""
    tables = [
        pd.read_parquet(data / f"{name}.parquet")
        for name in ("matbench_mp_106k", "materials_project_36k")
    ]
    joined = join(*tables, max_atoms, seed)
    joined.to_parquet(out, index=False)
    print(joined.drop(columns=["lattice", "species", "frac"]).groupby("split").count().T)


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the two tables")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--max-atoms", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    write_table(options.data, options.out, options.max_atoms, options.seed)


if __name__ == "__main__":
    main()
