"""Screens: the right ones pass and come first, and neither kills nor losses change the result."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.screening.conftest import assert_same
from tests.screening.deadly import Deadly, HalfTold
from xtalgraph import load_model, read_dataset
from xtalgraph.data import Dataset, write_parquet
from xtalgraph.errors import BadConfig, BadDataset, LostWorkers, UnknownName
from xtalgraph.screening import (
    DatasetCandidates,
    KnownCrystals,
    PerovskiteSpace,
    ScreenProgress,
    ScreenSpec,
    list_anions,
    read_candidates,
    screen,
)
from xtalgraph.screening.run import screen_here
from xtalgraph.structures import Crystal, CrystalStore

ALKALI = PerovskiteSpace(("Na", "K", "Rb", "Cs"), ("Ti", "Zr", "Nb", "Mg"), ("O3", "F3", "O2F"))
LARGE = PerovskiteSpace(anions=list_anions(["O", "F"]))  # four threes: 10,816, two chunks


def make_dataset(*crystals: Crystal) -> Dataset:
    store = CrystalStore.from_crystals(crystals)
    return Dataset("made", store, pd.DataFrame(index=range(len(store))), {}, "by hand", "")


def cube(edge: float, id: str, symbols: str = "Na Cl", shift: float = 0.0) -> Crystal:
    """Give a caesium chloride structure, from any origin."""
    positions = np.array([[0, 0, 0], [0.5, 0.5, 0.5]]) + shift
    return Crystal.from_symbols(edge * np.eye(3), positions, symbols.split(), id)


def test_what_passes_and_comes_first_is_what_the_model_says(model: str, folder: Path) -> None:
    crystals = ALKALI.make(0, len(ALKALI)).crystals
    predicted = load_model(model).predict(crystals).to_frame()
    energy, gap = predicted["energy [eV/atom]"], predicted["gap [eV]"]
    middle = float(energy.median())
    where = f"energy < {middle} and gap > {gap.quantile(0.2)}"
    spec = ScreenSpec((model,), where=where, rank_by="abs(gap - 3)")
    result = screen(ALKALI, spec, out=folder, n_top=5, n_workers=1)
    expected = predicted[(energy < middle) & (gap > gap.quantile(0.2))]
    assert 5 < len(expected) < len(predicted)
    passed = pd.read_parquet(folder / "passed.parquet")
    assert passed["material_id"].tolist() == expected["id"].tolist()
    np.testing.assert_allclose(passed["gap [eV]"], expected["gap [eV]"], rtol=1e-5)
    best = expected.assign(score=(expected["gap [eV]"] - 3).abs()).nsmallest(5, "score")
    assert result.top["id"].tolist() == best["id"].tolist()
    assert result.top["rank"].tolist() == [1, 2, 3, 4, 5]
    assert result.funnel == {
        "candidates": 48,
        "rejected": 0,
        "predicted": 48,
        "duplicates": 0,
        "passed": len(expected),
    }
    assert result.top_cautious is None


def test_the_results_are_read_as_data_sets(model: str, folder: Path) -> None:
    result = screen(ALKALI, ScreenSpec((model,)), out=folder, n_top=3, n_workers=1)
    passed = read_dataset(folder / "passed.parquet")
    assert len(passed) == 48
    assert passed.targets["energy"].unit == "eV/atom"
    again = load_model(model).predict(read_dataset(folder / "top.parquet").crystals).to_frame()
    np.testing.assert_allclose(again["energy [eV/atom]"], result.top["energy [eV/atom]"], rtol=1e-5)
    cifs = sorted((folder / "top").iterdir())
    assert [path.name[:5] for path in cifs] == ["0001_", "0002_", "0003_"]
    first = load_model(model).predict(read_dataset(cifs[0]).crystals).values[0, 0]
    assert first == pytest.approx(result.top["energy [eV/atom]"][0], rel=1e-4)


def test_progress_is_told_and_every_filter_counted(model: str, folder: Path) -> None:
    told: list[ScreenProgress] = []
    spec = ScreenSpec((model,), where="energy < -3.2", exclude=("Hg",))
    result = screen(LARGE, spec, out=folder, n_workers=1, on_progress=told.append)
    assert [one.n_candidates for one in told] == [8192, len(LARGE)]
    assert told[0].candidates_per_second > 0
    assert told[0].seconds_remaining > told[1].seconds_remaining == 0
    made = LARGE.make(0, len(LARGE))
    n_mercury = sum("Hg" in id for id in made.crystals.ids)
    assert result.funnel == {
        "candidates": len(LARGE),
        "excluded elements": n_mercury,
        "rejected": len(made.rejected),
        "predicted": len(made.crystals) - n_mercury,
        "duplicates": 0,
        "passed": told[1].n_passed,
    }
    assert min(result.funnel["passed"], n_mercury) > 0


def test_two_processes_one_of_which_dies_give_what_one_gives(model: str, tmp_path: Path) -> None:
    spec = ScreenSpec((model,), where="energy < -3.2")
    space = PerovskiteSpace(anions=list_anions(["O", "N", "F"]))  # ten threes: four chunks
    killed = []

    def kill_one(progress: ScreenProgress) -> None:
        if not killed:
            killed.extend(multiprocessing.active_children()[:1])
            os.kill(killed[0].pid, signal.SIGKILL)

    screen(space, spec, out=tmp_path / "lossy", n_workers=2, on_progress=kill_one)
    screen(space, spec, out=tmp_path / "whole", n_workers=1)
    assert killed[0].exitcode == -signal.SIGKILL
    assert_same(tmp_path / "lossy", tmp_path / "whole")


def test_a_worker_that_dies_while_it_tells_its_result_loses_nothing(
    model: str, tmp_path: Path
) -> None:
    spec = ScreenSpec((model,), where="energy < -3.2")
    space = PerovskiteSpace(anions=list_anions(["O", "N", "F"]))
    half_told = HalfTold(space, tmp_path / "begun")
    screen(half_told, spec, out=tmp_path / "lossy", n_workers=2)
    screen(space, spec, out=tmp_path / "whole", n_workers=1)
    assert half_told.begun.exists()
    assert_same(tmp_path / "lossy", tmp_path / "whole")


def test_chunks_that_kill_every_worker_end_the_screen_with_an_error(model: str) -> None:
    with pytest.raises(LostWorkers, match=r"died 3 times in a row .*exit code 1"):
        list(screen_here(ScreenSpec((model,)), Deadly().chunks(()), 2))


def test_what_goes_wrong_in_a_worker_is_told_in_its_own_words() -> None:
    with pytest.raises(UnknownName, match="no-such-model"):
        list(screen_here(ScreenSpec(("no-such-model",)), ALKALI.chunks(()), 2))


def test_a_killed_screen_goes_on_where_it_was(model: str, tmp_path: Path) -> None:
    """The program itself is killed, by the signal that nobody can catch."""
    folder, whole = tmp_path / "killed", tmp_path / "whole"
    space = PerovskiteSpace(anions=list_anions(["O", "N", "F", "S"]))  # twenty threes: seven chunks
    words = ["screen", "perovskites", "--model", model, "--where", "energy < -3.2"]
    words += ["--anions", "O,N,F,S", "--workers", "1", "--out", str(folder)]
    command = [sys.executable, "-m", "xtalgraph.cli", *words]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(folder.glob("parts/*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    done = {path: path.stat().st_mtime_ns for path in folder.glob("parts/*.parquet")}
    assert 0 < len(done) < 7
    assert not (folder / "top.csv").exists()
    (folder / "parts" / "00000006.unfinished").write_bytes(b"PAR1 and no more")
    for out in (folder, whole):
        screen(space, ScreenSpec((model,), where="energy < -3.2"), out=out, n_workers=1)
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert_same(folder, whole)


def test_a_finished_screen_is_only_listed_anew(model: str, folder: Path) -> None:
    spec = ScreenSpec((model,))
    first = screen(ALKALI, spec, out=folder, n_top=4, n_workers=1)
    told: list[ScreenProgress] = []
    again = screen(ALKALI, spec, out=folder, n_top=2, n_workers=1, on_progress=told.append)
    assert not told
    pd.testing.assert_frame_equal(again.top, first.top.head(2))
    assert len(list((folder / "top").iterdir())) == 2


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"where": "energy < 0"}, "where: '' then"),
        ({"rank_by": "gap"}, "rank_by: "),
        ({"exclude": ("K",)}, "exclude: "),
    ],
)
def test_another_question_in_the_same_folder_is_refused(
    model: str, folder: Path, change: dict, what: str
) -> None:
    screen(ALKALI, ScreenSpec((model,)), out=folder, n_workers=1)
    with pytest.raises(BadConfig, match=what):
        screen(ALKALI, ScreenSpec((model,), **change), out=folder, n_workers=1)
    with pytest.raises(BadConfig, match=r"candidates\.A: "):
        screen(LARGE, ScreenSpec((model,)), out=folder, n_workers=1)


def test_a_folder_of_something_else_is_refused(model: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(BadConfig, match="not empty and contains no screen"):
        screen(ALKALI, ScreenSpec((model,)), out=tmp_path, n_workers=1)


def test_a_wrong_column_is_told_before_any_work(model: str, folder: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'energy'"):
        screen(ALKALI, ScreenSpec((model,), where="enrgy < 0"), out=folder, n_workers=1)
    assert not folder.exists()


def test_no_candidates_and_no_model_are_refused(model: str, folder: Path) -> None:
    with pytest.raises(BadDataset, match="no candidates"):
        screen(DatasetCandidates(make_dataset()), ScreenSpec((model,)), out=folder)
    with pytest.raises(BadConfig, match="no model"):
        screen(ALKALI, ScreenSpec(()), out=folder)
    with pytest.raises(UnknownName, match="engine"):
        screen(ALKALI, ScreenSpec((model,)), out=folder, engine="dask")
    with pytest.raises(BadConfig, match="1 or more"):
        screen(ALKALI, ScreenSpec((model,)), out=folder, n_workers=0)


def test_bad_crystals_are_listed_and_the_rest_is_judged(model: str, folder: Path) -> None:
    crystals = [cube(4.0, "good"), cube(40.0, "lonely"), cube(0.4, "dense"), cube(4.1, "good")]
    source = DatasetCandidates(make_dataset(*crystals))
    result = screen(source, ScreenSpec((model,)), out=folder, n_workers=1)
    rejected = pd.read_csv(folder / "rejected.csv")
    assert rejected["id"].tolist() == ["lonely", "dense"]
    assert "no neighbour within 8.0 Å" in rejected["reason"][0]
    assert sorted(result.top["id"]) == ["good", "good#2"]
    assert result.funnel["rejected"] == 2


def test_the_same_structure_comes_once(model: str, folder: Path) -> None:
    crystals = [
        cube(4.0, "first"),
        cube(4.0, "moved", shift=0.3),
        cube(4.0, "repeated").repeated(2, 1, 1),
        cube(4.1, "larger"),
        cube(4.0, "other", "K Cl"),
    ]
    source = DatasetCandidates(make_dataset(*crystals))
    result = screen(source, ScreenSpec((model,)), out=folder, n_workers=1)
    assert sorted(result.top["id"]) == ["first", "larger", "other"]
    duplicates = pd.read_csv(folder / "duplicates.csv")
    assert duplicates.to_numpy().tolist() == [["moved", "first"], ["repeated", "first"]]
    assert (result.funnel["duplicates"], result.funnel["passed"]) == (2, 3)


def test_what_is_known_is_marked_by_structure_or_by_formula(model: str, folder: Path) -> None:
    known = make_dataset(cube(4.0, "a"), cube(4.0, "b", "K F").repeated(1, 1, 2))
    salt = Crystal.from_symbols(4 * np.eye(3), [[0, 0, 0], [0.5, 0.3, 0.1]], ["Na", "Cl"], "salt")
    candidates = (cube(4.4, "larger"), salt, cube(3.0, "double", "F K"), cube(4.0, "new", "Cs Cl"))
    spec = ScreenSpec((model,), where="known != 'new'", known=KnownCrystals.from_dataset(known))
    source = DatasetCandidates(make_dataset(*candidates))
    result = screen(source, spec, out=folder, n_workers=1)
    marks = dict(zip(result.top["id"], result.top["known"], strict=True))
    assert marks == {"larger": "structure", "salt": "formula", "double": "structure", "new": ""}


def test_two_models_give_columns_side_by_side(model: str, classifier: str, folder: Path) -> None:
    where = "kind == 'cesium' and probability_cesium > 0 and gap < 100"
    result = screen(ALKALI, ScreenSpec((classifier, model), where=where), out=folder, n_workers=1)
    table = load_model(classifier).predict(ALKALI.make(0, 48).crystals).to_frame()
    expected = table[table["kind"] == "cesium"]["id"]
    assert sorted(result.top["id"]) == sorted(expected)
    with pytest.raises(BadConfig, match="two models predict energy"):
        screen(ALKALI, ScreenSpec((model, model)), out=folder, n_workers=1)


def test_a_classifier_alone_is_ranked_by_the_probability_of_its_last_class(
    classifier: str, folder: Path
) -> None:
    result = screen(ALKALI, ScreenSpec((classifier,)), out=folder, n_workers=1)
    assert result.top["probability_rock_salt"].is_monotonic_decreasing


def test_the_bound_counts_the_uncertainty(ensemble: str, folder: Path) -> None:
    where = "energy_uncertainty > 0 and domain in ('in', 'edge', 'out')"
    spec = ScreenSpec((ensemble,), where=where, rank_by="-2 * energy")
    result = screen(ALKALI, spec, out=folder, n_top=10, n_workers=1)
    passed = pd.read_parquet(folder / "passed.parquet")
    assert len(passed) == 48
    energy, width = passed["energy [eV/atom]"], passed["energy_uncertainty [eV/atom]"]
    np.testing.assert_allclose(passed["score"], -2 * energy)
    np.testing.assert_allclose(passed["score_bound"], -2 * energy + 2 * width)
    best = passed.nsmallest(10, "score_bound")["material_id"]
    assert result.top_cautious["id"].tolist() == best.tolist()
    assert (folder / "top_cautious.csv").is_file()
    assert (passed["domain"] == "out").all()  # it has learned salts of two atoms
    assert passed["domain_reason"].str.contains("never seen in training").all()


@pytest.mark.parametrize("kind", ["parquet", "csv", "folder", "files"])
def test_what_is_read_in_pieces_is_what_is_read_at_once(
    model: str, tmp_path: Path, kind: str
) -> None:
    dataset = make_dataset(*ALKALI.make(0, 48).crystals)
    if kind == "parquet":
        path = write_parquet(dataset, tmp_path / "table.parquet")
    else:
        from xtalgraph.structures import format_cif

        rows = [{"id": crystal.id, "cif": format_cif(crystal)} for crystal in dataset.crystals]
        path = tmp_path / "cifs"
        path.mkdir()
        for row in rows:
            (path / f"{row['id']}.cif").write_text(row["cif"])
        if kind == "csv":
            pd.DataFrame(rows).to_csv(tmp_path / "table.csv", index=False)
            path = tmp_path / "table.csv"
        elif kind == "files":
            path = path / "*.cif"
    spec = ScreenSpec((model,), charge_balance=True)
    result = screen(read_candidates(str(path)), spec, out=tmp_path / "out", n_workers=1)
    balanced = PerovskiteSpace(
        ALKALI.a_elements, ALKALI.b_elements, ALKALI.anions, charge_balance=True
    )
    other = screen(balanced, ScreenSpec((model,)), out=tmp_path / "space", n_workers=1)
    assert 0 < len(result.top) < 48
    assert sorted(result.top["id"]) == sorted(other.top["id"])
    energies = [frame.set_index("id")["energy [eV/atom]"] for frame in (result.top, other.top)]
    np.testing.assert_allclose(energies[0], energies[1][energies[0].index], atol=1e-5)
    assert result.funnel["charge balance"] == other.funnel["charge balance"]


def test_bad_rows_of_a_table_are_listed(model: str, tmp_path: Path) -> None:
    path = write_parquet(make_dataset(*ALKALI.make(0, 6).crystals), tmp_path / "table.parquet")
    frame = pd.read_parquet(path)
    frame["species"] = [["Qq"] * 5, *frame["species"][1:]]
    frame.to_parquet(path)
    source = read_candidates(str(path))
    screen(source, ScreenSpec((model,)), out=tmp_path / "out", n_workers=1)
    rejected = pd.read_csv(tmp_path / "out" / "rejected.csv")
    assert rejected["id"].tolist() == [frame["material_id"][0]]
    assert "'Qq' is not an element" in rejected["reason"][0]


def test_sources_that_are_not_there_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name, message in (
        ("nothing.csv", "there is no such file or folder"),
        ("empty", "nor a structure file in this folder"),
        ("*.cif", "no file matches"),
    ):
        with pytest.raises(BadDataset, match=message):
            read_candidates(str(tmp_path / name))
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(BadDataset, match="cannot be read"):
        list(read_candidates(str(tmp_path / "broken.parquet")).chunks(()))


def test_a_folder_of_2018_is_read(tmp_path: Path, model: str) -> None:
    from xtalgraph.data import make_dataset_folder

    dataset = make_dataset(*ALKALI.make(0, 5).crystals)
    folder = make_dataset_folder(dataset, tmp_path / "layout")
    for source in (folder, folder / "id_prop.csv"):
        result = screen(
            read_candidates(str(source)), ScreenSpec((model,)), out=tmp_path / "out", n_workers=1
        )
        assert sorted(result.top["id"]) == sorted(dataset.ids.tolist())
        shutil.rmtree(tmp_path / "out")
