"""Space group and crystal system as labels that are found from the structures."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from xtalgraph.data import (
    Dataset,
    check_dataset,
    draw_sample,
    find_symmetry_labels,
    read_dataset,
)
from xtalgraph.errors import BadConfig, UnknownName
from xtalgraph.structures import Crystal, CrystalStore

SALT = Crystal(2.8 * np.eye(3), [[0, 0, 0], [0.5, 0.5, 0.5]], [55, 17], id="cubic")
LONG = Crystal(np.diag([3.0, 3.0, 4.0]), [[0, 0, 0], [0.5, 0.5, 0.5]], [55, 17], id="long")
BENT = Crystal([[3, 0, 0], [0.4, 3.3, 0], [0.2, 0.5, 3.8]], [[0, 0, 0]], [55], id="bent")
# all atoms in one place: no symmetry search can begin there
FLAT = Crystal([[3, 0, 0], [0, 3, 0], [3, 3, 1e-6]], [[0, 0, 0]], [55], id="flat")


def make(crystals: list[Crystal], **columns: list) -> Dataset:
    frame = pd.DataFrame(columns, index=range(len(crystals)))
    return Dataset("few", CrystalStore.from_crystals(crystals), frame, {}, "by hand", "0")


def test_labels_follow_from_the_structures() -> None:
    dataset = make([SALT, LONG, BENT])
    assert dataset.labels("space_group").tolist() == ["221", "123", "2"]
    assert dataset.labels("crystal_system").tolist() == ["cubic", "tetragonal", "triclinic"]
    assert dataset.find_unlabelled("crystal_system") == []


def test_a_failed_search_leaves_no_label_and_is_reported() -> None:
    dataset = make([SALT, FLAT])
    assert dataset.labels("crystal_system").tolist() == ["cubic", None]
    (failed,) = dataset.find_unlabelled("crystal_system")
    assert failed.id == "flat"
    assert "nearly in one plane" in failed.reason


def test_a_column_of_that_name_wins() -> None:
    dataset = make([SALT, LONG], crystal_system=["as I", "say"])
    assert dataset.labels("crystal_system").tolist() == ["as I", "say"]
    assert not dataset.is_computed("crystal_system")
    assert dataset.find_unlabelled("crystal_system") == []
    with pytest.raises(UnknownName, match="unknown column 'crystal_sistem'"):
        dataset.labels("crystal_sistem")


def test_the_tolerance_decides_about_a_small_distortion() -> None:
    nearly = Crystal(
        np.diag([2.8, 2.8, 2.83]), SALT.fractional_positions, SALT.atomic_numbers, id="nearly"
    )
    store = CrystalStore.from_crystals([nearly])
    assert find_symmetry_labels(store).labels["crystal_system"][0] == "tetragonal"
    assert find_symmetry_labels(store, 0.1).labels["crystal_system"][0] == "cubic"


def test_labels_agree_with_spglib_on_real_crystals(shared_data: Path) -> None:
    """The column is spglib's within 0.1 Å, so about one crystal in a hundred may differ."""
    dataset = draw_sample(read_dataset(shared_data / "materials_project_36k.parquet"), 300)
    column = dataset.columns["space_group_number"].astype(str).to_numpy()
    assert (dataset.labels("space_group") == column).mean() > 0.97


def test_a_sample_keeps_order_and_size() -> None:
    big = Crystal(9 * np.eye(3), np.random.default_rng(0).random((9, 3)), 9 * [6], id="big")
    dataset = make([SALT, big, LONG, BENT], number=[0, 1, 2, 3])
    assert draw_sample(dataset, 3, max_atoms=2).columns["number"].tolist() == [0, 2, 3]
    assert (
        draw_sample(dataset, 2, seed=1).ids.tolist() == draw_sample(dataset, 2, seed=1).ids.tolist()
    )
    with pytest.raises(BadConfig, match="size = 4; it must lie in 1 to 3"):
        draw_sample(dataset, 4, max_atoms=2)


def test_the_pre_flight_counts_them() -> None:
    report = check_dataset(make([SALT, LONG, BENT, FLAT]), target="crystal_system")
    (summary,) = report.targets
    assert summary.classes == {"cubic": 1, "tetragonal": 1, "triclinic": 1}
    assert summary.n_missing == 1
