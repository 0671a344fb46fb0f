"""From CIF text to graph, and the kernel alone, against the reference's way and pymatgen's list.

    python -m benchmarks.graphs --data ../shared/data

One core, processor time, all in one process, the ways alternating, medians of `--rounds`. The
reference's way is what the code of 2018 does for each crystal: pymatgen `Structure.from_str`, then
`get_all_neighbors(8)`, sort, cut at 12. The yardstick for the kernel is pymatgen's compiled
`get_neighbor_list(8)` with a vectorised cut. Results go to `benchmarks/results/graphs.json` and
`.md`.
"""

import argparse
import warnings
from pathlib import Path

from benchmarks.timing import alternate, write_results

import numpy as np
import pandas as pd

from xtalgraph.graphs import GraphConfig, build_graphs
from xtalgraph.structures import Crystal, CrystalStore, format_cif, read_crystal
from xtalgraph.structures.crystal import lattice_from_parameters


def castelli_texts(data: Path, n_crystals: int) -> list[str]:
    """CIF texts of Castelli perovskites, 5 atoms each."""
    frame = pd.read_parquet(data / "castelli_perovskites.parquet").iloc[:n_crystals]
    return [
        format_cif(
            Crystal.from_symbols(
                lattice_from_parameters(*row.lattice), np.reshape(row.frac, (-1, 3)), row.species
            )
        )
        for row in frame.itertuples()
    ]


def homework_texts(data: Path, n_crystals: int) -> list[str]:
    """CIF texts of the homework perovskites, 14 atoms in the mean."""
    paths = sorted((data / "cs182_perovskites").glob("*.cif"))[:n_crystals]
    return [path.read_text() for path in paths]


def reference_way(texts: list[str]) -> None:
    """What the code of 2018 does: parse, all neighbours within 8 Å, sort, cut."""
    from pymatgen.core import Structure

    for text in texts:
        structure = Structure.from_str(text, fmt="cif")
        neighbours = structure.get_all_neighbors(8, include_index=True)
        neighbours = [sorted(found, key=lambda one: one[1])[:12] for found in neighbours]
        np.array([[one[1] for one in found] for found in neighbours])
        np.array([[one[2] for one in found] for found in neighbours])


def our_way(texts: list[str]) -> None:
    """CIF text to one batch of graphs, default rule."""
    build_graphs([read_crystal(text, format="cif") for text in texts])


def pymatgen_list(structures: list) -> None:
    """The compiled neighbour list and a vectorised cut to the 12 nearest."""
    for structure in structures:
        centre, _, _, distance = structure.get_neighbor_list(8.0)
        order = np.lexsort((distance, centre))
        starts = np.searchsorted(centre[order], np.arange(len(structure)))
        rank = np.arange(len(order)) - starts[centre[order]]
        order[rank < 12]


def measure(data: Path, n_crystals: int, rounds: int) -> list[dict]:
    """One row a comparison: microseconds a crystal of both sides, and the ratio."""
    from pymatgen.core import Structure

    rows = []
    for name, texts in (
        ("Castelli, 5 atoms", castelli_texts(data, n_crystals)),
        ("homework perovskites, 14 atoms", homework_texts(data, n_crystals)),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pymatgen's remarks on files that it mends
            structures = [Structure.from_str(text, fmt="cif") for text in texts]
            store = CrystalStore.from_crystals([read_crystal(text, format="cif") for text in texts])
            comparisons = {
                "CIF text to graph": {
                    "peer": lambda texts=texts: reference_way(texts),
                    "xtalgraph": lambda texts=texts: our_way(texts),
                },
                "kernel alone": {
                    "peer": lambda structures=structures: pymatgen_list(structures),
                    "xtalgraph": lambda store=store: build_graphs(store, GraphConfig("nearest")),
                },
            }
            for what, ways in comparisons.items():
                medians = alternate(ways, rounds)
                per_crystal = {way: 1e6 * value / len(texts) for way, value in medians.items()}
                ratio = per_crystal["peer"] / per_crystal["xtalgraph"]
                rows.append({"what": what, "crystals": name, **per_crystal, "ratio": ratio})
    return rows


def main() -> None:
    """Measure, print and store the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--crystals", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    rows = measure(arguments.data, arguments.crystals, arguments.rounds)
    lines = [
        "| what | crystals | peer, µs | xtalgraph, µs | ratio |",
        "|---|---|---|---|---|",
        *(
            f"| {r['what']} | {r['crystals']} | {r['peer']:.1f} | {r['xtalgraph']:.1f} "
            f"| {r['ratio']:.0f} |"
            for r in rows
        ),
    ]
    write_results("graphs", lines, rows)


if __name__ == "__main__":
    main()
