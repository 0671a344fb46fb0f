"""The real tables: what they hold, how little memory they take, and that pymatgen agrees."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings, strategies as st

from xtalgraph.data import read_dataset
from xtalgraph.data.structure_columns import lattices_from_parameters
from xtalgraph.structures import Crystal, CrystalStore, lattice_from_parameters
from xtalgraph.structures.checks import find_overlap, find_overlaps

TABLES = {"castelli_perovskites": 15_143, "elastic_10k": 10_015}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_read_whole_and_small(shared_data: Path, name: str) -> None:
    dataset = read_dataset(shared_data / f"{name}.parquet")
    assert len(dataset) == TABLES[name]
    assert dataset.crystals.n_bytes <= 64 * dataset.crystals.offsets[-1]


@pytest.mark.parametrize("name", ["castelli_perovskites", "elastic_10k", "matbench_mp_106k"])
def test_pymatgen_reads_the_same(shared_data: Path, name: str, tmp_path: Path) -> None:
    from pymatgen.core import Lattice, Structure

    first = next(pq.ParquetFile(shared_data / f"{name}.parquet").iter_batches(500))
    rows = first.take(list(range(0, 500, 25)))
    pq.write_table(rows.to_pandas().pipe(_to_arrow), tmp_path / "some.parquet")
    dataset = read_dataset(tmp_path / "some.parquet")
    for crystal, row in zip(dataset.crystals, rows.to_pylist(), strict=True):
        lattice = Lattice.from_parameters(*row["lattice"])
        expected = Structure(lattice, row["species"], np.reshape(row["frac"], (-1, 3)))
        assert crystal.id == row["material_id"]
        assert crystal.symbols == [site.specie.symbol for site in expected]
        assert np.abs(crystal.lattice - expected.lattice.matrix).max() < 1e-9
        assert np.abs(crystal.cartesian_positions - expected.cart_coords).max() < 1e-9


def _to_arrow(frame: pd.DataFrame) -> object:
    import pyarrow as pa

    return pa.Table.from_pandas(frame)


def test_targets_of_the_tables_have_their_units(shared_data: Path) -> None:
    dataset = read_dataset(shared_data / "elastic_10k.parquet")
    assert dataset.targets["log10_K_VRH"].column == "log10_K_VRH [log10 GPa]"
    frame = pd.read_parquet(shared_data / "elastic_10k.parquet", columns=["log10_K_VRH"])
    assert np.array_equal(dataset.values(["log10_K_VRH"]), frame.to_numpy())


def test_the_homework_folder(shared_data: Path) -> None:
    folder = shared_data / "cs182_perovskites"
    dataset = read_dataset(folder)
    assert len(dataset) == 670
    assert list(dataset.targets) == ["target"]
    energies = dict(zip(dataset.ids.tolist(), dataset.values(["target"])[:, 0], strict=True))
    assert energies["1211325"] == -345.586763
    gaps = read_dataset(folder / "band_gap.csv")
    assert len(gaps) == 332
    assert gaps.targets["band_gap"].unit == "eV"
    assert gaps.crystals[0].atomic_numbers.tolist() == (
        dataset.crystals[dataset.ids.tolist().index(str(gaps.ids[0]))].atomic_numbers.tolist()
    )


@settings(max_examples=50, deadline=None)
@given(
    lengths=st.lists(st.floats(1, 30), min_size=3, max_size=3),
    angles=st.lists(st.floats(70, 110), min_size=3, max_size=3),
)
def test_many_lattices_are_as_one(lengths: list[float], angles: list[float]) -> None:
    parameters = [*lengths, *angles]
    many = lattices_from_parameters(np.array([parameters, [2, 3, 4, 90, 90, 90]]))
    assert np.abs(many[0] - lattice_from_parameters(*parameters)).max() < 1e-12


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), n_atoms=st.integers(1, 30), size=st.floats(1.5, 8))
def test_no_overlap_is_overlooked(seed: int, n_atoms: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    crystals = []
    for _ in range(8):
        lattice = size * np.eye(3) + rng.normal(scale=0.3 * size, size=(3, 3))
        if abs(np.linalg.det(lattice)) < 1e-3:
            continue
        positions = rng.uniform(-2, 2, size=(n_atoms, 3))
        crystals.append(Crystal(lattice, positions, np.full(n_atoms, 6)))
    store = CrystalStore.from_crystals(crystals)
    alone = {row: find_overlap(crystal) for row, crystal in enumerate(crystals)}
    assert find_overlaps(store) == {row: pair for row, pair in alone.items() if pair is not None}


def test_sound_crystals_have_no_overlap(shared_data: Path) -> None:
    store = read_dataset(shared_data / "castelli_perovskites.parquet").crystals
    assert find_overlaps(store) == {}
