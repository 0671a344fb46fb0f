"""A table for the question perovskite or other oxide, made of three sets of real structures.

Perovskites: the oxides among the homework's 670 perovskites, and Castelli's ABO3. Other oxides: the
crystals of the Materials Project with oxygen whose reduced formula is not ABO3, and not that of one
of the homework's. All of both kinds hold oxygen, so that its presence gives nothing away;
Castelli's are all cubic cells of five atoms, which makes the question easy for them.

    python -m recipes.perovskite_or_oxide --data DATA --out runs/perovskite_or_oxide.parquet
    xtalgraph cross-validate runs/perovskite_or_oxide.parquet --target kind --group formula \
        --models most_common,random,composition_forest,distance_mlp,cgcnn
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from xtalgraph.data import Dataset, join_datasets, read_dataset, write_parquet
from xtalgraph.data.composition import contains_element, reduced_formulas

PEROVSKITE, OTHER = "perovskite", "other oxide"


def is_abo3(dataset: Dataset) -> np.ndarray:
    """Tell which crystals are of two elements and oxygen, 1 : 1 : 3."""
    crystals, oxygen = dataset.crystals, 8
    found = np.zeros(len(crystals), dtype=bool)
    for row, crystal in enumerate(crystals):
        numbers, counts = np.unique(crystal.atomic_numbers, return_counts=True)
        shares = dict(zip(numbers.tolist(), (5 * counts / counts.sum()).tolist(), strict=True))
        found[row] = len(shares) == 3 and sorted(shares.values()) == [1, 1, 3]
        found[row] &= shares.get(oxygen) == 3
    return found


def make_table(homework: Dataset, castelli: Dataset, materials_project: Dataset) -> Dataset:
    """Give one data set with the class `kind` and where each crystal is from, `origin`."""
    homework = homework.take(np.flatnonzero(contains_element(homework.crystals, "O")))
    castelli = castelli.take(np.flatnonzero(is_abo3(castelli)))
    known = set(reduced_formulas(homework.crystals))
    taken = np.isin(reduced_formulas(materials_project.crystals), list(known))
    oxide = contains_element(materials_project.crystals, "O")
    others = oxide & ~is_abo3(materials_project) & ~taken
    parts = (
        (homework, PEROVSKITE, "homework"),
        (castelli, PEROVSKITE, "castelli"),
        (materials_project.take(np.flatnonzero(others)), OTHER, "materials_project"),
    )
    named = [_label(part, kind, origin) for part, kind, origin in parts if len(part)]
    return replace(join_datasets(named), name="perovskite_or_oxide").with_unique_ids()


def _label(dataset: Dataset, kind: str, origin: str) -> Dataset:
    rows = range(len(dataset))
    columns = pd.DataFrame({"kind": kind, "origin": origin}, index=rows, dtype=object)
    return replace(dataset, columns=columns, targets={})


def write_table(data: Path, out: Path) -> None:
    """Read the three sets of a folder, and write the table."""
    table = make_table(
        read_dataset(data / "cs182_perovskites"),
        read_dataset(data / "castelli_perovskites.parquet"),
        read_dataset(data / "materials_project_36k.parquet"),
    )
    write_parquet(table, out)
    print(table.columns.value_counts(["origin", "kind"]).to_string())


def main() -> None:
    """Take the folder and the file from the command line."""
    parser = argparse.ArgumentParser(description="Write the table perovskite or other oxide.")
    parser.add_argument("--data", type=Path, required=True, help="folder with the three sets")
    parser.add_argument("--out", type=Path, required=True, help="a .parquet file")
    options = parser.parse_args()
    write_table(options.data, options.out)


if __name__ == "__main__":
    main()
