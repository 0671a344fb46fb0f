"""A packed folder is the data set it was made of, and trains where its crystals have no room."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests.training.tiny import make_tiny
from xtalgraph.cli.app import run
from xtalgraph.data import iterate_dataset, pack_dataset, read_dataset, write_parquet
from xtalgraph.data.files import PACKED_NAME
from xtalgraph.errors import BadConfig, BadDataset, Rejected

ROOT = Path(__file__).resolve().parents[2]


def assert_same(found, expected) -> None:
    """Compare two data sets crystal by crystal and column by column."""
    assert found.ids.tolist() == expected.ids.tolist()
    assert found.targets == expected.targets
    pd.testing.assert_frame_equal(found.columns, expected.columns)
    for name in ("lattices", "fractional_positions", "atomic_numbers", "offsets"):
        ours, theirs = getattr(found.crystals, name), getattr(expected.crystals, name)
        np.testing.assert_array_equal(ours, theirs, err_msg=name)


def test_a_packed_table_is_read_as_the_table(tmp_path: Path) -> None:
    table = write_parquet(make_tiny(), tmp_path / "tiny.parquet")
    folder = pack_dataset(table, tmp_path / "packed")
    assert_same(read_dataset(folder), read_dataset(table))
    assert read_dataset(folder).checksum == read_dataset(table).checksum
    assert not read_dataset(folder).crystals.lattices.flags.owndata
    ids = [id for store, _ in iterate_dataset(folder) for id in store.ids.tolist()]
    assert ids == make_tiny().ids.tolist()
    assert not list(tmp_path.glob("*.part"))


def test_shards_are_packed_one_after_another(tmp_path: Path) -> None:
    tiny = make_tiny()
    shards = [
        write_parquet(tiny.take(rows), tmp_path / f"{number}.parquet")
        for number, rows in enumerate(np.array_split(np.arange(len(tiny)), 3))
    ]
    whole = read_dataset(write_parquet(tiny, tmp_path / "whole.parquet"))
    assert_same(read_dataset(pack_dataset(shards, tmp_path / "packed")), whole)


def test_bad_rows_are_refused_or_listed_and_nothing_half_is_left(tmp_path: Path) -> None:
    frame = pq.read_table(write_parquet(make_tiny(), tmp_path / "a.parquet")).to_pandas()
    frame.at[3, "lattice"] = [0.0] * 9
    frame.to_parquet(tmp_path / "b.parquet")
    with pytest.raises(BadDataset, match="1 crystals cannot be packed:\n  c3"):
        pack_dataset(tmp_path / "b.parquet", tmp_path / "packed")
    assert not list(tmp_path.glob("packed*"))
    rejected: list[Rejected] = []
    folder = pack_dataset(tmp_path / "b.parquet", tmp_path / "packed", rejected=rejected)
    assert [row.id for row in rejected] == ["c3"]
    assert len(read_dataset(folder)) == 39
    words = ["data", "pack", str(tmp_path / "b.parquet"), "--out", str(tmp_path / "third")]
    assert [run(words), run([*words, "--skip-bad"])] == [1, 0]
    assert pd.read_csv(tmp_path / "third.rejected.csv")["id"].tolist() == ["c3"]
    with pytest.raises(BadConfig, match="is there already"):
        pack_dataset(tmp_path / "a.parquet", folder)
    with pytest.raises(BadDataset, match="no table"):
        pack_dataset(folder / PACKED_NAME / "x", tmp_path / "other")


def spoil(folder: Path, how: str) -> None:
    """Make a packed folder wrong in one way."""
    name = how.split()[-1]
    content = (folder / name).read_bytes()
    if how.startswith("cut"):
        (folder / name).write_bytes(content[: len(content) // 2])
    elif how.startswith("change"):
        (folder / name).write_bytes(bytes([content[0] ^ 1]) + content[1:])
    elif how.startswith("lose"):
        (folder / name).unlink()
    else:
        (folder / name).write_text('{"name": "tiny"}')


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("cut lattices.bin", "lattices.bin: not the file that was packed"),
        ("change atomic_numbers.bin", "atomic_numbers.bin: not the file that was packed"),
        ("cut columns.parquet", "columns.parquet: not the file that was packed"),
        ("lose columns.parquet", "columns.parquet: not the file that was packed"),
        ("cut packed.json", "packed.json: not as `data pack` writes it"),
        ("empty packed.json", "packed.json: not as `data pack` writes it"),
    ],
)
def test_a_broken_folder_is_refused_with_the_file(tmp_path: Path, how: str, message: str) -> None:
    folder = pack_dataset(write_parquet(make_tiny(), tmp_path / "a.parquet"), tmp_path / "packed")
    spoil(folder, how)
    with pytest.raises(BadDataset, match=message):
        read_dataset(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is one of Linux")
def test_a_table_larger_than_the_memory_trains(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.data.train_in_little_memory", str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["trained", "no room in memory"]
