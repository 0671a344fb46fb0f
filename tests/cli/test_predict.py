"""`xtalgraph predict`: inputs of every kind, tables of every format, bad files among good ones."""

from __future__ import annotations

import io
import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.cli.conftest import ENERGY, Call
from tests.nn.test_checkpoint_2018 import make_checkpoint, write
from xtalgraph import read_dataset
from xtalgraph.data import write_parquet
from xtalgraph.structures import Crystal, write_crystal

COLUMN = f"{ENERGY} [eV/atom]"


@pytest.fixture
def files(tiny: Path, tmp_path: Path) -> Path:
    """A folder of structure files alone."""
    folder = tmp_path / "files"
    folder.mkdir()
    for path in sorted(tiny.glob("*.cif"))[:6]:
        shutil.copy(path, folder)
    return folder


@pytest.fixture
def spoilt(files: Path) -> Path:
    """The same with two bad ones: no CIF, and an atom without neighbours."""
    (files / "bad.cif").write_text("hello")
    write_crystal(Crystal(50 * np.eye(3), [[0, 0, 0]], [18], "lonely"), files / "lonely.cif")
    return files


def table_of(text: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text))


def test_a_table_of_csv_goes_to_stdout(call: Call, trained: Path, files: Path) -> None:
    outcome = call("predict", trained, files)
    table = table_of(outcome.out)
    assert outcome.status == 0
    assert list(table) == ["id", COLUMN]
    assert table["id"].tolist() == sorted(path.stem for path in files.iterdir())
    assert np.isfinite(table[COLUMN]).all()
    assert not outcome.err


def test_every_kind_of_input_gives_the_same(
    call: Call, trained: Path, tiny: Path, files: Path, tmp_path: Path
) -> None:
    expected = table_of(call("predict", trained, files).out).set_index("id")[COLUMN]
    paths = sorted(files.iterdir())
    parquet = write_parquet(read_dataset(tiny), tmp_path / "table.parquet")
    rows = [{"id": path.stem, "cif": path.read_text()} for path in paths]
    pd.DataFrame(rows).to_csv(tmp_path / "table.csv", index=False)
    kinds = {
        "files": paths,
        "one of them": paths[:1],
        "glob": [files / "*.cif"],
        "a table without targets": [tmp_path / "table.csv"],
        "a table with targets": [parquet],
        "the folder with id_prop.csv": [tiny],
        "several kinds": [paths[0], tmp_path / "table.csv"],
        "the model's own file": [trained / "model.json", *paths],
    }
    for kind, inputs in kinds.items():
        model = inputs.pop(0) if kind == "the model's own file" else trained
        outcome = call("predict", model, *inputs)
        assert outcome.status == 0, kind
        found = table_of(outcome.out).drop_duplicates("id").set_index("id")[COLUMN]
        common = [id for id in expected.index if id in found.index]
        assert common, kind
        np.testing.assert_allclose(found[common], expected[common], atol=1e-4, err_msg=kind)
    assert len(found) == 6


def test_the_targets_may_be_wrong_or_missing(
    call: Call, trained: Path, tiny: Path, tmp_path: Path
) -> None:
    data = shutil.copytree(tiny, tmp_path / "data")
    ids = sorted(path.stem for path in data.glob("*.cif"))
    (data / "id_prop.csv").write_text("".join(f"{id},\n" for id in ids))
    assert len(table_of(call("predict", trained, data).out)) == 24
    (data / "id_prop.csv").unlink()
    assert table_of(call("predict", trained, data).out)["id"].tolist() == ids


@pytest.mark.parametrize("suffix", [".csv", ".CSV", ".parquet", ".json"])
def test_the_formats_of_the_table(
    call: Call, trained: Path, files: Path, tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / "new folder" / f"table{suffix}"
    outcome = call("predict", trained, files, "--out", out, "--threads", 2)
    assert outcome.status == 0
    assert not outcome.out
    assert "6 crystals predicted" in outcome.err
    if suffix == ".json":
        table = pd.DataFrame(json.loads(out.read_text()))
    else:
        table = pd.read_csv(out) if suffix.lower() == ".csv" else pd.read_parquet(out)
    assert list(table) == ["id", COLUMN]
    on_stdout = table_of(call("predict", trained, files).out)
    np.testing.assert_allclose(table[COLUMN], on_stdout[COLUMN], rtol=1e-6)
    assert table["id"].tolist() == on_stdout["id"].tolist()


def test_a_classification_gives_the_class_and_a_probability_each(
    call: Call, classifier: Path, files: Path
) -> None:
    table = table_of(call("predict", classifier, files).out)
    classes = ["other oxide", "perovskite"]
    assert list(table) == ["id", "kind", *(f"probability {name}" for name in classes)]
    probabilities = table[[f"probability {name}" for name in classes]].to_numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    chosen = np.array(classes)[probabilities.argmax(axis=1)]
    assert table["kind"].tolist() == chosen.tolist()


def test_bad_files_are_listed_and_the_rest_predicted(
    call: Call, trained: Path, spoilt: Path, tmp_path: Path
) -> None:
    good = call("predict", trained, spoilt, "--skip-bad")
    assert good.status == 0
    assert len(table_of(good.out)) == 6
    out = tmp_path / "table.csv"
    for inputs in ([spoilt], [spoilt / "*.cif"], sorted(spoilt.iterdir())):
        outcome = call("predict", trained, *inputs, "--out", out)
        assert outcome.status == 1
        assert "2 left out:" in outcome.err
        assert "it is no CIF" in outcome.err
        assert "site 0" in outcome.err
        assert len(pd.read_csv(out)) == 6
        listed = pd.read_csv(tmp_path / "table.csv.rejected.csv")
        assert listed["id"].tolist() == ["bad", "lonely"]
        assert listed["reason"].str.len().min() > 10
    (spoilt / "bad.cif").unlink()
    (spoilt / "lonely.cif").unlink()
    assert call("predict", trained, spoilt, "--out", out).status == 0
    assert not (tmp_path / "table.csv.rejected.csv").exists()  # it would be of another table


def test_an_input_that_is_not_there_is_as_a_bad_file(
    call: Call, trained: Path, files: Path
) -> None:
    outcome = call("predict", trained, files, files / "gone.cif")
    assert outcome.status == 1
    assert "gone.cif: there is no such file or folder" in outcome.err
    assert len(table_of(outcome.out)) == 6


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", "there is no such file or folder"),
        ("*.cif", "no file matches"),
        ("empty", "neither id_prop.csv nor a structure file"),
        ("bad.vasp", "none of its 1 crystals can be read"),
        ("lonely.xyz", "none of the crystals can be predicted"),
    ],
)
def test_nothing_to_predict_is_an_error(
    call: Call, trained: Path, tmp_path: Path, name: str, message: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.vasp").write_text("hello")
    write_crystal(Crystal(50 * np.eye(3), [[0, 0, 0]], [18], "x"), tmp_path / "lonely.xyz")
    outcome = call("predict", trained, tmp_path / name, "--skip-bad")
    assert outcome.status == 1
    assert outcome.err.startswith("error: ")
    assert message in outcome.err
    assert not outcome.out


def other_model(trained: Path, tmp_path: Path) -> Path:
    """A copy of the model that is of another version."""
    folder = shutil.copytree(trained, tmp_path / "other")
    description = json.loads((folder / "model.json").read_text())
    description["format"] += 2
    (folder / "model.json").write_text(json.dumps(description))
    return folder


def test_what_is_no_model_is_refused(
    call: Call, trained: Path, files: Path, tmp_path: Path
) -> None:
    pickled = tmp_path / "model.pt"
    pickled.write_bytes(pickle.dumps({"weights": [1.0]}))
    text = tmp_path / "model.txt"
    text.touch()
    broken = shutil.copytree(trained, tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"x" * 1000)
    for model, message in (
        (tmp_path / "nowhere", "does not exist. Give a run folder"),
        (files, "has no model.json and no model.safetensors"),
        (pickled, "can be a pickle, which may run code when it is read, and is not read"),
        (text, "is no model. Give a run folder, model.json or model.safetensors"),
        (other_model(trained, tmp_path), "expected one of 1, 2, 3"),
        (broken, "is broken"),
    ):
        outcome = call("predict", model, files)
        assert outcome.status == 1
        assert outcome.err.startswith("error: ")
        assert str(model) in outcome.err
        assert message in outcome.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--out table.xlsx", "write the table as .csv, .parquet, .json"),
        ("--out folder.csv", "it is a folder. Give the name of a file"),
        ("--out file/table.csv", "fix its permissions."),
        ("--device banana", "device 'banana' cannot be used here"),
    ],
)
def test_bad_options_are_1_before_any_work(
    call: Call,
    trained: Path,
    files: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder.csv").mkdir()
    Path("file").touch()
    outcome = call("predict", trained, files, *words.split())
    assert outcome.status == 1
    assert message in outcome.err
    assert not outcome.out


def test_a_place_without_rights_is_told_before_any_work(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # tests may run as root, who may write everywhere
    monkeypatch.setattr("xtalgraph.cli.output.os.access", lambda path, mode: False)
    outcome = call("predict", tmp_path / "nowhere", "x.cif", "--out", tmp_path / "table.csv")
    assert outcome.status == 1
    assert "permission denied. Choose another place" in outcome.err


def test_a_checkpoint_of_2018_is_predicted_with_and_converted(
    call: Call, tiny: Path, tmp_path: Path
) -> None:
    path = write(make_checkpoint(), tmp_path / "band-gap.pth.tar")
    table = pd.read_csv(io.StringIO(call("predict", path, tiny).out))
    assert list(table) == ["id", "band_gap [eV]"]
    outcome = call("convert", path, "--out", tmp_path / "ours")
    assert outcome.status == 0
    assert "regression of band_gap [eV]" in outcome.err
    pd.testing.assert_frame_equal(
        pd.read_csv(io.StringIO(call("predict", tmp_path / "ours", tiny).out)), table
    )
    assert call("convert", path, "--out", tmp_path / "ours").status == 1
    other = tmp_path / "model.pt"
    path.rename(other)
    outcome = call("convert", other, "--out", tmp_path / "more")
    assert outcome.status == 1
    assert "can be a pickle" in outcome.err
