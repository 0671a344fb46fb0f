"""`xtalgraph train`: what it leaves, what it takes, and what it says to a hurried user."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from tests.cli.conftest import ENERGY, SMALL, Call
from xtalgraph.cli import train as train_command
from xtalgraph.training import read_config, read_run


def csv_lines(folder: Path) -> list[str]:
    return (folder / "id_prop.csv").read_text(encoding="utf-8").splitlines()


@pytest.fixture
def copy(tiny: Path, tmp_path: Path) -> Path:
    """A copy of the data that a test may break."""
    return shutil.copytree(tiny, tmp_path / "copy")


def test_a_run_folder_is_complete(trained: Path) -> None:
    assert {path.name for path in trained.iterdir()} >= {
        "config.toml",
        "splits.csv",
        "metrics.json",
        "history.csv",
        "test_predictions.csv",
        "figures",
        "model.safetensors",
        "model.json",
        "report.html",
    }
    figures = {path.stem for path in (trained / "figures").iterdir()}
    assert {"learning_curves", f"parity_{ENERGY}"} <= figures
    assert not list(trained.glob("*.ckpt"))  # a finished run has nothing that is unpickled
    table = pd.read_csv(trained / "test_predictions.csv")
    assert list(table) == ["id", f"{ENERGY} true [eV/atom]", f"{ENERGY} predicted [eV/atom]"]
    parts = pd.read_csv(trained / "splits.csv")["part"].value_counts()
    assert parts.to_dict() == {"train": 14, "validation": 5, "test": 5}
    assert json.loads((trained / "metrics.json").read_text())["test"]
    assert read_config(trained / "config.toml").train.epochs == 2
    assert len(read_run(trained).history) == 2


def test_scores_go_to_stdout_and_progress_to_stderr(call: Call, tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "new folder" / "run"
    settings = tmp_path / "settings.toml"
    settings.write_text('[model]\npooling = "max"\n[train]\nepochs = 7\n')
    (tmp_path / "plain").mkdir()
    for path in tiny.glob("*.cif"):
        shutil.copy(path, tmp_path / "plain")
    lines = [",".join(line.split(",")[:2]) for line in csv_lines(tiny)[1:]]
    (tmp_path / "plain" / "id_prop.csv").write_text("\n".join(lines))  # as in 2018: no header
    words = "--target target --preset paper --split group:formula:0.5,0.3,0.2 --seed 3"
    outcome = call(
        "train", tmp_path / "plain", *words.split(), "--config", settings, "--out", out, *SMALL
    )
    assert outcome.status == 0
    lines = outcome.out.splitlines()
    assert lines[0] == "test set:"
    assert "mean_absolute_error" in lines[1]
    assert [line.split()[0] for line in lines[2:]] == ["this", "mean", "median"]
    assert "epoch 2/2" in outcome.err
    assert f"report: {out / 'report.html'}" in outcome.err
    config = read_config(out / "config.toml")
    assert (config.graph.rule, config.train.optimiser) == ("nearest", "sgd")  # the preset's
    assert config.model.pooling == "max"  # the file's
    assert (config.train.epochs, config.train.seed, config.model.atom_width) == (2, 3, 8)


def test_a_classification_learns_a_column_of_texts(classifier: Path) -> None:
    table = pd.read_csv(classifier / "test_predictions.csv")
    assert "probability other oxide" in table
    assert (classifier / "figures" / "confusion.png").exists()


def test_a_finished_run_is_not_trained_again(call: Call, tiny: Path, trained: Path) -> None:
    before = (trained / "model.safetensors").stat().st_mtime_ns
    again = call("train", "--resume", trained)
    assert again.status == 0
    assert "this run is finished already; nothing to do" in again.err
    outcome = call("train", tiny, "--target", ENERGY, "--out", trained, *SMALL)
    assert outcome.status == 1
    assert "already contains a run (finished). Choose another folder (--out), or" in outcome.err
    assert (trained / "model.safetensors").stat().st_mtime_ns == before


def test_a_stopped_run_says_how_to_go_on_and_goes_on(
    call: Call, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def stopping_bar() -> Iterator[object]:
        def stop(progress: object) -> None:
            if progress.is_epoch_end:
                raise KeyboardInterrupt

        yield stop

    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(train_command, "training_bar", stopping_bar)
        stopped = call("train", tiny, "--target", ENERGY, "--out", out, *SMALL)
    assert stopped.status == 1
    assert f"xtalgraph train --resume {out}" in stopped.err
    assert stopped.err.rstrip().endswith("interrupted")
    assert not (out / "metrics.json").exists()
    unfinished = call("train", tiny, "--target", ENERGY, "--out", out, *SMALL)
    assert unfinished.status == 1
    assert "already contains a run (unfinished)" in unfinished.err
    resumed = call("train", tiny, "--resume", out)
    assert resumed.status == 0
    assert "test set:" in resumed.out
    assert (out / "report.html").exists()
    assert len(pd.read_csv(out / "history.csv")) == 2


def test_bad_crystals_are_refused_or_left_out_and_listed(
    call: Call, copy: Path, tmp_path: Path
) -> None:
    first, second, third = sorted(copy.glob("*.cif"))[:3]
    first.unlink()
    second.write_text("data_nothing")
    outcome = call("train", copy, "--target", ENERGY, "--out", tmp_path / "run", *SMALL)
    assert outcome.status == 1
    assert "2 of 24 crystals cannot be read" in outcome.err
    assert f"{first.stem}: no structure file {first.name}" in outcome.err
    assert "--skip-bad" in outcome.err
    assert not (tmp_path / "run").exists()
    out = tmp_path / "not yet" / "run"
    skipping = call("train", copy, "--target", ENERGY, "--out", out, "--skip-bad", *SMALL)
    assert skipping.status == 0
    assert "2 left out:" in skipping.err
    listed = pd.read_csv(tmp_path / "not yet" / "run.rejected.csv")
    rows = (copy / "id_prop.csv").read_text().splitlines()
    in_table = [row.split(",")[0] for row in rows]  # the order of the rows is kept
    expected = sorted((first.stem, second.stem), key=in_table.index)
    assert listed["id"].tolist() == expected
    assert third.stem in pd.read_csv(out / "splits.csv")["id"].tolist()
    assert call("evaluate", out, copy, "--skip-bad").status == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (f"--target {ENERGY[:-4]}", f"Did you mean '{ENERGY}'?"),
        ("--task regression --target kind", "holds no numbers"),
        (f"--target {ENERGY},kind", "holds no numbers"),
        ("--target ,", "no target is named"),
        ("--task regresion", "Did you mean 'regression'?"),
        ("--task classification", "which is no class"),
        ("--task classification --target kind,is_metal", "classification needs one target"),
        ("--preset pape", "Did you mean 'paper'?"),
        ("--set model.poling=max", "Did you mean 'pooling'?"),
        ("--set modle.pooling=max", "Did you mean 'model'?"),
        ("--set model.pooling=maxx", "Did you mean 'max'?"),
        ("--set pooling", "write section.key=value"),
        ("--set model.atom_width=wide", "expected a whole number"),
        ("--config nowhere.toml", "nowhere.toml: cannot be read"),
        ("--split colum:kind", "Did you mean 'column'?"),
        ("--split column:kind", "is no part of a split"),
        ("--split group:formul", "Did you mean 'formula'?"),
        ("--split file:nowhere.csv", "nowhere.csv: it cannot be read"),
        ("--split element:Xx", "Did you mean 'Xe'?"),
        ("--split 500,100,100", "24 or less in all"),
        ("--split 1.0,0.0,0.0", "the validation set of the split is empty"),
        ("--seed -1", "train.seed = -1"),
        ("--accelerator banana", "'banana'"),
        ("--devices 99999", "99999 processes"),
        ("--devices no", "devices = 'no'"),
        ("--precision 16", "unknown precision '16'"),
        ("--strategy ddpp", "'ddpp'"),
    ],
)
def test_bad_settings_are_1_and_leave_nothing(
    call: Call, tiny: Path, tmp_path: Path, words: str, message: str
) -> None:
    given = words.split()
    target = [] if "--target" in given else ["--target", ENERGY]
    settings = [] if "--accelerator" in given else SMALL
    outcome = call("train", tiny, *settings, *given, *target, "--out", tmp_path / "run")
    assert outcome.status == 1
    assert outcome.err.startswith("error: ")
    assert message in outcome.err
    assert not outcome.out
    assert not (tmp_path / "run").exists()


def rewrite(folder: Path, rows: list[str], encoding: str = "utf-8") -> None:
    (folder / "id_prop.csv").write_bytes("\n".join(rows).encode(encoding))


def spoil(folder: Path, how: str) -> None:
    """Write the table anew, wrong in one way."""
    ids = [line.split(",")[0] for line in csv_lines(folder)[1:]]
    numbers = dict(enumerate(ids))
    plain = [f"{id},{number}" for number, id in numbers.items()]
    table = {
        "blanks": ["id,y", *(f"{id}," for id in ids)],
        "one text": ["id,y", *plain[:-1], f"{ids[-1]},n/k"],
        "huge": ["id,y", *(f"{id},{n}e300" for n, id in numbers.items())],
        "infinite": ["id,y", *plain[:-1], f"{ids[-1]},inf"],
        "constant": ["id,y", *(f"{id},1" for id in ids)],
        "one crystal": ["id,y", plain[0]],
        "ids alone": ids,
        "twice": ["id,y", *plain, f"{ids[0]},3"],
        "ragged": ["id,y", *plain, "a,b,c,d"],
        "slashes": ["id,y", *(f"x/{row}" for row in plain)],
        "header alone": ["id,y"],
    }
    rewrite(folder, table[how])


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("blanks", "target 'y' has no label among the 14 crystals of the train set"),
        ("one text", "1 of 24 cells are no numbers: row 23"),
        ("huge", "target 'y' reaches"),
        ("infinite", "is infinite for 1 crystals"),
        ("constant", "There is nothing to learn"),
        ("one crystal", "the validation set of the split is empty"),
        ("ids alone", "unknown column 'y'. There is none at all."),
        ("twice", "1 ids stand for several rows"),
        ("ragged", "line 26"),
        ("slashes", "no structure file for any of its 24 ids, as x/"),
        ("header alone", "a header and no rows"),
    ],
)
def test_bad_tables_are_1_and_named(
    call: Call, copy: Path, tmp_path: Path, how: str, message: str
) -> None:
    spoil(copy, how)
    outcome = call("train", copy, "--target", "y", "--out", tmp_path / "run", *SMALL)
    assert outcome.status == 1
    assert message in outcome.err
    assert not (tmp_path / "run").exists()


def test_odd_tables_are_read(call: Call, copy: Path) -> None:
    """A byte-order mark, ids with spaces and with letters beyond ASCII are no mistakes."""
    rows = []
    for number, path in enumerate(sorted(copy.glob("*.cif"))):
        path.rename(copy / f"кристалл Å {number}.cif")
        rows.append(f"кристалл Å {number},{number}")
    rewrite(copy, ["id,größe [eV]", *rows], "utf-8-sig")
    outcome = call("check", copy, "--target", "größe")
    assert outcome.status == 0
    assert "größe [eV]: 24 labels" in outcome.out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", "there is no such file or folder"),
        ("", "neither id_prop.csv nor a structure file"),
        ("words.txt", "its format is not recognised"),
        ("book.xlsx", "the spreadsheet cannot be read"),
        ("a.parquet", "it cannot be read"),
        ("a.json", "broken JSON"),
        ("paths.csv", "Put the content of the file into the cell"),
    ],
)
def test_what_is_no_data_is_1_and_named(
    call: Call, tmp_path: Path, name: str, message: str
) -> None:
    if name and name != "nowhere":
        (tmp_path / name).write_text("id,cif,y\na,b/a.cif,1\n" if "paths" in name else "no")
    outcome = call("train", tmp_path / name, "--target", "y", "--out", tmp_path / "run")
    assert outcome.status == 1
    assert message in outcome.err
    assert str(tmp_path / name) in outcome.err


def test_a_place_that_cannot_be_written_is_told(call: Call, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    outcome = call("train", tiny, "--target", ENERGY, "--out", tmp_path / "file" / "run", *SMALL)
    assert outcome.status == 1
    assert f"error: {tmp_path / 'file' / 'run'}: Not a directory" in outcome.err
    resumed = call("train", "--resume", tmp_path)
    assert resumed.status == 1
    assert "no run was started here" in resumed.err


def test_a_run_can_start_from_another(
    call: Call, copy: Path, trained: Path, tmp_path: Path
) -> None:
    words = ["train", copy, "--target", "kind", "--task", "classification"]
    words += ["--out", tmp_path / "run"]
    fast = ["--epochs", "1", "--accelerator", "cpu", "--set", "train.tensorboard=false"]
    options = ["--from", trained, "--freeze", "convolutions"]
    outcome = call(*words, *fast, *options)
    assert outcome.status == 0, outcome.err
    assert f"starting from {trained}" in outcome.err
    config = read_config(tmp_path / "run" / "config.toml")
    assert (config.train.start_from, config.train.freeze) == (str(trained), "convolutions")
    assert config.model == read_config(trained / "config.toml").model
    outcome = call(*words, *options, "--set", "model.atom_width=16")
    assert outcome.status == 1
    assert "model.atom_width: 16 here, 8 there" in outcome.err
    assert "leave out --from, --freeze" in call("train", "--resume", tmp_path / "run", *options).err
