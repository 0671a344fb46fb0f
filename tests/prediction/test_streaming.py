"""Predicting piece by piece: the same as at once, in order, and in memory that does not grow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.training.tiny import make_tiny
from tests.zoo import ZOO
from xtalgraph.data import folder, pieces, read_dataset, tables, write_parquet
from xtalgraph.prediction import load_model, predict_source
from xtalgraph.structures import write_crystal
from xtalgraph.structures.formats.extended_xyz import format_extended_xyz

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a piece be of seven crystals."""
    monkeypatch.setattr(tables, "_ROWS", 7)
    monkeypatch.setattr(folder, "_ROWS", 7)
    monkeypatch.setattr(pieces, "FILES", 7)
    monkeypatch.setattr(pieces, "FRAMES", 7)
    monkeypatch.setattr(pieces, "LARGE", 100)


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Path]:
    """Twenty crystals as a table, as files, as one file of frames and as a folder with ids."""
    tiny = make_tiny(20)
    (tmp_path / "files").mkdir()
    for crystal in tiny.crystals:
        write_crystal(crystal, tmp_path / "files" / f"{crystal.id}.cif")
    frames = [format_extended_xyz(crystal) for crystal in tiny.crystals]
    (tmp_path / "frames.extxyz").write_text("".join(frames))
    (tmp_path / "spoilt.csv").write_text("id,cif\na,data_a\n")
    ids = "".join(f"{id},0\n" for id in tiny.ids[::-1])
    (tmp_path / "files" / "rows.csv").write_text(ids)
    return {
        "parquet": write_parquet(tiny, tmp_path / "tiny.parquet"),
        "files": tmp_path / "files",
        "frames": tmp_path / "frames.extxyz",
        "folder": tmp_path / "files" / "rows.csv",
    }


@pytest.mark.parametrize("kind", ["parquet", "files", "frames", "folder"])
def test_pieces_are_the_prediction_at_once(kind: str, sources, small_pieces, packed) -> None:
    model = load_model(packed)
    pieces = list(predict_source(model, sources[kind]))
    whole = model.predict(read_dataset(sources[kind]).crystals)
    assert [len(piece) for piece in pieces] == [7, 7, 6]
    table = pd.concat([piece.to_frame() for piece in pieces], ignore_index=True)
    pd.testing.assert_frame_equal(table, whole.to_frame(), rtol=1e-5, atol=1e-6)


def test_what_is_bad_is_listed_where_it_stands(sources, small_pieces, packed, tmp_path) -> None:
    bad = tmp_path / "files" / "c11.cif"
    bad.write_text("hello")
    lines = sources["frames"].read_text().splitlines()
    lines[4 * 9 + 1] = "no lattice"
    sources["frames"].write_text("\n".join(lines))
    model = load_model(packed)
    inputs = [sources["folder"], sources["frames"], tmp_path / "gone.cif"]
    pieces = list(predict_source(model, inputs))
    assert [row.id for piece in pieces for row in piece.rejected] == [
        "c11",
        "frames#9",
        str(tmp_path / "gone.cif"),
    ]
    ids = [id for piece in pieces for id in piece.ids]
    rows = [f"c{row}" for row in range(19, -1, -1) if row != 11]
    assert ids == rows + [f"frames#{row}" for row in range(20) if row != 9]


def test_nothing_is_left_of_a_table_that_was_broken_off(call, packed, tmp_path) -> None:
    write_crystal(ZOO["NaCl"], tmp_path / "salt.cif")
    (tmp_path / "broken.json").write_text('[{"id": 1')
    out = tmp_path / "out.csv"
    out.write_text("of an earlier run")
    assert call("predict", packed, tmp_path / "broken.json", "--out", out).status == 1
    assert out.read_text() == "of an earlier run"
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_the_memory_does_not_grow_with_the_crystals(packed, tmp_path) -> None:
    tiny, paths = make_tiny(), []
    for n_crystals in (12_288, 49_152):
        rows = np.arange(n_crystals) % len(tiny)
        paths.append(write_parquet(tiny.take(rows), tmp_path / f"{n_crystals}.parquet"))
    words = [packed, *paths, tmp_path / "out.csv"]
    command = [sys.executable, "-m", "tests.prediction.flat_memory", *map(str, words)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    in_pieces, at_once = (int(word) for word in done.stdout.split())
    assert in_pieces < 12e6
    assert at_once > 16e6
