"""A table to pretrain on, for the homework's 670 perovskites to be learned afterwards.

Crystals of the Materials Project of at most some atoms, drawn at random from those whose reduced
formula none of the homework's has: both are of the same source, and a network that has seen the
answers would gain more than is true.

    python -m recipes.fine_tuning_source --data DATA --out runs/fine_tuning_source.parquet
"""

import argparse
from pathlib import Path

import numpy as np

from xtalgraph.datasets import Dataset, read_dataset, write_parquet
from xtalgraph.datasets.composition import reduced_formulas


def draw_source(
    table: Dataset, homework: Dataset, n_crystals: int, n_atoms: int, seed: int = 0
) -> Dataset:
    """Give crystals of the table with at most `n_atoms`, none with a formula of the homework's."""
    known = np.isin(reduced_formulas(table.crystals), reduced_formulas(homework.crystals))
    rows = np.flatnonzero(~known & (table.crystals.n_atoms <= n_atoms))
    drawn = np.random.default_rng(seed).permutation(rows)[:n_crystals]
    return table.take(np.sort(drawn))


def main() -> None:
    """Read both sets of a folder, and write the table."""
    parser = argparse.ArgumentParser(description="Write a table to pretrain on.")
    parser.add_argument("--data", type=Path, required=True, help="folder with both sets")
    parser.add_argument("--out", type=Path, required=True, help="a .parquet file")
    parser.add_argument("--crystals", type=int, default=6000, help="how many")
    parser.add_argument("--atoms", type=int, default=20, help="of the largest crystal")
    options = parser.parse_args()
    table = draw_source(
        read_dataset(options.data / "materials_project_36k.parquet"),
        read_dataset(options.data / "cs182_perovskites"),
        options.crystals,
        options.atoms,
    )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_parquet(table, options.out)
    print(f"{len(table)} crystals: {options.out}")


if __name__ == "__main__":
    main()
