"""Names and files that mean harm: formulas as ids, lying packed folders, crashes of the past."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.training.tiny import make_tiny
from tests.zoo import ZOO
from xtalgraph.cli.app import run
from xtalgraph.data import (
    Dataset,
    make_dataset_folder,
    make_split,
    pack_dataset,
    read_dataset,
    read_split,
    write_parquet,
    write_split,
)
from xtalgraph.data.files import PACKED_NAME, checksum_files
from xtalgraph.errors import BadCheckpoint, BadDataset, Rejected
from xtalgraph.evaluation.distance_table import read_distances, write_distances
from xtalgraph.files import format_csv, protect, unprotect
from xtalgraph.interpretation.explanation import format_contributions_cif, quote_cif
from xtalgraph.nn.saved import is_inside
from xtalgraph.structures import read_crystal
from xtalgraph.units import Target

HARMFUL = ["=1+1", "+cmd", "-2+3", "@sum", "'=x", "''@y", "-", "-0.5", "plain", "'quoted'"]


@pytest.mark.parametrize("text", HARMFUL)
def test_a_formula_gets_a_quote_and_gives_it_back(text: str) -> None:
    assert unprotect(protect(text)) == text
    assert protect(text)[0] not in "=+@" or len(text) == 1
    assert (protect(text) == text) == (text in ("-", "-0.5", "plain", "'quoted'"))


def test_ids_that_are_formulas_survive_our_tables(tmp_path: Path) -> None:
    tiny = make_tiny(10)
    ids = np.array([f"={row}+1" if row % 2 else f"c{row}" for row in range(10)], tiny.ids.dtype)
    store = type(tiny.crystals)(
        tiny.crystals.lattices,
        tiny.crystals.fractional_positions,
        tiny.crystals.atomic_numbers,
        tiny.crystals.offsets,
        ids,
    )
    dataset = tiny.with_table(tiny.table, crystals=store)
    folder = make_dataset_folder(dataset, tmp_path / "folder")
    assert "\n'=1+1," in (folder / "id_prop.csv").read_text()
    again = read_dataset(folder)
    assert again.ids.tolist() == dataset.ids.tolist()
    split = make_split(dataset, "0.6,0.2,0.2", 0)
    write_split(tmp_path / "split.csv", dataset, split)
    assert "'=" in (tmp_path / "split.csv").read_text()
    assert read_split(tmp_path / "split.csv", dataset).train.tolist() == split.train.tolist()
    table = read_distances(write_distances(dataset, tmp_path / "distances.csv"))
    assert table.ids.tolist() == dataset.ids.tolist()
    assert "\n'=1+1," in (tmp_path / "distances.csv").read_text()
    out = tmp_path / "predicted.csv"
    assert run(["predict", "formation-energy", str(folder), "--out", str(out), "--skip-bad"]) == 0
    assert "'=1+1," in out.read_text()
    text = format_csv(pd.DataFrame({"id": ["=1", "-1"], "y": [-1.0, 2.5]}))
    assert text == "id,y\n'=1,-1.0\n-1,2.5\n"


@pytest.mark.parametrize(
    ("place", "inside"),
    [
        ("member-1", True),
        ("a/../member-1", True),
        ("../_shared/member-1", True),
        ("../other/member-1", True),
        ("../other", False),
        ("../../other/member-1", False),
        ("a/../../other", False),
        ("..", False),
        ("/etc", False),
        ("..\\other", False),
        ("C:/other", False),
    ],
)
def test_members_stay_in_their_folder(place: str, inside: bool) -> None:
    assert is_inside(place) == inside


def test_an_ensemble_that_leaves_its_folder_is_refused(tmp_path: Path) -> None:
    from xtalgraph.nn.resolve import read_ensemble_description

    description = {"format": 3, "members": [{"path": "../../other/model"}], "targets": ["y"]}
    (tmp_path / "ensemble.json").write_text(json.dumps(description))
    with pytest.raises(BadCheckpoint, match=r"the path \.\./\.\./other/model leaves its folder"):
        read_ensemble_description(tmp_path)


@pytest.mark.parametrize("name", ["plain", "O's", 'say "x"', "both ' and \"", "two\nlines", "a b"])
def test_a_target_in_a_cif_is_one_value(name: str) -> None:
    crystal = ZOO["CsCl"]
    values = np.arange(crystal.n_atoms, dtype=np.float64)
    roles = ["A"] * crystal.n_atoms
    text = format_contributions_cif(crystal, values, roles, Target(name, "eV/'atom'"))
    assert read_crystal(text).formula == crystal.formula
    import gemmi

    block = gemmi.cif.read_string(text).sole_block()
    found = gemmi.cif.as_string(block.find_value("_xtalgraph_target"))
    assert found == " ".join(name.split())
    assert quote_cif("x") == "'x'"


def rewrite_columns(folder: Path, change) -> None:
    """Change the table of a packed folder, and its checksum with it, as who means harm would."""
    path = folder / "columns.parquet"
    pq.write_table(change(pq.read_table(path)), path)
    refresh(folder, "columns.parquet")


def refresh(folder: Path, name: str) -> None:
    facts = json.loads((folder / PACKED_NAME).read_text())
    facts["files"][name] = checksum_files([folder / name])
    (folder / PACKED_NAME).write_text(json.dumps(facts))


def set_counts(counts: list[int]):
    def change(table: pa.Table) -> pa.Table:
        place = table.column_names.index("n_atoms")
        return table.set_column(place, "n_atoms", pa.array(counts))

    return change


@pytest.mark.parametrize(
    "counts",
    [
        [2] * 39 + [200_000_000],
        [2] * 38 + [3, 2],
        [-2, 6, *[2] * 38],
        [0, 4, *[2] * 38],
        [2.0] * 40,
    ],
)
def test_numbers_of_atoms_that_do_not_fit_are_refused(tmp_path: Path, counts: list) -> None:
    folder = pack_dataset(write_parquet(make_tiny(), tmp_path / "a.parquet"), tmp_path / "packed")
    rewrite_columns(folder, set_counts(counts))
    with pytest.raises(BadDataset, match="its numbers of atoms do not fit"):
        read_dataset(folder)


def test_mapped_numbers_are_looked_over(tmp_path: Path) -> None:
    def pack(name: str) -> Path:
        return pack_dataset(write_parquet(make_tiny(), tmp_path / "a.parquet"), tmp_path / name)

    def spoil(folder: Path, name: str, content: bytes) -> None:
        (folder / name).write_bytes(content)
        refresh(folder, name)

    folder = pack("numbers")
    spoil(folder, "atomic_numbers.bin", b"\xc8" * 80)
    with pytest.raises(BadDataset, match="an atomic number is no element"):
        read_dataset(folder)
    folder = pack("positions")
    spoil(folder, "fractional_positions.bin", np.full((80, 3), 1e19).tobytes())
    with pytest.raises(BadDataset, match="fractional coordinate"):
        read_dataset(folder)
    folder = pack("short")
    spoil(folder, "lattices.bin", (folder / "lattices.bin").read_bytes()[:-72])
    with pytest.raises(BadDataset, match=r"it is not as long as packed\.json says"):
        read_dataset(folder)


ROWS = {
    "huge": ('"[5,5,5,90,90,90]"', '"[""Na"",""Cl""]"', '"[1e150,0,0,0.5,0.5,0.5]"'),
    "beyond int64": ('"[5,5,5,90,90,90]"', '"[""Na"",""Cl""]"', '"[1e19,0,0,0.5,0.5,0.5]"'),
    "long integer": ('"[5,5,5,90,90,90]"', '"[""Na""]"', f'"[{"9" * 5000},0,0]"'),
    "an integer too large": ('"[5,5,5,90,90,90]"', '"[""Na""]"', f'"[{"9" * 400},0,0]"'),
    "superscript": ('"[5,5,5,90,90,90]"', '"[""²""]"', '"[0,0,0]"'),
    "unhashable": ('"{[]:1}"', '"[""Na""]"', '"[0,0,0]"'),
    "deep": (f'"{"[" * 9000}{"]" * 9000}"', '"[""Na""]"', '"[0,0,0]"'),
    "very deep": (f'"{"[" * 200_000}"', '"[""Na""]"', '"[0,0,0]"'),
    "a call": ('"__import__(1)"', '"[""Na""]"', '"[0,0,0]"'),
    "a long cell": ('"[2,2,1e13,90,90,90]"', '"[""Na""]"', '"[0,0,0]"'),
    "texts": ('"[""x"",5,5,90,90,90]"', '"[""Na""]"', '"[0,0,0]"'),
    "a number of an element": ('"[5,5,5,90,90,90]"', '"[999999999999]"', '"[0,0,0]"'),
    "complex": ('"[5j,5,5,90,90,90]"', '"[""Na""]"', '"[0,0,0]"'),
    "ragged": ('"[[5,0,0],[0,5],[0,0,5]]"', '"[""Na""]"', '"[0,0,0]"'),
    "true": ("true", "null", '"[0,0,0]"'),
}


def test_one_bad_row_does_not_take_the_rest(tmp_path: Path) -> None:
    good = '"[5,5,5,90,90,90]","[""Na""]","[0,0,0]"'
    lines = [f"{name},{','.join(cells)}\n{name} good,{good}" for name, cells in ROWS.items()]
    (tmp_path / "a.csv").write_text("id,lattice,species,frac\n" + "\n".join(lines))
    rejected: list[Rejected] = []
    dataset = read_dataset(tmp_path / "a.csv", rejected=rejected)
    assert dataset.ids.tolist() == [f"{name} good" for name in ROWS]
    assert [row.id for row in rejected] == list(ROWS)
    assert all("Error" not in row.reason for row in rejected)


def test_a_deep_or_long_json_is_a_bad_row_or_a_bad_file(tmp_path: Path) -> None:
    row = {"id": "a", "lattice": [5, 5, 5, 90, 90, 90], "species": ["Na"], "frac": [0, 0, 0]}
    deep = '{"id": "b", "structure": ' + "[" * 100_000
    (tmp_path / "a.jsonl").write_text(f"{json.dumps(row)}\n{deep}\n")
    rejected: list[Rejected] = []
    assert read_dataset(tmp_path / "a.jsonl", rejected=rejected).ids.tolist() == ["a"]
    assert rejected == [Rejected("line 2", "the JSON is nested too deeply.")]
    for content in (f"[{deep}", '[{"id": ' + "9" * 5000 + "}]", '[{"id": 1e999999}, '):
        (tmp_path / "a.json").write_text(content)
        with pytest.raises(BadDataset):
            read_dataset(tmp_path / "a.json")
    half = {**row, "id": "\ud800x"}
    (tmp_path / "half.jsonl").write_text(json.dumps(half))
    assert read_dataset(tmp_path / "half.jsonl").ids.tolist() == ["?x"]


def test_rows_that_are_all_bad_at_first_do_not_take_the_rest(tmp_path: Path) -> None:
    row = {"id": "a", "lattice": [5, 5, 5, 90, 90, 90], "species": ["Na"], "frac": [0, 0, 0]}
    broken = "{\n" * 1200  # more than are read at a time
    (tmp_path / "a.jsonl").write_text(f"{broken}{json.dumps(row)}\n")
    rejected: list[Rejected] = []
    assert read_dataset(tmp_path / "a.jsonl", rejected=rejected).ids.tolist() == ["a"]
    assert [row.id for row in rejected] == [f"line {number}" for number in range(1, 1201)]
    (tmp_path / "b.jsonl").write_text(broken)
    with pytest.raises(BadDataset, match="none of its rows can be read: line 1, broken JSON"):
        read_dataset(tmp_path / "b.jsonl", rejected=[])


INTERRUPTED = """
import os, signal, sys
from tests.training.tiny import SMALL, make_tiny
from xtalgraph.training import apply_overrides, preset, train
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
def stop(progress):
    if progress.is_epoch_end and progress.epoch == 2:
        os.kill(os.getpid(), signal.SIGKILL if sys.argv[2] == "kill" else signal.SIGINT)
config = apply_overrides(preset("default"), SMALL)
train(make_tiny(), "energy", out=sys.argv[1], config=config, on_progress=stop)
"""


@pytest.mark.parametrize("how", ["kill", "interrupt"])
def test_a_broken_run_leaves_its_best_model(tmp_path: Path, how: str) -> None:
    out = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(out), how],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=False,
    )
    assert done.returncode in (-signal.SIGKILL, -signal.SIGINT, 1), done.stderr
    assert not (out / "metrics.json").exists()
    write_parquet(make_tiny(), tmp_path / "a.parquet")
    words = ["predict", str(out), str(tmp_path / "a.parquet"), "--out", str(tmp_path / "p.csv")]
    assert run(words) == 0
    assert len(pd.read_csv(tmp_path / "p.csv")) == 40


def test_a_dataset_is_made_of_arrays_or_of_a_frame() -> None:
    tiny = make_tiny(6)
    again = Dataset("x", tiny.crystals, tiny.table, tiny.targets, "x", "")
    pd.testing.assert_frame_equal(again.columns, tiny.columns)
