"""`xtalgraph evaluate`: the parts of the run's split, baselines beside, tables and JSON."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.cli.conftest import ENERGY, Call

PARTS = {"train": 14, "validation": 5, "test": 5, "all": 24}


@pytest.mark.parametrize("part", PARTS)
def test_each_part_is_scored_beside_baselines(
    call: Call, trained: Path, tiny: Path, part: str
) -> None:
    outcome = call("evaluate", trained, tiny, "--split", part, "--json")
    scores = json.loads(outcome.out)
    assert outcome.status == 0
    assert scores["part"] == part
    assert scores["units"] == {ENERGY: "eV/atom"}
    assert scores["metrics"][ENERGY]["n_scored"] == PARTS[part]
    assert set(scores["baselines"]) == {"mean", "median"}
    assert ("in the training set" in outcome.err) == (part in ("train", "all"))


def test_the_test_part_is_scored_if_nothing_is_said(
    call: Call, trained: Path, tiny: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "scored.csv"
    outcome = call("evaluate", trained, tiny, "--out", out)
    assert outcome.status == 0
    lines = outcome.out.splitlines()
    assert lines[0].split()[:2] == ["model", "target"]
    assert lines[1].startswith("this model")
    assert f"{ENERGY} [eV/atom]" in lines[1]
    written = pd.read_csv(trained / "test_predictions.csv")
    table = pd.read_csv(out).set_index("id").loc[written["id"]].reset_index()
    pd.testing.assert_frame_equal(table, written, rtol=1e-4)


def test_a_classification_has_its_own_scores(call: Call, classifier: Path, tiny: Path) -> None:
    outcome = call("evaluate", classifier, tiny, "--split", "all", "--json")
    scores = json.loads(outcome.out)
    assert outcome.status == 0
    assert scores["task"] == "classification"
    assert scores["metrics"]["kind"]["n_scored"] == 22
    assert "rows without a label were left out" in outcome.err


def test_crystals_that_cannot_be_read(
    call: Call, trained: Path, tiny: Path, tmp_path: Path
) -> None:
    data = shutil.copytree(tiny, tmp_path / "data")
    scored = pd.read_csv(trained / "test_predictions.csv")["id"].tolist()
    unscored = next(path for path in sorted(data.glob("*.cif")) if path.stem not in scored)
    unscored.write_text("data_x")
    refused = call("evaluate", trained, data, "--split", "all")
    assert refused.status == 1
    assert "1 of 24 crystals cannot be read" in refused.err
    skipping = call("evaluate", trained, data, "--split", "all", "--skip-bad", "--json")
    assert skipping.status == 0
    assert json.loads(skipping.out)["metrics"][ENERGY]["n_scored"] == 23
    assert f"{unscored.stem}: {unscored.name}: it has no atoms" in skipping.err


def test_what_cannot_be_scored_is_1(call: Call, trained: Path, tiny: Path, tmp_path: Path) -> None:
    other = shutil.copytree(tiny, tmp_path / "other")
    table = other / "id_prop.csv"
    table.write_text(table.read_text().replace(ENERGY, "formation_energy"))
    for words, message in (
        ([trained, tiny, "--split", "tset"], "Did you mean 'test'?"),
        ([trained, other], "Did you mean 'formation_energy'?"),
        ([tmp_path / "nowhere", tiny], "does not exist"),
        ([trained, tmp_path / "nowhere"], "no such file or folder"),
        ([trained, tiny, "--out", "x.txt"], "write the table as .csv, .parquet, .json"),
    ):
        outcome = call("evaluate", *words)
        assert outcome.status == 1
        assert outcome.err.startswith("error: ")
        assert message in outcome.err
        assert not outcome.out


def test_data_that_the_split_does_not_know(
    call: Call, trained: Path, tiny: Path, tmp_path: Path
) -> None:
    part = tmp_path / "part"
    part.mkdir()
    lines = (tiny / "id_prop.csv").read_text().splitlines()[:7]
    (part / "id_prop.csv").write_text("\n".join(lines))
    for line in lines[1:]:
        shutil.copy(tiny / f"{line.split(',')[0]}.cif", part)
    outcome = call("evaluate", trained, part)
    assert outcome.status == 1
    assert "Is this the split of another data set? To score all" in outcome.err
    every = call("evaluate", trained, part, "--split", "all", "--json")
    assert every.status == 0
    assert list(json.loads(every.out)["baselines"]) == ["mean"]
