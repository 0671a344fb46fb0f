"""The embedded data set `mp-sample`: perovskites and other oxides of the Materials Project.

    XTALGRAPH_DATA=DATA python -m recipes.mp_sample --out src/xtalgraph/data/mp_sample.npz

`DATA` holds `materials_project_36k.parquet` and `matbench_mp_106k.parquet`; `--data` names another
folder. The same tables give the same file. What is taken, by which rule, and the known faults are
in the data card `src/xtalgraph/data/mp_sample.md`.
"""

import argparse
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from xtalgraph.interpretation.roles import find_roles
from xtalgraph.structures.crystal import Crystal, lattice_from_parameters
from xtalgraph.structures.elements import atomic_number

ANIONS = frozenset(["H", "N", "O", "F", "S", "Cl", "Se", "Br", "Te", "I"])
MOST_ATOMS, N_PEROVSKITES, N_OTHER_ABO3, N_OTHER = 24, 700, 350, 1000
ENERGY_RANGE = (-5.0, 1.5)  # eV/atom; the few energies outside are faults of the table
# A seventh X at least so many times as far from B as the sixth: six are neighbours, not seven.
OCTAHEDRON_GAP = 1.15
# The farthest of the six against the nearest: 1.65 in PbTiO3 (PBE makes its long axis too long);
# bromates, whose Br has three O, begin at 1.70.
OCTAHEDRON_SPREAD = 1.68
OPPOSITE = -0.77  # cosine; each X of an octahedron has another one on the far side of B
# Eight X at most so many times as far from A as the nearest: GdFeO3 1.2, BiFeO3 (R3c) 1.43; the
# LiNbO3 type begins at 1.53, with six X around A and the next far off.
HOLE_SPREAD = 1.52


def is_perovskite(lattice: np.ndarray, fractional: np.ndarray, symbols: np.ndarray) -> bool:
    """Tell whether a crystal is a perovskite ABX3, by its structure.

    1. Two elements and an anion X, 1 : 1 : 3.
    2. Each B is in an octahedron of six X.
    3. Each X joins two B, and no two octahedra share more than that one corner: edges (ilmenite,
       post-perovskite) and faces (hexagonal BaNiO3) are out.
    4. A lies in the hole between the octahedra: it has at least eight X around it, and its bonds
       are longer than those of B. That leaves out calcite (C has three O), the LiNbO3 type (Li has
       six O; its octahedra are turned so far that the hole itself is an octahedron), and the
       corner-sharing nets of KSbO3 and of defect pyrochlores.
    """
    elements, counts = np.unique(symbols, return_counts=True)
    order = np.argsort(counts)
    if len(elements) != 3 or (counts[order] * 5 != np.array([1, 1, 3]) * len(symbols)).any():
        return False
    first, second, anion = elements[order]
    if anion not in ANIONS:
        return False
    sites = [np.flatnonzero(symbols == element) for element in (first, second, anion)]
    return any(
        _is_framework(lattice, fractional, a, b, sites[2])
        for a, b in ((sites[0], sites[1]), (sites[1], sites[0]))
    )


def _is_framework(
    lattice: np.ndarray, fractional: np.ndarray, a: np.ndarray, b: np.ndarray, x: np.ndarray
) -> bool:
    reach = 2.2 * (abs(np.linalg.det(lattice)) / len(b)) ** (1 / 3)
    joined: dict[int, list[tuple[int, np.ndarray]]] = {int(site): [] for site in x}
    length = 0.0
    for centre, (sites, images, vectors) in _neighbours(lattice, fractional, b, x, reach):
        distances = np.linalg.norm(vectors, axis=1)
        if len(sites) < 7 or distances[6] < OCTAHEDRON_GAP * distances[5]:
            return False
        directions = vectors[:6] / distances[:6, None]
        no_opposite = (directions @ directions.T).min(axis=1) > OPPOSITE
        if no_opposite.any() or distances[5] > OCTAHEDRON_SPREAD * distances[0]:
            return False
        length += distances[:6].mean() / len(b)
        for site, image in zip(sites[:6], images[:6], strict=True):
            joined[int(site)].append((centre, image))
    return _shares_corners(joined) and _fills_hole(lattice, fractional, a, x, 1.5 * reach, length)


def _shares_corners(joined: dict[int, list[tuple[int, np.ndarray]]]) -> bool:
    """Each X joins two B, and each pair of B is joined by one X."""
    pairs: set[tuple[int, ...]] = set()
    for ends in joined.values():
        if len(ends) != 2:
            return False
        (one, here), (other, there) = ends
        step = here - there  # the image of `other` as seen from `one`
        both = {(one, other, *step.tolist()), (other, one, *(-step).tolist())}
        if both & pairs:
            return False
        pairs |= both
    return True


def _fills_hole(
    lattice: np.ndarray,
    fractional: np.ndarray,
    a: np.ndarray,
    x: np.ndarray,
    reach: float,
    b_length: float,
) -> bool:
    lengths = []
    for _, (_, _, vectors) in _neighbours(lattice, fractional, a, x, reach):
        distances = np.linalg.norm(vectors, axis=1)
        if len(distances) < 8 or distances[7] > HOLE_SPREAD * distances[0]:
            return False
        lengths.append(distances[:6].mean())
    return float(np.mean(lengths)) > b_length


Neighbours = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Sites, images and vectors (Å) of the neighbours of one site, the nearest first."""


def _neighbours(
    lattice: np.ndarray, fractional: np.ndarray, centres: np.ndarray, x: np.ndarray, reach: float
) -> Iterator[tuple[int, Neighbours]]:
    fractional = fractional - np.floor(fractional)
    counts = np.ceil(reach * np.linalg.norm(np.linalg.inv(lattice), axis=0)).astype(int) + 1
    ranges = [np.arange(-count, count + 1) for count in counts]
    images = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 3)
    for centre in centres:
        steps = fractional[x][:, None] + images[None] - fractional[centre]
        vectors = steps @ lattice
        distances = np.linalg.norm(vectors, axis=-1)
        site, image = np.nonzero(distances < reach)
        order = np.argsort(distances[site, image], kind="stable")
        site, image = site[order], image[order]
        yield int(centre), (x[site], images[image], vectors[site, image])


def is_abo3(symbols: np.ndarray) -> bool:
    """Tell whether a composition is ABO3."""
    elements, counts = np.unique(symbols, return_counts=True)
    thirds = dict(zip(elements.tolist(), (5 * counts / len(symbols)).tolist(), strict=True))
    return sorted(thirds.values()) == [1, 1, 3] and thirds.get("O") == 3


def read_tables(data: Path) -> pd.DataFrame:
    """Give the candidates of both tables, the first one's first: of one phase only one row.

    A phase is a reduced formula with a space group.
    """
    names = ("materials_project_36k", "matbench_mp_106k")
    tables = [pd.read_parquet(data / f"{name}.parquet").assign(table=name) for name in names]
    rows = pd.concat(tables, ignore_index=True)
    energy = rows["formation_energy_per_atom"]
    rows = rows[
        (rows["nsites"] <= MOST_ATOMS) & energy.between(*ENERGY_RANGE) & rows["band_gap"].notna()
    ]
    rows = rows.drop_duplicates(["formula_reduced", "space_group_number"], keep="first")
    return rows.reset_index(drop=True)


def choose(rows: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Give the rows of the sample with their `kind`: perovskites first, then the other oxides.

    All perovskites and other ABO3 of the first table, and oxides of the second until there are
    enough of each; the rest are oxides of other formulas, drawn from the first table. Perovskites
    with several elements on a site are of neither kind, and left out.
    """
    random = np.random.default_rng(seed)
    symbols = rows["species"].map(np.asarray)
    oxide = symbols.map(lambda species: "O" in species).to_numpy()
    abo3 = symbols.map(is_abo3).to_numpy()
    structures = [_read(*row) for row in zip(rows.lattice, rows.frac, rows.species, strict=True)]
    perovskite = np.array([is_perovskite(*structure) for structure in structures])
    first = (rows["table"] == "materials_project_36k").to_numpy()

    def fill(wanted: np.ndarray, count: int, more: np.ndarray) -> np.ndarray:
        missing, spare = count - int(wanted.sum()), np.flatnonzero(more)
        taken = random.choice(spare, min(max(missing, 0), len(spare)), replace=False)
        return np.sort(np.concatenate([np.flatnonzero(wanted), taken]))

    perovskites = fill(perovskite & first, N_PEROVSKITES, perovskite & oxide & ~first)
    other = abo3 & ~perovskite
    others = fill(other & first, N_OTHER_ABO3, other & ~first)
    drawn = random.permutation(np.flatnonzero(oxide & first & ~abo3)).tolist()
    rest = islice(
        (row for row in drawn if not _is_ordered(*structures[row])), N_OTHER - len(others)
    )
    others = np.sort(np.concatenate([others, list(rest)]))
    # A perovskite without oxygen has no kind: the anion would give the answer away.
    kinds = np.where(oxide[perovskites], "perovskite", "")
    chosen = rows.iloc[np.concatenate([perovskites, others])].reset_index(drop=True)
    return chosen.assign(kind=np.concatenate([kinds, np.full(len(others), "other oxide")]))


def _read(
    lattice: np.ndarray, positions: np.ndarray, symbols: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    positions = np.asarray(positions, dtype=np.float64).reshape(-1, 3)
    return lattice_from_parameters(*lattice), positions, np.asarray(symbols)


def _is_ordered(lattice: np.ndarray, positions: np.ndarray, symbols: np.ndarray) -> bool:
    """Tell whether a crystal is a perovskite with several elements on a site, such as Ba2YTaO6."""
    crystal = Crystal.from_symbols(lattice, positions, symbols.tolist())
    return find_roles(crystal).kind == "perovskite"


def write_sample(rows: pd.DataFrame, out: Path) -> None:
    """Write flat arrays of whole numbers, compressed: lengths, angles and positions in 1e-6."""
    numbers = np.concatenate([[atomic_number(one) for one in row] for row in rows["species"]])
    np.savez_compressed(
        out,
        ids=rows["material_id"].to_numpy().astype("S"),
        n_atoms=rows["nsites"].to_numpy(np.uint8),
        atomic_numbers=numbers.astype(np.uint8),
        cells=_millionths(np.stack(rows["lattice"].map(np.asarray).to_list())),
        fractional_positions=_millionths(np.concatenate(rows["frac"].to_list()).reshape(-1, 3)),
        formation_energy_per_atom=_millionths(rows["formation_energy_per_atom"].to_numpy()),
        band_gap=_millionths(rows["band_gap"].to_numpy()),
        kind=rows["kind"].to_numpy().astype("S"),
    )


def _millionths(values: np.ndarray) -> np.ndarray:
    return np.round(1e6 * np.asarray(values, dtype=np.float64)).astype(np.int32)


def main() -> None:
    """Take the folders from the command line."""
    parser = argparse.ArgumentParser(description="Make the embedded sample mp-sample.")
    parser.add_argument("--data", type=Path, default=os.environ.get("XTALGRAPH_DATA"))
    parser.add_argument("--out", type=Path, required=True, help="a .npz file")
    options = parser.parse_args()
    if options.data is None:
        parser.error("give --data, or set XTALGRAPH_DATA")
    rows = choose(read_tables(options.data))
    write_sample(rows, options.out)
    abo3 = rows["species"].map(np.asarray).map(is_abo3)
    print(rows.groupby(["table", "kind"]).size().to_string())
    print(f"other oxides of formula ABO3: {(abo3 & (rows['kind'] == 'other oxide')).sum()}")
    print(f"metals: {(rows['band_gap'] == 0).sum()} of {len(rows)}")
    print(f"{options.out}: {options.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
