"""The check says ready exactly where training would begin: over columns as people have them."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from xtalgraph.cli.app import run
from xtalgraph.cli.check import check as check_command
from xtalgraph.data import Dataset, check_dataset, read_dataset
from xtalgraph.data.cells import find_decimal, read_number
from xtalgraph.data.question import find_placeholders, guess_task, pose_question
from xtalgraph.data.report import WIDTH
from xtalgraph.errors import BadDataset, XtalgraphError
from xtalgraph.graphs import nearest_distances
from xtalgraph.training import apply_overrides, preset, run as training_run, train

N = 80
NUMBERS = [f"{-3 + row * 0.037:.3f}" for row in range(N)]
WHOLE = [str(row % 7) for row in range(N)]


def one(text: str, row: int = 41) -> list[str]:
    """Numbers, with one cell that is something else."""
    return [*NUMBERS[:row], text, *NUMBERS[row + 1 :]]


def every(*texts: str) -> list[str]:
    """Texts that follow each other again and again."""
    return [texts[row % len(texts)] for row in range(N)]


READY = {
    "numbers": NUMBERS,
    "blank": one(""),
    "excel #N/A": one("#N/A"),
    "excel #DIV/0!": one("#DIV/0!"),
    "excel #VALUE!": one("#VALUE!"),
    "n.a.": one("n.a."),
    "N/A": one("N/A"),
    "n.d.": one("n.d."),
    "NaN": one("NaN"),
    "None": one("None"),
    "null": one("null"),
    "NA": one("NA"),
    "question mark": one("?"),
    "two dashes": one("--"),
    "one dash": one("-"),
    "long dash": one("—"),
    "dots": one("..."),
    "spaces": one("   "),
    "uncertainty": one("-0.3(2)"),
    "plus and minus": one("0.3 ± 0.02"),
    "unicode minus": one("−1.25"),
    "exponent": one("1.5e-3"),
    "big exponent": one("2E2"),
    "plus": one("+1.5"),
    "padded": [f"  {text} " for text in NUMBERS],
    "whole numbers": WHOLE,
    "many blanks": [text if row % 3 else "" for row, text in enumerate(NUMBERS)],
    "true and false": every("true", "false"),
    "TRUE and FALSE": every("TRUE", "FALSE", "TRUE"),
    "words": every("metal", "insulator"),
    "words and blanks": every("metal", "insulator", "", "metal", "#N/A"),
    "none as a class": every("none", "ferro"),
    "signs": every("+", "-", "0"),
    "a few classes with digits": every("3d", "4f", "5p", "2s"),
    "an extreme of its kind": [str(-999 + 40 * row) for row in range(N)],
    "large": [f"{row}e9" for row in range(N)],
    "tiny": [f"{row}e-12" for row in range(1, N + 1)],
    "half missing at the end": [*NUMBERS[:60], *[""] * 20],
}
REFUSED = {
    "about": one("~1.2"),
    "less": one("<0.1"),
    "more": one(">5"),
    "thousands": one("1,234.5"),
    "decimal comma": one("1,5"),
    "with a unit": one("4.5 eV"),
    "with a prefix": one("12m"),
    "per cent": one("12 %"),
    "currency": one("$3"),
    "a range": one("1.2-1.4"),
    "two values": one("1.2/1.3"),
    "a remark": one("1.2 (calc.)"),
    "a star": one("1.2*"),
    "a word": one("unknown"),
    "a date": one("2024-01-02"),
    "a time": one("12:30"),
    "a fraction": one("1/2"),
    "a hexadecimal": one("0x1F"),
    "underscores": one("1_000"),
    "arabic digits": one("٣"),
    "superscript": one("²"),
    "leading zeros": one("007"),
    "true among numbers": one("true"),
    "infinity": one("inf"),
    "minus infinity": one("-Infinity"),
    "overflow": one("1e999"),
    "long": one("9" * 4400),
    "too large": [f"{row + 1}e300" for row in range(N)],
    "minus 999": one("-999"),
    "minus 9999.0": [*NUMBERS[:70], *["-9999.0"] * 10],
    "999": one("999.0"),
    "99999": one("99999"),
    "a limit of integers": one("-2147483648"),
    "constant": ["1.5"] * N,
    "constant class": ["metal"] * N,
    "constant truth": ["true"] * N,
    "all blank": [""] * N,
    "all marks": every("#N/A", "n.a.", "--", "?"),
    "one label": ["1.5", *[""] * (N - 1)],
    "classes for each": [f"name {row}" for row in range(N)],
    "formulas": [f"Na{row}Cl" for row in range(1, N + 1)],
    "one crystal of a class": None,  # made below, in the test set
}


def table(columns: dict[str, list[str]]) -> str:
    """A table of tiny crystals of iron and of these columns."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["id", *columns, "lattice", "species", "frac"])
    for row in range(N):
        cells = [columns[name][row] for name in columns]
        lattice = f"[{2.6 + row / 100}, {2.6 + row / 200}, 2.7, 90, 90, 90]"
        writer.writerow([f"x{row}", *cells, lattice, '["Fe"]', "[0, 0, 0]"])
    return file.getvalue()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    columns = {**READY, **REFUSED}
    columns["one crystal of a class"] = every("a", "b")
    place = tmp_path_factory.mktemp("columns") / "odd.csv"
    place.write_text(table(columns))
    rows = pose_question(read_dataset(place), "numbers").split.test
    columns["one crystal of a class"][int(rows[0])] = "c"
    place.write_text(table(columns), encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def odd(path: Path) -> Dataset:
    return read_dataset(path)


SMALL = (
    "graph.n_neighbours=4",
    "model.atom_width=4",
    "model.n_convolutions=1",
    "model.hidden_width=4",
    "train.accelerator=cpu",
    "train.epochs=1",
    "train.tensorboard=false",
)


class Begun(Exception):
    """Training has begun: nothing was refused."""


def begins(dataset: Dataset, name: str, folder: Path, monkeypatch) -> tuple[bool, str]:
    def begin(*arguments: object) -> None:
        raise Begun

    monkeypatch.setattr(training_run, "_run", begin)
    try:
        train(dataset, name, out=folder, config=apply_overrides(preset("default"), SMALL))
    except Begun:
        return True, ""
    except XtalgraphError as error:
        return False, str(error)
    raise AssertionError("neither begun nor refused")


def test_there_are_as_many_columns_as_said() -> None:
    assert len(READY) + len(REFUSED) >= 60


@pytest.mark.parametrize("name", [*READY, *REFUSED])
def test_check_says_what_train_does(
    odd: Dataset, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = check_dataset(odd, target=name, nearest_distances=nearest_distances)
    begun, reason = begins(odd, name, tmp_path / "run", monkeypatch)
    assert report.ok == begun == (name in READY)
    assert report.problems == ([] if begun else [reason])
    rows = sum(-(-max(1, len(line)) // WIDTH) for line in report.lines())
    assert rows <= 40
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["uncertainty", "true and false", "about", "minus 999"])
def test_the_commands_agree(path: Path, name: str, tmp_path: Path, capsys) -> None:
    sets = [word for text in SMALL for word in ("--set", text)]
    checked = run(["check", str(path), "--target", name])
    trained = run(["train", str(path), "--target", name, "--out", str(tmp_path / "run"), *sets])
    assert checked == trained == (name in REFUSED)
    assert (tmp_path / "run" / "metrics.json").exists() == (trained == 0)


def test_elements_without_a_vector_are_told_unless_they_are_learned(tmp_path: Path) -> None:
    text = table({"y": NUMBERS}).replace('[""Fe""]', '[""Og""]', 5)
    (tmp_path / "og.csv").write_text(text)
    words = ["--target", "y", "--set", "model.element_vectors=learned"]
    assert run(["check", str(tmp_path / "og.csv"), "--target", "y"]) == 1
    assert run(["check", str(tmp_path / "og.csv"), *words]) == 0
    sets = [word for text in SMALL for word in ("--set", text)]
    out = ["--out", str(tmp_path / "run"), *sets]
    assert run(["train", str(tmp_path / "og.csv"), "--target", "y", *out]) == 1
    assert run(["train", str(tmp_path / "og.csv"), *words, *out]) == 0
    assert check_command.__doc__ is not None


def test_odd_cells_are_named_by_row_id_and_text(odd: Dataset) -> None:
    with pytest.raises(
        BadDataset, match=r"1 of 80 cells are no numbers: row 41 \(id 'x41'\) '~1.2"
    ):
        pose_question(odd, "about")
    assert guess_task(odd, ["about"]) == guess_task(odd, ["about", "words"]) == "regression"
    assert guess_task(odd, ["words"]) == "classification"
    assert odd.values(["uncertainty"])[41, 0] == -0.3


def test_placeholders_are_far_from_the_rest() -> None:
    assert find_placeholders(np.array([1.0, 2.0, -999.0, 3.0, np.nan])).tolist() == [2]
    assert find_placeholders(np.linspace(-999, 999, 50)).tolist() == []
    assert find_placeholders(np.array([-999.0, -999.0])).tolist() == []
    assert find_placeholders(np.array([5.0, 5.0, 99999.0])).tolist() == [2]
    assert find_placeholders(np.array([])).tolist() == []


@pytest.mark.parametrize(
    ("text", "number"),
    [("1.5", 1.5), (" 2. ", 2.0), (".5", 0.5), ("1e3", 1e3), ("-0.3 (12)", -0.3), ("1+/-0.1", 1.0)],
)
def test_numbers_are_read(text: str, number: float) -> None:
    assert read_number(text) == number


def test_a_comma_is_the_decimal_sign_only_where_it_must_be() -> None:
    assert find_decimal(["1,5", "x", "3"]) == ","
    assert find_decimal(["1,5", "2.5"]) == "."
    assert find_decimal(["1,234", "12,345"]) == "."
    assert (read_number("1,5"), read_number("1,5", ","), read_number("1.5", ",")) == (
        None,
        1.5,
        None,
    )
