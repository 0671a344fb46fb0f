"""Public sets from a publisher on loopback: small files in the published formats."""

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.data.loopback import Publisher, serve
from tests.zoo import ZOO
from xtalgraph.data import (
    PUBLIC_SETS,
    PublicFile,
    PublicSet,
    fetch_dataset,
    make_split,
    read_dataset,
)
from xtalgraph.errors import BadDataset, Rejected, UnknownName
from xtalgraph.structures import Crystal
from xtalgraph.structures.formats.cif import format_cif

CRYSTALS = [ZOO[name] for name in ("SrTiO3", "NaCl", "Al2O3", "CsCl")]
GITHUB = "https://raw.githubusercontent.com/"
MATBENCH = "https://ml.materialsproject.org/"


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve(Publisher()) as server:
        yield server


def write_csv(header: list[str], rows: list[list[object]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def perov_5(crystals: list[Crystal], first: int) -> bytes:
    """As CDVAE writes it: an unnamed column of row numbers of a shuffled table, quoted CIFs."""
    header = ["", "material_id", "cif", "formula", "heat_all", "heat_ref", "dir_gap", "ind_gap"]
    return write_csv(
        header,
        [
            [7 * row + first, first + row, format_cif(crystal), crystal.formula, 0.5, -0.25, 1, 0.0]
            for row, crystal in enumerate(crystals)
        ],
    )


def mp_20(crystals: list[Crystal], first: int) -> bytes:
    header = ["", "material_id", "formation_energy_per_atom", "band_gap", "pretty_formula"]
    header += ["e_above_hull", "elements", "cif", "spacegroup.number"]
    return write_csv(
        header,
        [
            [first, f"mp-{first + row}", -1.5, 0.0, "X", 0.01, "['X', 'Y']", format_cif(one), 221]
            for row, one in enumerate(crystals)
        ],
    )


def matbench(crystals: list[Crystal], column: str, values: list[object]) -> bytes:
    """As matminer writes it: pandas' `split` form with pymatgen's dictionaries, compressed."""
    rows = [
        [crystal.to_pymatgen().as_dict(), value]
        for crystal, value in zip(crystals, values, strict=True)
    ]
    table = {"index": list(range(len(rows))), "columns": ["structure", column], "data": rows}
    return gzip.compress(json.dumps(table).encode(), mtime=0)


def git_blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def publish(publisher: Publisher, name: str, contents: list[bytes]) -> PublicSet:
    """Serve small files at the published addresses' paths; give the set with their checksums."""
    files = []
    for file, content in zip(PUBLIC_SETS[name].files, contents, strict=True):
        publisher.files[file.url.removeprefix(GITHUB).removeprefix(MATBENCH).join(["/", ""])] = (
            content
        )
        sums = {"git_blob": git_blob(content)} if file.git_blob else {}
        sums |= {"sha256": hashlib.sha256(content).hexdigest()} if file.sha256 else {}
        files.append(replace(file, **sums))
    return replace(PUBLIC_SETS[name], files=tuple(files))


def mirrors(publisher: Publisher) -> dict[str, str]:
    return {GITHUB: publisher.url("/"), MATBENCH: publisher.url("/")}


def castelli(publisher: Publisher) -> PublicSet:
    parts = [perov_5(CRYSTALS, 100), perov_5(CRYSTALS[:2], 200), perov_5(CRYSTALS[:1], 300)]
    return publish(publisher, "perov_5", parts)


def test_castelli_with_its_split(publisher: Publisher, tmp_path: Path) -> None:
    table = fetch_dataset(castelli(publisher), tmp_path, mirrors=mirrors(publisher))
    assert table == tmp_path / "perov_5.parquet"
    dataset = read_dataset(table)
    assert dataset.ids.tolist() == ["100", "101", "102", "103", "200", "201", "300"]
    assert [crystal.formula for crystal in dataset.crystals][:4] == [c.formula for c in CRYSTALS]
    assert {name: target.unit for name, target in dataset.targets.items()} == {
        "energy_above_hull": "eV/atom",
        "formation_energy": "eV/atom",
        "direct_gap": "eV",
        "indirect_gap": "eV",
    }
    assert dataset.values(["energy_above_hull", "formation_energy"])[0].tolist() == [0.5, -0.25]
    split = make_split(dataset, "column:split")
    assert [len(part) for part in (split.train, split.validation, split.test)] == [4, 2, 1]


def test_mp_20(publisher: Publisher, tmp_path: Path) -> None:
    public = publish(publisher, "mp_20", [mp_20(CRYSTALS, n) for n in (1, 11, 21)])
    dataset = read_dataset(fetch_dataset(public, tmp_path, mirrors=mirrors(publisher)))
    assert dataset.ids.tolist()[:5] == ["mp-1", "mp-2", "mp-3", "mp-4", "mp-11"]
    assert list(dataset.columns) == [
        "formation_energy_per_atom",
        "band_gap",
        "energy_above_hull",
        "space_group_number",
        "split",
    ]
    assert dataset.values(["energy_above_hull"])[0] == 0.01


@pytest.mark.parametrize(
    ("name", "column", "target", "unit"),
    [
        ("matbench_mp_e_form", "e_form", "formation_energy_per_atom", "eV/atom"),
        ("matbench_mp_gap", "gap pbe", "band_gap", "eV"),
        ("matbench_log_kvrh", "log10(K_VRH)", "log10_K_VRH", "log10 GPa"),
        ("matbench_log_gvrh", "log10(G_VRH)", "log10_G_VRH", "log10 GPa"),
        ("matbench_perovskites", "e_form", "energy_above_hull", "eV/atom"),
        ("matbench_dielectric", "n", "refractive_index", ""),
        ("matbench_jdft2d", "exfoliation_en", "exfoliation_energy", "meV/atom"),
        ("matbench_phonons", "last phdos peak", "last_phonon_dos_peak", "1/cm"),
    ],
)
def test_matbench(
    publisher: Publisher, tmp_path: Path, name: str, column: str, target: str, unit: str
) -> None:
    values = [0.125, 2.0, 3.5, -4.0]
    public = publish(publisher, name, [matbench(CRYSTALS, column, values)])
    dataset = read_dataset(fetch_dataset(public, tmp_path, mirrors=mirrors(publisher)))
    assert list(dataset.columns) == [target]
    assert dataset.targets[target].unit == unit
    assert dataset.values([target])[:, 0].tolist() == values
    # The leaderboard's ids; structures exactly as published.
    assert dataset.ids[0] == f"mb-{name.removeprefix('matbench_').replace('_', '-')}-1"
    np.testing.assert_array_equal(dataset.crystals[2].lattice, CRYSTALS[2].lattice)


def test_metals_are_a_class(publisher: Publisher, tmp_path: Path) -> None:
    content = matbench(CRYSTALS, "is_metal", [True, False, False, True])
    public = publish(publisher, "matbench_mp_is_metal", [content])
    dataset = read_dataset(fetch_dataset(public, tmp_path, mirrors=mirrors(publisher)))
    assert dataset.labels("is_metal").tolist() == ["true", "false", "false", "true"]
    assert not dataset.targets


def test_nothing_is_fetched_twice(publisher: Publisher, tmp_path: Path) -> None:
    public = castelli(publisher)
    table = fetch_dataset(public, tmp_path, mirrors=mirrors(publisher))
    written = table.stat().st_mtime_ns
    publisher.requests.clear()
    assert fetch_dataset(public, tmp_path, mirrors=mirrors(publisher)) == table
    assert publisher.requests == []
    assert table.stat().st_mtime_ns == written
    table.unlink()
    assert fetch_dataset(public, tmp_path, mirrors=mirrors(publisher)).exists()
    assert publisher.requests == []


def test_what_was_fetched_is_noted(publisher: Publisher, tmp_path: Path) -> None:
    fetch_dataset(castelli(publisher), tmp_path, mirrors=mirrors(publisher))
    notes = json.loads((tmp_path / "perov_5" / "fetched.json").read_text())
    assert sorted(notes) == ["test.csv", "train.csv", "val.csv"]
    train = (tmp_path / "perov_5" / "train.csv").read_bytes()
    assert notes["train.csv"]["sha256"] == hashlib.sha256(train).hexdigest()
    assert notes["train.csv"]["n_bytes"] == len(train)
    assert notes["train.csv"]["checked_against"] == "published git blob"
    assert notes["train.csv"]["url"].startswith(publisher.address)


def test_a_broken_download_is_continued(publisher: Publisher, tmp_path: Path) -> None:
    public = castelli(publisher)
    path = next(path for path in publisher.files if path.endswith("train.csv"))
    publisher.cuts[path] = [700, 0]
    seen: list[tuple[int, int | None]] = []
    with pytest.raises(BadDataset, match="was lost after 700 bytes"):
        fetch_dataset(public, tmp_path, mirrors=mirrors(publisher))
    table = fetch_dataset(
        public, tmp_path, mirrors=mirrors(publisher), progress=lambda *step: seen.append(step)
    )
    assert (path, "bytes=700-") in publisher.requests
    assert seen[0][0] == 700
    assert len(read_dataset(table)) == 7


def test_the_published_checksum_counts_also_behind_a_mirror(
    publisher: Publisher, tmp_path: Path
) -> None:
    castelli(publisher)  # serves small files, which the real list does not know
    with pytest.raises(BadDataset, match=r"git's checksum is .*, published is 0769074b5d51"):
        fetch_dataset("perov_5", tmp_path, mirrors=mirrors(publisher))
    assert (tmp_path / "perov_5" / "train.csv.wrong").exists()
    assert not (tmp_path / "perov_5.parquet").exists()


def test_a_file_put_there_by_hand_is_checked_and_used(publisher: Publisher, tmp_path: Path) -> None:
    content = matbench(CRYSTALS, "n", [1.0, 2.0, 3.0, 4.0])
    public = publish(publisher, "matbench_dielectric", [content])
    publisher.files.clear()
    with pytest.raises(BadDataset, match=r"HTTP 404.*put it at"):
        fetch_dataset(public, tmp_path, mirrors=mirrors(publisher))
    (tmp_path / "matbench_dielectric" / "matbench_dielectric.json.gz").write_bytes(content)
    assert len(read_dataset(fetch_dataset(public, tmp_path, mirrors=mirrors(publisher)))) == 4


def test_without_a_published_checksum_the_first_download_counts(
    publisher: Publisher, tmp_path: Path
) -> None:
    public = castelli(publisher)
    public = replace(
        public, files=tuple(PublicFile(f.name, f.url, part=f.part) for f in public.files)
    )
    table = fetch_dataset(public, tmp_path, mirrors=mirrors(publisher))
    notes = json.loads((tmp_path / "perov_5" / "fetched.json").read_text())
    assert {note["checked_against"] for note in notes.values()} == {"first download"}
    path = next(path for path in publisher.files if path.endswith("test.csv"))
    publisher.files[path] += b"\n"
    (tmp_path / "perov_5" / "test.csv").unlink()
    with pytest.raises(BadDataset, match=r"but was [0-9a-f]{64} when it was first fetched"):
        fetch_dataset(public, tmp_path, mirrors=mirrors(publisher))
    assert table.exists()


def test_a_new_file_gives_a_new_table(publisher: Publisher, tmp_path: Path) -> None:
    name = "matbench_dielectric"
    for values in ([1.0, 2.0], [5.0, 6.0]):
        public = publish(publisher, name, [matbench(CRYSTALS[:2], "n", values)])
        raw = tmp_path / name / f"{name}.json.gz"
        raw.unlink(missing_ok=True)
        dataset = read_dataset(fetch_dataset(public, tmp_path, mirrors=mirrors(publisher)))
        assert dataset.values(["refractive_index"])[:, 0].tolist() == values


def test_bad_rows_are_reported_together_or_left_out(publisher: Publisher, tmp_path: Path) -> None:
    parts = [perov_5(CRYSTALS, 100), perov_5(CRYSTALS[:2], 200), perov_5(CRYSTALS[:1], 300)]
    parts[0] = parts[0].replace(b"_cell_length_a", b"_cell_length_q", 1)
    public = publish(publisher, "perov_5", parts)
    with pytest.raises(BadDataset, match="100"):
        fetch_dataset(public, tmp_path, mirrors=mirrors(publisher))
    rejected: list[Rejected] = []
    table = fetch_dataset(public, tmp_path, mirrors=mirrors(publisher), rejected=rejected)
    assert [row.id for row in rejected] == ["100"]
    assert len(read_dataset(table)) == 6


def test_another_format_is_refused(publisher: Publisher, tmp_path: Path) -> None:
    public = publish(
        publisher, "matbench_dielectric", [matbench(CRYSTALS, "eps", [1.0, 2.0, 3.0, 4.0])]
    )
    with pytest.raises(BadDataset, match=r"no column 'n', which matbench_dielectric .* it has eps"):
        fetch_dataset(public, tmp_path, mirrors=mirrors(publisher))


def test_a_note_that_is_no_json_is_refused(publisher: Publisher, tmp_path: Path) -> None:
    (tmp_path / "perov_5").mkdir()
    (tmp_path / "perov_5" / "fetched.json").write_text("{")
    with pytest.raises(BadDataset, match=r"fetched.json: not JSON.*Remove it"):
        fetch_dataset(castelli(publisher), tmp_path, mirrors=mirrors(publisher))


def test_names_that_cannot_be_fetched(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="unknown public data set"):
        fetch_dataset("perov5", tmp_path)
    with pytest.raises(BadDataset, match="compositions and no structures"):
        fetch_dataset("matbench_steels", tmp_path)
    with pytest.raises(BadDataset, match=r"queried.*fetch_materials_project"):
        fetch_dataset("materials_project", tmp_path)
