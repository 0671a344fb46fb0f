"""The rule that tells perovskites from other ABX3, and the embedded sample that follows from it."""

from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from recipes.mp_sample import choose, is_abo3, is_perovskite, read_tables, write_sample

from xtalgraph.structures.crystal import lattice_from_parameters

KNOWN = {
    "mb-mp-gap-069782": ("SrTiO3, cubic", True),
    "mp-4651": ("SrTiO3, one tilt (I4/mcm)", True),
    "mb-mp-gap-103513": ("GdFeO3 (Pbnm)", True),
    "mp-2920": ("LaAlO3 (R-3c)", True),
    "mp-5986": ("BaTiO3, tetragonal", True),
    "mp-5020": ("BaTiO3, rhombohedral", True),
    "mb-mp-gap-089963": ("PbTiO3, tetragonal", True),
    "mb-mp-gap-043780": ("BiFeO3 (R3c)", True),
    "mp-3448": ("KMgF3", True),
    "mb-mp-gap-035301": ("CsPbI3, cubic", True),
    "mp-567629": ("CsPbBr3 (Pnma)", True),
    "mp-555735": ("CaIrO3, perovskite (Pnma)", True),
    "mp-552588": ("LiNbO3, paraelectric (R-3c)", True),
    "mp-4243": ("CaIrO3, post-perovskite: octahedra share edges", False),
    "mp-19417": ("FeTiO3, ilmenite: edges and faces", False),
    "mp-19138": ("BaNiO3, hexagonal: faces", False),
    "mb-mp-gap-036127": ("SrTiO3, hexagonal: corners and faces", False),
    "mp-3953": ("CaCO3, calcite: C has three O", False),
    "mp-4626": ("CaCO3, aragonite", False),
    "mp-3731": ("LiNbO3 (R3c): Li has six O, the hole is an octahedron", False),
    "mp-16293": ("KSbO3, pyrochlore-like", False),
    "mp-14607": ("KSbO3, its own type", False),
    "mp-540839": ("CsPbI3, yellow: octahedra share edges", False),
    "mp-22958": ("KBrO3: Br has three O", False),
    "mp-5158": ("KNO3", False),
}

Tables = dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]


@pytest.fixture(scope="module")
def tables(shared_data: Path) -> Tables:
    """Lattice, fractional positions and symbols of the known crystals, by id."""
    found = {}
    for name in ("materials_project_36k", "matbench_mp_106k"):
        rows = pd.read_parquet(
            shared_data / f"{name}.parquet", filters=[("material_id", "in", list(KNOWN))]
        )
        for row in rows.itertuples():
            positions = np.asarray(row.frac).reshape(-1, 3)
            lattice = lattice_from_parameters(*row.lattice)
            found[row.material_id] = lattice, positions, np.asarray(row.species)
    return found


@pytest.mark.parametrize("id", KNOWN)
def test_known_structures_are_told_apart(id: str, tables: Tables) -> None:
    name, expected = KNOWN[id]
    assert is_perovskite(*tables[id]) is expected, name


@pytest.mark.parametrize("id", ["mp-4651", "mp-4243", "mp-3731", "mp-555735"])
def test_the_answer_does_not_depend_on_how_a_crystal_is_written(id: str, tables: Tables) -> None:
    lattice, positions, symbols = tables[id]
    order = np.random.default_rng(1).permutation(len(symbols))
    moved = (positions + np.array([0.31, 0.77, 0.05]))[order]
    sheared = np.array([[1, 0, 0], [1, 1, 0], [0, -1, 1]])
    other = moved @ np.linalg.inv(sheared)
    assert is_perovskite(sheared @ lattice, other, symbols[order]) is KNOWN[id][1]
    doubled = np.concatenate([positions, positions + np.array([1, 0, 0])]) / [2, 1, 1]
    double = lattice * [[2], [1], [1]]
    assert is_perovskite(double, doubled, np.tile(symbols, 2)) is KNOWN[id][1]


def test_other_compositions_are_none() -> None:
    lattice, sites = 4 * np.eye(3), [[0, 0, 0], [0.5] * 3, [0.5, 0.5, 0], [0.5, 0, 0.5]]
    cubic = np.array([*sites, [0, 0.5, 0.5]])
    assert is_perovskite(lattice, cubic, np.array(["Sr", "Ti", "O", "O", "O"]))
    assert is_perovskite(lattice, cubic, np.array(["Ti", "Sr", "O", "O", "O"]))
    for symbols in ("Sr N Mn Mn Mn", "Sr Sr O O O", "Sr Ti O O F", "O Ti Sr Sr Sr"):
        assert not is_perovskite(lattice, cubic, np.array(symbols.split()))
    assert not is_perovskite(lattice, np.array(sites), np.array(["Sr", "Ti", "O", "O"]))
    assert is_abo3(np.array(["Sr", "Ti", "O", "O", "O"]))
    assert not is_abo3(np.array(["K", "Mg", "F", "F", "F"]))


def test_the_embedded_sample_follows_from_the_tables(shared_data: Path, tmp_path: Path) -> None:
    write_sample(choose(read_tables(shared_data)), tmp_path / "again.npz")
    shipped = Path(str(files("xtalgraph.data"))) / "mp_sample.npz"
    with np.load(shipped) as old, np.load(tmp_path / "again.npz") as new:
        assert old.files == new.files
        for name in old.files:
            np.testing.assert_array_equal(old[name], new[name], err_msg=name)
