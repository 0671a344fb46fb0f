"""The crystals that every program is given, as each of them reads it.

    python -m benchmarks.crystals --data ../shared/data --out FOLDER

Folders in the layout of 2018 (`ID.cif`, `id_prop.csv`, `atom_init.json`) of the first Castelli
perovskites and of the homework's perovskites, batches of graphs as arrays, and the weights that
networks begin with. A process of its own, so that the one that measures stays small.
"""

import argparse
import random
import shutil
from pathlib import Path

from benchmarks import timing  # noqa: F401  # threads are pinned before numpy is imported

import numpy as np
import pandas as pd
import torch

from xtalgraph.data import read_dataset
from xtalgraph.graphs import GraphConfig, build_graphs
from xtalgraph.nn import Cgcnn
from xtalgraph.nn.configs import NETWORK_OF_2018
from xtalgraph.nn.element_vectors import paper_vectors
from xtalgraph.nn.torch_parts import GaussianBasis
from xtalgraph.structures import CrystalStore, format_cif

N_NEIGHBOURS = 12
SEED_OF_2018 = 123  # with which the code of 2018 shuffles its table


def write_folder(
    folder: Path, store: CrystalStore, targets: list[float], element_vectors: Path
) -> None:
    """Write crystals as the code of 2018 reads them."""
    folder.mkdir(parents=True)
    lines = []
    for row, target in enumerate(targets):
        name = f"c{row:06d}"
        (folder / f"{name}.cif").write_text(format_cif(store[row]))
        lines.append(f"{name},{target}")
    (folder / "id_prop.csv").write_text("\n".join(lines) + "\n")
    shutil.copy(element_vectors, folder / "atom_init.json")


def copy_files(folder: Path, paths: list[Path], element_vectors: Path) -> None:
    """Copy files as they are, with their symmetry and what else journals write."""
    folder.mkdir()
    for path in paths:
        shutil.copy(path, folder)
    (folder / "id_prop.csv").write_text("".join(f"{path.stem},0.0\n" for path in paths))
    shutil.copy(element_vectors, folder / "atom_init.json")


def write_parts(folder: Path) -> None:
    """Share a folder out as the code of 2018 does (60, 20, 20 %): folders, and a table of parts."""
    rows = (folder / "id_prop.csv").read_text().split()
    random.Random(SEED_OF_2018).shuffle(rows)
    n_train, n_other = int(0.6 * len(rows)), int(0.2 * len(rows))
    parts = {
        "train": rows[:n_train],
        "validation": rows[-2 * n_other : -n_other],
        "test": rows[-n_other:],
    }
    lines = ["id,part"]
    for part, chosen in parts.items():
        place = folder.parent / f"{folder.name}_{part}"
        place.mkdir()
        (place / "id_prop.csv").write_text("\n".join(chosen) + "\n")
        shutil.copy(folder / "atom_init.json", place)
        for row in chosen:
            id = row.split(",")[0]
            (place / f"{id}.cif").hardlink_to(folder / f"{id}.cif")
            lines.append(f"{id},{part}")
    (folder.parent / f"{folder.name}_split.csv").write_text("\n".join(lines) + "\n")


def write_batch(path: Path, store: CrystalStore) -> None:
    """Write the graphs of crystals as arrays: exactly 12 edges an atom."""
    graph = build_graphs(store, GraphConfig("nearest", N_NEIGHBOURS))
    if graph.n_edges != graph.n_atoms * N_NEIGHBOURS:
        raise SystemExit("the code of 2018 pads missing neighbours; choose denser crystals")
    arrays = {
        "atomic_numbers": graph.atomic_numbers,
        "crystal": graph.crystal,
        "centre": graph.centre,
        "neighbour": graph.neighbour,
        "distance": graph.distance,
        "vectors": paper_vectors().float()[graph.atomic_numbers],
        "gaussians": GaussianBasis(0.0, 8.0, 41)(graph.distance.float()),
        "target": torch.linspace(-1, 1, graph.n_crystals),
    }
    np.savez(path, **{name: array.numpy() for name, array in arrays.items()})


def write_weights(path: Path) -> None:
    """Write what the networks begin with, under the names of the code of 2018."""
    torch.manual_seed(0)
    network = Cgcnn(NETWORK_OF_2018, 1)
    state = {}
    for name, value in network.state_dict().items():
        for ours, theirs in (
            ("element_vectors.embedding", "embedding"),
            ("gate_and_message", "fc_full"),
            ("normalise_edges", "bn1"),
            ("normalise_sum", "bn2"),
            ("convolutions", "convs"),
            ("output.1", "conv_to_fc"),
            ("output.3", "fc_out"),
        ):
            name = name.replace(ours, theirs)
        if not name.startswith("element_vectors."):  # the vectors themselves come with a batch
            state[name] = value
    torch.save(state, path)


def choose_larger(data: Path) -> CrystalStore:
    """64 crystals of 25 to 35 atoms, all of whose atoms have 12 neighbours within 8 Å."""
    store = read_dataset(data / "materials_project_36k.parquet").crystals
    rows = np.flatnonzero((store.n_atoms >= 25) & (store.n_atoms <= 35))
    rule = GraphConfig("nearest", N_NEIGHBOURS, isolated="ignore")
    kept: list[int] = []
    for row in rows.tolist():
        graph = build_graphs(store.take([row]), rule)
        if graph.n_edges == graph.n_atoms * N_NEIGHBOURS:
            kept.append(row)
        if len(kept) == 64:
            break
    return store.take(kept)


def write_all(data: Path, out: Path, sizes: list[int], n_learned: int) -> None:
    """Write everything that the comparison needs."""
    table = data / "castelli_perovskites.parquet"
    store = read_dataset(table).crystals
    energies = pd.read_parquet(table, columns=["formation_energy"])["formation_energy"].tolist()
    homework = data / "cs182_perovskites"
    vectors = homework / "atom_init.json"
    for size in {*sizes, 100, n_learned}:
        size = min(size, len(store))
        rows = range(size)
        write_folder(out / f"castelli_{size}", store.take(rows), energies[:size], vectors)
    write_parts(out / f"castelli_{n_learned}")
    copy_files(out / "homework_100", sorted(homework.glob("*.cif"))[:100], vectors)
    for name, crystals in (("5", store.take(range(256))), ("30", choose_larger(data))):
        folder = out / f"batch_{name}"
        write_folder(folder, crystals, [0.0] * len(crystals), vectors)
        # read again: of equally far neighbours, the last digits say which are the 12 nearest
        write_batch(out / f"batch_{name}.npz", read_dataset(folder).crystals)
    write_weights(out / "weights.pt")


def main() -> None:
    """Write the crystals."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 670])
    parser.add_argument("--learned", type=int, default=2000)
    options = parser.parse_args()
    write_all(options.data, options.out, options.sizes, options.learned)


if __name__ == "__main__":
    main()
