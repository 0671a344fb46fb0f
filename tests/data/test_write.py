"""Writing data sets: what is written is read back, blanks and units included."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from xtalgraph.data import (
    Dataset,
    make_dataset_folder,
    read_dataset,
    read_sample_dataset,
    write_parquet,
)
from xtalgraph.errors import BadDataset, UnknownName
from xtalgraph.structures import Crystal, CrystalStore
from xtalgraph.units import Target


def make_dataset(ids: tuple[str, ...] = ("a", "b"), **more: list) -> Dataset:
    iron = 2.87 * np.eye(3) + 0.1
    crystals = [
        Crystal(iron * (1 + row), [[0, 0, 0], [0.1, 0.5, 1 / 3]], [26, 8], id)
        for row, id in enumerate(ids)
    ]
    columns = pd.DataFrame({"gap": [0.1 + 0.2, np.nan], "kind": ["metal", None], **more})
    targets = {"gap": Target("gap", "eV")}
    return Dataset("two", CrystalStore.from_crystals(crystals), columns, targets, "by hand", "")


def test_parquet_comes_back_exactly(tmp_path: Path) -> None:
    dataset = make_dataset(is_metal=[True, False], charge=[3, -1])
    dataset.targets["charge"] = Target("charge", "e")
    back = read_dataset(write_parquet(dataset, tmp_path / "deep" / "two.parquet"))
    for name in ("lattices", "fractional_positions", "atomic_numbers", "offsets"):
        np.testing.assert_array_equal(getattr(back.crystals, name), getattr(dataset.crystals, name))
    assert back.ids.tolist() == ["a", "b"]
    assert back.targets == dataset.targets
    np.testing.assert_array_equal(back.values(["gap", "charge"]), [[0.1 + 0.2, 3], [np.nan, -1]])
    assert back.labels("kind").tolist() == ["metal", None]
    assert back.labels("is_metal").tolist() == ["true", "false"]


def test_parquet_headers_have_units(tmp_path: Path) -> None:
    schema = pq.read_schema(write_parquet(make_dataset(), tmp_path / "two.parquet"))
    assert schema.names == ["material_id", "lattice", "species", "frac", "gap [eV]", "kind"]


def test_a_folder_comes_back(tmp_path: Path) -> None:
    dataset = make_dataset()
    folder = make_dataset_folder(dataset, tmp_path / "new" / "two")
    assert (folder / "id_prop.csv").read_text() == (
        "id,gap [eV],kind\na,0.30000000000000004,metal\nb,,\n"
    )
    back = read_dataset(folder)
    np.testing.assert_allclose(
        back.crystals.fractional_positions, dataset.crystals.fractional_positions, atol=1e-6
    )
    volumes = [crystal.volume for crystal in dataset.crystals]
    assert [crystal.volume for crystal in back.crystals] == pytest.approx(volumes, rel=1e-6)
    np.testing.assert_array_equal(back.values(["gap"]), dataset.values(["gap"]))
    assert back.labels("kind").tolist() == ["metal", None]


def test_one_target_is_enough(tmp_path: Path) -> None:
    folder = make_dataset_folder(make_dataset(), tmp_path / "two", "gap")
    assert (folder / "id_prop.csv").read_text().splitlines()[0] == "id,gap [eV]"


def test_the_embedded_set_as_a_folder(tmp_path: Path) -> None:
    dataset = read_sample_dataset().take(np.arange(0, 1600, 40))
    folder = make_dataset_folder(dataset, tmp_path / "sample", "formation_energy_per_atom")
    back = read_dataset(folder)
    assert back.ids.tolist() == dataset.ids.tolist()
    assert back.targets["formation_energy_per_atom"].unit == "eV/atom"
    for first, second in zip(dataset.crystals, back.crystals, strict=True):
        assert first.composition == second.composition
        assert first.volume == pytest.approx(second.volume, rel=1e-6)


def test_an_unknown_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"unknown column 'gab'. Did you mean 'gap'"):
        make_dataset_folder(make_dataset(), tmp_path / "two", "gab")
    assert not (tmp_path / "two").exists()


def test_a_folder_that_has_data_is_not_overwritten(tmp_path: Path) -> None:
    make_dataset_folder(make_dataset(), tmp_path)
    with pytest.raises(BadDataset, match=r"is there already. Choose another folder"):
        make_dataset_folder(make_dataset(), tmp_path)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (("a", "a"), "1 ids repeat, first 'a'"),
        (("a", "../b"), "'../b' cannot be a file name"),
        (("a", ""), "'' cannot be a file name"),
    ],
)
def test_ids_that_are_no_file_names(tmp_path: Path, ids: tuple[str, ...], message: str) -> None:
    with pytest.raises(BadDataset, match=message):
        make_dataset_folder(make_dataset(ids), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_column_called_like_a_structure_column(tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match="'frac' has the name of a column of structures"):
        write_parquet(make_dataset(frac=["x", "y"]), tmp_path / "two.parquet")
