"""`xtalgraph check`: the pre-flight as a command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import ENERGY, Call


def strict_json(text: str) -> dict:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_good_data_are_0_and_described(call: Call, tiny: Path) -> None:
    outcome = call("check", tiny, "--target", ENERGY)
    assert outcome.status == 0
    assert "24 crystals" in outcome.out
    assert f"{ENERGY} [eV/atom]: 24 labels" in outcome.out
    assert "split: 14 train, 5 validation, 5 test" in outcome.out
    assert "shortest distance: " in outcome.out
    assert outcome.out.splitlines()[-1].startswith("ready to train: 0 problems")
    assert not outcome.err


def test_json_is_for_a_program(call: Call, tiny: Path) -> None:
    outcome = call("check", tiny, "--json")
    report = strict_json(outcome.out)
    assert outcome.status == 0
    assert (report["ok"], report["n_crystals"]) == (True, 24)
    assert report["targets"][0]["column"] == f"{ENERGY} [eV/atom]"


def test_the_embedded_data_are_ready(call: Call) -> None:
    outcome = call("check", "mp-sample", "--target", ENERGY, "--json")
    report = strict_json(outcome.out)
    assert outcome.status == 0
    assert report["n_crystals"] == 1700


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--target formation_energy", f"Did you mean '{ENERGY}'?"),
        ("--target kind --task regression", "holds no numbers"),
        ("--split 0.9,0.2,0.2", "adding up to 1"),
        ("--split 1.0,0.0,0.0", "the validation set of the split is empty"),
        (f"--target {ENERGY} --cutoff 0.5", "a site without any neighbour within the cutoff"),
    ],
)
def test_what_would_fail_is_1_and_a_result(
    call: Call, tiny: Path, words: str, message: str
) -> None:
    outcome = call("check", tiny, *words.split())
    assert outcome.status == 1
    assert message in outcome.out
    assert outcome.out.splitlines()[-1].startswith("training would fail: 1 problem")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--rule shel", "Did you mean 'shell'?"),
        ("--n-neighbours 0", "n_neighbours = 0"),
        ("--cutoff -1", "cutoff = -1.0; it must be above 0, at most 100 Å"),
        ("--task regresion", "Did you mean 'regression'?"),
    ],
)
def test_bad_settings_are_1_and_an_error(call: Call, tiny: Path, words: str, message: str) -> None:
    outcome = call("check", tiny, *words.split())
    assert outcome.status == 1
    assert message in outcome.err
    assert not outcome.out


def test_every_fault_of_the_data_is_named_at_once(call: Call, tiny: Path, tmp_path: Path) -> None:
    data = shutil.copytree(tiny, tmp_path / "data")
    broken, gone, *_ = sorted(data.glob("*.cif"))
    broken.write_text("data_broken")
    gone.unlink()
    table = data / "id_prop.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines, lines[1]]))
    outcome = call("check", data, "--target", ENERGY, "--json")
    report = strict_json(outcome.out)
    assert outcome.status == 1
    assert not report["ok"]
    in_table = [line.split(",")[0] for line in lines]  # the order of the rows is kept
    expected = sorted((broken.stem, gone.stem), key=in_table.index)
    assert [row["id"] for row in report["rejected"]] == expected
    assert "2 of 25 crystals cannot be read" in report["problems"][0]
    assert "1 ids stand for several rows" in report["problems"][1]
    missing = call("check", tmp_path / "nowhere", "--json")
    assert missing.status == 1
    assert "no such file or folder" in strict_json(missing.out)["problems"][0]


def test_numbers_that_json_has_not_become_null(capsys: pytest.CaptureFixture[str]) -> None:
    import numpy as np

    from xtalgraph.cli.output import print_json

    print_json({1: [float("nan"), np.float64("inf"), np.int64(2), np.bool_(True)], "Å": (None,)})
    shown = capsys.readouterr().out
    assert strict_json(shown) == {"1": [None, None, 2, True], "Å": [None]}
    assert "Å" in shown
    with pytest.raises(AssertionError, match="NaN is no JSON"):
        strict_json("NaN")
