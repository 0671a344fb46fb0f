"""`cross-validate`, `matbench`, `data distances` and `data sample`, as they are typed."""

import html
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.evaluation.conftest import make_dataset
from xtalgraph.cli.app import BAD_INPUT, DONE, run
from xtalgraph.data import read_dataset, write_parquet

SMALL = ["--set", "train.epochs=1", "--set", "model.atom_width=4", "--set", "model.hidden_width=4"]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_parquet(make_dataset(60), tmp_path_factory.mktemp("my data") / "made up.parquet")


def read_repeat(page: Path) -> list[str]:
    """Give the arguments of the command that a page says repeats it."""
    (block,) = re.findall(r"<pre>(.*?)</pre>", page.read_text(encoding="utf-8"), re.DOTALL)
    command = html.unescape(block).split("\n\n")[0].replace("\\\n", " ")
    program, *arguments = shlex.split(command)
    assert program == "xtalgraph"
    return arguments


@pytest.mark.parametrize(
    "arguments",
    [
        ["--target", "kind", "--models", "most_common,composition_boosting", "--group", "formula"],
        ["--target", "crystal_system", "--models", "random", "--min-class-size", "20"],
        ["--target", "contrast", "--models", "mean,cgcnn", *SMALL],
        ["--target", "contrast,gap", "--models", "median", "--folds", "matbench"],
    ],
    ids=["classes", "symmetry", "network", "matbench"],
)
def test_the_page_says_how_to_repeat_it_and_that_runs(
    table: Path, tmp_path: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folds = [] if "--folds" in arguments else ["--folds", "2"]
    assert run(["cross-validate", str(table), *arguments, *folds, "--out", "first"]) == DONE
    again = read_repeat(tmp_path / "first" / "report.html")
    assert run(again) == DONE
    first, second = (
        pd.read_csv(tmp_path / folder / "tables" / "folds.csv").drop(columns="seconds")
        for folder in ("first", "AGAIN")
    )
    pd.testing.assert_frame_equal(first, second)


def test_a_file_of_distances_alone_is_enough(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "distances.csv"
    assert run(["data", "distances", str(table), "--out", str(file), "--n-distances", "12"]) == DONE
    assert file.read_text().startswith("id,space_group,distance_1 [Å],")
    capsys.readouterr()
    options = ["--models", "most_common,random,distance_mlp", "--folds", "2", "--json"]
    arguments = [str(file), "--target", "space_group", *options, "--out", str(tmp_path / "out")]
    assert run(["cross-validate", *arguments]) == DONE
    summary = json.loads(capsys.readouterr().out)
    scores = {row["model"]: row["accuracy"] for row in summary}
    assert scores["distance_mlp"] > max(scores["most_common"], scores["random"])
    names = [path.name for path in (tmp_path / "out" / "figures").glob("*.png")]
    assert "confusion_distance_mlp.png" in names


def test_bad_arguments_are_told(table: Path, tmp_path: Path, capsys) -> None:
    base = ["cross-validate", str(table), "--models", "mean", "--out", str(tmp_path / "out")]
    assert run([*base, "--target", "contrast", "--folds", "five"]) == BAD_INPUT
    assert "--folds five: write a number, as in 5, or matbench" in capsys.readouterr().err
    assert run([*base, "--target", "kind", "--min-class-size", "50"]) == BAD_INPUT
    assert "Lower --min-class-size" in capsys.readouterr().err
    assert run([*base, "--target", "contrast", "--folds", "matbench", "--group", "formula"]) == (
        BAD_INPUT
    )
    assert "published and not grouped" in capsys.readouterr().err


def test_matbench_of_a_local_file(table: Path, tmp_path: Path, capsys) -> None:
    arguments = ["made_up", "--data", str(table), "--target", "contrast", "--model", "mean"]
    assert run(["matbench", *arguments, "--out", str(tmp_path)]) == DONE
    output = capsys.readouterr()
    assert output.out.strip().endswith(str(tmp_path / "results.json.gz"))
    assert "matbench_made_up is no task of matbench" in output.err


def test_a_sample_is_a_data_set_again(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "part.parquet"
    assert run(["data", "sample", str(table), "--out", str(out), "--size", "20"]) == DONE
    part, whole = read_dataset(out), read_dataset(table)
    rows = [whole.ids.tolist().index(id) for id in part.ids.tolist()]
    assert len(part) == 20
    assert rows == sorted(rows)
    np.testing.assert_array_equal(part.values(["contrast"]), whole.values(["contrast"])[rows])
