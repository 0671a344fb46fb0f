"""`xtalgraph data`: the public sets from a publisher on loopback, and the embedded one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.conftest import ENERGY, Call
from tests.data.loopback import Publisher, serve
from tests.zoo import ZOO
from xtalgraph.data import PUBLIC_SETS, Dataset, PublicFile, read_dataset
from xtalgraph.structures.formats.cif import format_cif
from xtalgraph.units import Target


def test_list_and_info_say_what_there_is(call: Call) -> None:
    listed = call("data", "list")
    assert listed.status == 0
    names = [line.split()[0] for line in listed.out.splitlines()]
    assert names == ["mp-sample", *PUBLIC_SETS]
    for name in PUBLIC_SETS:
        shown = call("data", "info", name)
        assert shown.status == 0
        for word in ("size: ", "columns: ", "licence: ", "cite: ", "homepage: http"):
            assert word in shown.out, name
        for file in PUBLIC_SETS[name].files:
            assert f"{file.url} ({file.checksum})" in shown.out


def test_an_unknown_name_gets_the_nearest(call: Call) -> None:
    for verb in ("info", "fetch"):
        outcome = call("data", verb, "perov5")
        assert outcome.status == 1
        assert "Did you mean 'perov_5'?" in outcome.err
        assert not outcome.out


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    """Serve a set `perov_5` of three crystals, one of them broken."""
    cells = [format_cif(ZOO[name]) for name in ("SrTiO3", "NaCl")] + ["data_broken"]
    quoted = ['"' + cell.replace('"', '""') + '"' for cell in cells]
    text = "material_id,gap,cif\n" + "\n".join(f"{n},{n}.5,{cell}" for n, cell in enumerate(quoted))
    content = text.encode()
    file = PublicFile(
        "a.csv", "https://published.example/a.csv", hashlib.sha256(content).hexdigest()
    )
    public = replace(
        PUBLIC_SETS["perov_5"], files=(file,), columns={"gap": Target("band_gap", "eV")}
    )
    monkeypatch.setitem(PUBLIC_SETS, "perov_5", public)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve(Publisher(files={"/a.csv": content})) as server:
        yield server


def test_fetch_gives_a_table_that_train_takes(
    call: Call, publisher: Publisher, tmp_path: Path
) -> None:
    words = ["data", "fetch", "perov_5", "--out", tmp_path]
    words += ["--mirror", f"https://published.example={publisher.address}"]
    refused = call(*words)
    assert refused.status == 1
    assert "1 of 3 crystals cannot be read" in refused.err
    outcome = call(*words, "--skip-bad")
    assert outcome.status == 0
    table = Path(outcome.out.strip())
    assert table == tmp_path / "perov_5.parquet"
    assert "1 left out:" in outcome.err
    assert (tmp_path / "perov_5.parquet.rejected.csv").exists()
    assert read_dataset(table).targets["band_gap"].unit == "eV"
    assert len(publisher.requests) == 1  # the file that is there is not fetched again


def test_a_broken_download_is_1(call: Call, publisher: Publisher, tmp_path: Path) -> None:
    mirror = f"https://published.example={publisher.address}"
    publisher.files["/a.csv"] = b"something else"
    changed = call("data", "fetch", "perov_5", "--out", tmp_path / "1", "--mirror", mirror)
    assert changed.status == 1
    assert "not the published file (SHA-256 is" in changed.err
    publisher.files.clear()
    gone = call("data", "fetch", "perov_5", "--out", tmp_path / "2", "--mirror", mirror)
    assert gone.status == 1
    assert "404" in gone.err
    wrong = call("data", "fetch", "perov_5", "--mirror", "nearer")
    assert wrong.status == 1
    assert "write OLD=NEW" in wrong.err


def test_criteria_of_the_materials_project_are_json(call: Call, tmp_path: Path) -> None:
    for criteria, message in (("{", "not JSON"), ("[1]", "write a JSON object")):
        words = ["--out", tmp_path, "--criteria", criteria]
        outcome = call("data", "fetch", "materials_project", *words)
        assert outcome.status == 1
        assert f"--criteria: {message}" in outcome.err


def test_the_embedded_data_as_files(call: Call, few: Dataset, tmp_path: Path) -> None:
    table = tmp_path / "new" / "sample.parquet"
    made = call("data", "make", "mp-sample", "--out", table)
    assert made.status == 0
    assert made.out.strip() == str(table)
    assert "60 crystals of the embedded sample of the Materials Project" in made.err
    dataset = read_dataset(table)
    assert dataset.targets[ENERGY].unit == "eV/atom"
    sampled = call("data", "sample", table, "--size", 5, "--out", tmp_path / "few.parquet")
    assert sampled.status == 0
    few = read_dataset(tmp_path / "few.parquet")
    assert len(few) == 5
    assert set(few.ids.tolist()) <= set(dataset.ids.tolist())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("make mp-smple --out x", "Did you mean 'mp-sample'?"),
        ("make --out x.csv", "give a folder, or a file that ends in .parquet"),
        ("make --out x --target formation_energy", f"Did you mean '{ENERGY}'?"),
        ("sample mp-sample --size 3 --out x.csv", "give a file that ends in .parquet"),
        ("sample mp-sample --size 0 --out x.parquet", "size = 0"),
    ],
)
def test_what_cannot_be_made_is_1(
    call: Call,
    few: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = call("data", *words.split())
    assert outcome.status == 1
    assert message in outcome.err
    assert not list(tmp_path.iterdir())


def test_a_folder_is_made_once(call: Call, few: Dataset, tmp_path: Path) -> None:
    made = call("data", "make", "--out", tmp_path / "sample", "--target", ENERGY)
    assert made.status == 0
    assert list(read_dataset(tmp_path / "sample").columns) == [ENERGY]
    again = call("data", "make", "--out", tmp_path / "sample")
    assert again.status == 1
    assert "is there already" in again.err
