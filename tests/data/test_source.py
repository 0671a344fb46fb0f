"""Whatever a source is: read whole, in pieces and in chunks of a screen, it is the same."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.structures.test_registry import TOY
from tests.training.tiny import make_tiny
from xtalgraph.data import (
    Dataset,
    Piece,
    folder,
    open_source,
    pack_dataset,
    packed,
    pieces,
    read_dataset,
    tables,
)
from xtalgraph.data.files import EMBEDDED
from xtalgraph.errors import BadDataset, Rejected
from xtalgraph.screening import read_candidates
from xtalgraph.structures import FORMATS, Crystal, format_cif, write_crystal
from xtalgraph.structures.formats.pymatgen_json import OPTIMADE

TINY = make_tiny(20)
BAD = 11  # the row that makes no crystal
Given = str | list[str]
Make = Callable[[Path], Given]

FRAME = {
    "energy [eV]": [None if row in (3, 17) else row / 4 for row in range(20)],
    "kind": [None if row == 5 else "salt" if row % 2 else "10" for row in range(20)],
    "flag": [None if row == 8 else row % 3 == 0 for row in range(20)],
    "count": list(range(100, 120)),
}


def as_dict(crystal: Crystal) -> dict:
    return crystal.to_pymatgen().as_dict()


def as_jarvis(crystal: Crystal) -> dict:
    return {
        "lattice_mat": crystal.lattice.tolist(),
        "coords": crystal.fractional_positions.tolist(),
        "elements": crystal.symbols,
        "cartesian": False,
    }


def as_optimade(crystal: Crystal) -> dict:
    return {
        "lattice_vectors": crystal.lattice.tolist(),
        "species_at_sites": crystal.symbols,
        "cartesian_site_positions": crystal.cartesian_positions.tolist(),
    }


def rows(structure: Callable[[Crystal], object] = as_dict, name: str = "structure") -> list[dict]:
    """The rows of a table with one column of structures, of which one is broken."""
    found = []
    for row, crystal in enumerate(TINY.crystals):
        cell = structure(crystal) if row != BAD else {"broken": 1}
        others = {header: values[row] for header, values in FRAME.items()}
        found.append({"id": f"m{row}", **others, name: cell})
    return found


def write_csv(path: Path, *, ids: bool = True) -> str:
    table = rows(lambda crystal: format_cif(crystal), "cif")
    frame = pd.DataFrame(table).assign(cif=[str(row["cif"]) for row in table])
    frame = frame if ids else frame.drop(columns="id")
    frame.to_csv(path, index=False, compression="infer")
    return str(path)


def write_late_repeat(path: Path) -> str:
    """Names that differ in the first piece and repeat at the end: rows are numbered."""
    frame = pd.read_csv(write_csv(path))
    frame["name"] = [f"n{row}" for row in range(19)] + ["n0"]
    frame.drop(columns="id").to_csv(path, index=False)
    return str(path)


def write_flat_parquet(path: Path) -> str:
    columns = {"material_id": [f"m{row}" for row in range(20)], **FRAME}
    species = [crystal.symbols for crystal in TINY.crystals]
    species[BAD] = ["Qq"] * len(species[BAD])
    columns["lattice"] = [crystal.lattice.ravel().tolist() for crystal in TINY.crystals]
    columns["species"] = species
    columns["frac"] = [crystal.fractional_positions.ravel().tolist() for crystal in TINY.crystals]
    pq.write_table(pa.table(columns), path)
    return str(path)


def write_json(path: Path, content: object) -> str:
    data = json.dumps(content).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return str(path)


def write_lines(path: Path) -> str:
    path.write_text("\n".join(json.dumps(row) for row in rows()))
    return str(path)


def write_broken_lines(path: Path) -> str:
    lines = [json.dumps(row) for row in rows()]
    lines[3:3] = ['{"id": "cut', '{"deep": ' + "[" * 100_000, "[1]", '{"n": ' + "9" * 4400 + "}"]
    path.write_text("\n".join(lines))
    return str(path)


def write_like_a_spreadsheet(path: Path) -> str:
    """Semicolons, decimal commas, UTF-16, columns without a name at the end."""
    frame = pd.read_csv(write_csv(path), dtype=str, keep_default_na=False)
    frame["energy [eV]"] = frame["energy [eV]"].str.replace(".", ",")
    frame["Unnamed: 6"] = frame["Unnamed: 7"] = ""
    header = [name if not name.startswith("Unnamed") else "" for name in frame.columns]
    frame.to_csv(path, index=False, sep=";", header=header, encoding="utf-16")
    return str(path)


def write_split(path: Path) -> str:
    table = rows()
    data = [[row["structure"], row["energy [eV]"]] for row in table]
    columns = ["structure", "energy [eV]"]
    return write_json(path, {"index": list(range(20)), "columns": columns, "data": data})


def write_optimade(path: Path) -> str:
    data = [
        {
            "id": row["id"],
            "type": "structures",
            "attributes": {
                **{name: row["s"].get(name) for name in OPTIMADE},
                "energy [eV]": row["count"],
            },
        }
        for row in rows(as_optimade, "s")
    ]
    return write_json(path, {"data": data, "meta": {"more_data_available": False}})


def write_files(place: Path, suffix: str = ".cif") -> Path:
    place.mkdir()
    for row, crystal in enumerate(TINY.crystals):
        write_crystal(crystal, place / f"c{row}{suffix}")
    (place / f"c{BAD}{suffix}").write_text("broken")
    return place


def write_layout(place: Path) -> str:
    write_files(place)
    lines = [f"c{row},{row / 4},{'ab'[row % 2]}" for row in reversed(range(20))]
    lines[4] = "ghost,1,a"
    (place / "id_prop.csv").write_text("id,energy [eV],kind\n" + "\n".join(lines) + "\n")
    return str(place)


def write_frames(path: Path) -> str:
    texts = [FORMATS["extxyz"].write(crystal) for crystal in TINY.crystals]
    texts[BAD] = texts[BAD].replace("Lattice", "Latte")
    path.write_text("".join(texts))
    return str(path)


def write_toys(place: Path) -> str:
    place.mkdir()
    for row in range(9):
        (place / f"t{row}.toy").write_text(f"toy {3 + row} Fe\n" if row != 4 else "toy")
    return str(place)


def write_packed(place: Path) -> str:
    table = write_flat_parquet(place.with_suffix(".parquet"))
    return str(pack_dataset(table, place, rejected=[]))


def write_several(place: Path) -> list[str]:
    place.mkdir()
    files = [str(path) for path in sorted(write_files(place / "files").glob("*.cif"))[8:14]]
    broken = write_json(place / "cut.json", rows())
    Path(broken).write_bytes(Path(broken).read_bytes()[:-2000])
    (place / "empty.csv").write_text("id,cif\n")
    return [
        *files,
        write_csv(place / "table.csv"),
        str(place / "gone.cif"),
        write_layout(place / "layout"),
        broken,
        str(place / "empty.csv"),
        write_packed(place / "packed"),
    ]


KINDS: dict[str, Make] = {
    "file": lambda place: write_frames(place / "frames.extxyz"),
    "one file": lambda place: str(write_files(place / "a") / "c3.cif"),
    "folder": lambda place: str(write_files(place / "a")),
    "folder of gz": lambda place: str(write_files(place / "a", ".vasp")),
    "glob": lambda place: str(write_files(place / "a") / "c1*.cif"),
    "glob of tables": lambda place: (
        write_csv(place / "a.csv") and write_csv(place / "b.csv") and str(place / "*.csv")
    ),
    "layout of 2018": lambda place: write_layout(place / "a"),
    "its table": lambda place: write_layout(place / "a") + "/id_prop.csv",
    "csv": lambda place: write_csv(place / "a.csv"),
    "csv.gz": lambda place: write_csv(place / "a.csv.gz"),
    "csv without ids": lambda place: write_csv(place / "a.csv", ids=False),
    "csv of late repeats": lambda place: write_late_repeat(place / "a.csv"),
    "parquet": lambda place: write_flat_parquet(place / "a.parquet"),
    "json": lambda place: write_json(place / "a.json", rows()),
    "json.gz": lambda place: write_json(place / "a.json.gz", rows()),
    "jsonl": lambda place: write_lines(place / "a.jsonl"),
    "broken lines": lambda place: write_broken_lines(place / "a.jsonl"),
    "spreadsheet csv": lambda place: write_like_a_spreadsheet(place / "a.csv"),
    "lines in json": lambda place: write_lines(place / "a.json"),
    "matbench": lambda place: write_split(place / "matbench_tiny.json.gz"),
    "split": lambda place: write_split(place / "a.json"),
    "jarvis": lambda place: write_json(place / "a.json", rows(as_jarvis, "atoms")),
    "optimade": lambda place: write_optimade(place / "a.json"),
    "structures in json": lambda place: write_json(place / "a.json", as_dict(TINY.crystals[3])),
    "packed": lambda place: write_packed(place / "a"),
    "embedded": lambda place: EMBEDDED,
    "another's format": lambda place: write_toys(place / "a"),
    "several": lambda place: write_several(place / "a"),
}


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a piece be of seven rows, and know the made-up format."""
    for module, name in (
        (tables, "_ROWS"),
        (folder, "_ROWS"),
        (pieces, "FILES"),
        (pieces, "FRAMES"),
    ):
        monkeypatch.setattr(module, name, 7)
    monkeypatch.setattr(packed, "_AT_ONCE", 7)
    monkeypatch.setattr(pieces, "LARGE", 100)
    monkeypatch.setattr(FORMATS, "_entries", dict(FORMATS._entries))
    monkeypatch.setattr(FORMATS, "_by_suffix", dict(FORMATS._by_suffix))
    FORMATS.add("toy", TOY)


def tell(crystals: object) -> list[tuple]:
    """Crystals as plain values."""
    return [
        (
            one.id,
            one.atomic_numbers.tolist(),
            one.lattice.tolist(),
            one.fractional_positions.tolist(),
        )
        for one in crystals
    ]


def values(frame: pd.DataFrame) -> dict[str, list]:
    """Columns as plain values: whole numbers as floats, None for what is missing."""
    return {
        str(name): [
            None
            if cell is None or cell is pd.NA or cell != cell
            else cell
            if isinstance(cell, (str, bool, np.bool_, list, dict))
            else float(cell)
            for cell in frame[name]
        ]
        for name in frame.columns
    }


def joined(tables_: list[pd.DataFrame]) -> dict[str, list]:
    frames = [table for table in tables_ if len(table)]
    return values(pd.concat([frame.astype(object) for frame in frames], ignore_index=True))


@pytest.fixture(params=KINDS)
def given(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Given:
    """A source of each kind, with something broken in it."""
    if request.param == "embedded":
        monkeypatch.setattr(packed, "_AT_ONCE", 900)
    return KINDS[request.param](tmp_path)


def read(given: Given) -> tuple[Dataset, list[Rejected]]:
    rejected: list[Rejected] = []
    return read_dataset(given, rejected=rejected), rejected


def test_read_and_iterate_are_the_same(given: Given) -> None:
    dataset, rejected = read(given)
    found = list(open_source(given).pieces())
    assert [piece.number for piece in found] == list(range(len(found)))
    assert tell(dataset.crystals) == [row for piece in found for row in tell(piece.crystals)]
    assert rejected == [row for piece in found for row in piece.rejected]
    assert values(dataset.columns) == joined([piece.columns for piece in found])
    assert all(target == dataset.targets[name] for name, target in found[0].targets.items())


def test_read_and_screen_are_the_same(given: Given) -> None:
    if isinstance(given, list):
        source = read_candidates(given[-1])
        given = given[-1]
    else:
        source = read_candidates(given)
    dataset, rejected = read(given)
    made = [chunk.make() for _, chunk in source.chunks(())]
    ids = [str(id) for one in made for id in one.crystals.ids]
    assert [id.partition("#")[0] for id in ids] == [id.partition("#")[0] for id in dataset.ids]
    assert rejected == [row for one in made for row in one.rejected]
    theirs = joined([one.columns for one in made])
    ours = values(dataset.columns.rename(columns=lambda name: str(name).replace(" ", "_")))
    assert theirs == ours


def test_what_is_done_is_skipped(given: Given) -> None:
    whole = list(open_source(given).pieces())
    skip = {piece.number for piece in whole if piece.number % 2 == 0}
    rest = list(open_source(given).pieces(skip))
    assert [piece.number for piece in rest] == [n for n in range(len(whole)) if n not in skip]
    for piece in rest:
        same: Piece = whole[piece.number]
        assert tell(piece.crystals) == tell(same.crystals)
        assert piece.rejected == same.rejected
        assert values(piece.columns) == values(same.columns)
    chunks = read_candidates(given[-1] if isinstance(given, list) else given).chunks(skip)
    assert not {number for number, _ in chunks} & skip


def test_a_source_is_opened_again_by_its_paths(given: Given) -> None:
    dataset, _ = read(given)
    again, _ = read(list(dataset.paths) if len(dataset.paths) > 1 else dataset.paths[0])
    assert (again.checksum, again.ids.tolist()) == (dataset.checksum, dataset.ids.tolist())
    assert open_source(given).identity() == open_source(given).identity()
    assert json.dumps(open_source(given).identity())


def test_ids_do_not_depend_on_the_door(tmp_path: Path) -> None:
    ids = read_dataset(write_late_repeat(tmp_path / "a.csv"), rejected=[]).ids.tolist()
    assert ids == [str(row) for row in range(20) if row != BAD]
    frame = pd.read_csv(tmp_path / "a.csv")
    frame["name"] = [f"n{row}" for row in range(20)]
    frame.to_csv(tmp_path / "b.csv", index=False)
    found = [id for piece in open_source(tmp_path / "b.csv").pieces() for id in piece.crystals.ids]
    assert found == [f"n{row}" for row in range(20) if row != BAD]


def test_a_column_that_changes_its_kind_is_refused_in_pieces(tmp_path: Path) -> None:
    frame = pd.read_csv(write_csv(tmp_path / "a.csv"))
    frame["energy [eV]"] = frame["energy [eV]"].astype(object)
    frame.loc[18, "energy [eV]"] = "unknown"
    frame.to_csv(tmp_path / "a.csv", index=False)
    found = list(open_source(tmp_path / "a.csv").pieces())
    assert found[0].columns["energy"].dtype == np.float64
    with pytest.raises(
        BadDataset, match=r"'energy': not every cell is a number.*id 'm18' 'unknown'"
    ):
        _ = found[2].columns


def test_finished_files_are_not_opened_again(tmp_path: Path, monkeypatch) -> None:
    place = write_files(tmp_path / "a")
    opened: list[str] = []
    reads = pieces.read_file

    def note(path, *arguments):
        opened.append(Path(path).name)
        return reads(path, *arguments)

    monkeypatch.setattr(pieces, "read_file", note)
    rest = list(open_source(place).pieces(skip={0, 1}))
    assert [piece.number for piece in rest] == [2]
    assert len(opened) == 6


def test_finished_rows_are_not_parsed_again(tmp_path: Path, monkeypatch) -> None:
    table = write_csv(tmp_path / "a.csv")
    parsed: list[int] = []
    reads = tables._read_structure
    monkeypatch.setattr(tables, "_read_structure", lambda cell: parsed.append(1) or reads(cell))
    list(open_source(table).pieces(skip={1}))
    assert len(parsed) == 13


def test_one_cif_is_read_without_pandas(tmp_path: Path) -> None:
    write_crystal(TINY.crystals[0], tmp_path / "a.cif")
    code = (
        "import sys; from xtalgraph.data.source import open_source\n"
        f"piece, = open_source({str(tmp_path / 'a.cif')!r}).pieces()\n"
        "assert len(piece.crystals) == 1\n"
        "assert not {'pandas', 'pyarrow', 'ijson'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
