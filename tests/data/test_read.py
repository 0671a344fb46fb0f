"""Reading: every kind of source gives the same crystals, and every refusal says what to do."""

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.zoo import ZOO
from xtalgraph.data import Dataset, join_datasets, read_dataset
from xtalgraph.data.files import checksum_files
from xtalgraph.data.json_rows import iterate_records
from xtalgraph.errors import BadDataset, Rejected, UnknownName
from xtalgraph.structures import Crystal, format_cif, read_crystal

NAMES = ["CsCl", "Al2O3", "Cu"]
LABELS = [1.5, None, -2.0]


def parameters_of(crystal: Crystal) -> list[float]:
    lattice = crystal.to_pymatgen().lattice
    return [*lattice.abc, *lattice.angles]


def columns_of(form: str) -> dict[str, list]:
    """Three crystals of the zoo as columns of a table."""
    crystals = [ZOO[name] for name in NAMES]
    if form == "cif":
        return {"cif": [format_cif(crystal) for crystal in crystals]}
    if form == "dict":
        return {"structure": [crystal.to_pymatgen().as_dict() for crystal in crystals]}
    nested = form == "nested"
    positions = [crystal.fractional_positions for crystal in crystals]
    return {
        "lattice": [c.lattice.tolist() if nested else parameters_of(c) for c in crystals],
        "species": [crystal.symbols for crystal in crystals],
        "frac": [(p if nested else p.ravel()).tolist() for p in positions],
    }


def write_table(path: Path, form: str) -> Path:
    """A table of the three crystals with ids, a target with a unit, a class and a truth."""
    plain = {"id": ["007", "a", "b"], "gap [eV]": LABELS, "kind": ["salt", "", "metal"]}
    plain["metal"] = [False, False, True]
    columns = plain | columns_of(form)
    name = path.name.removesuffix(".gz")
    if name.endswith(".parquet"):
        pq.write_table(pa.table(columns), path)
        return path
    if name.endswith(".jsonl"):
        text = pd.DataFrame(columns).to_json(orient="records", lines=True)
    elif name.endswith(".json"):
        rows = zip(*columns.values(), strict=True)
        text = json.dumps([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        cells = {
            name: [json.dumps(c) if isinstance(c, (list, dict)) else c for c in column]
            for name, column in columns.items()
        }
        text = pd.DataFrame(cells).to_csv(index=False)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def assert_same(dataset: Dataset, tolerance: float = 1e-5) -> None:
    """The data set holds the three crystals, up to their orientation in space."""
    for crystal, name in zip(dataset.crystals, NAMES, strict=True):
        expected = ZOO[name]
        order = np.lexsort(np.round(crystal.fractional_positions % 1.0, 4).T)
        other = np.lexsort(np.round(expected.fractional_positions % 1.0, 4).T)
        assert crystal.atomic_numbers[order].tolist() == expected.atomic_numbers[other].tolist()
        apart = crystal.fractional_positions[order] - expected.fractional_positions[other]
        assert np.abs(apart - np.round(apart)).max() < tolerance
        metric, wanted = (one.lattice @ one.lattice.T for one in (crystal, expected))
        assert np.abs(metric - wanted).max() < tolerance * np.abs(wanted).max()


FILES = ["data.csv", "data.csv.gz", "data.jsonl", "data.jsonl.gz", "data.json", "data.parquet"]


FORMS = ["cif", "flat", "nested", "dict"]
ALL = [(file, form) for file in FILES for form in FORMS]
ALL.remove(("data.parquet", "dict"))  # dicts do not go into parquet as they are


@pytest.mark.parametrize(("file", "form"), ALL)
def test_a_table_gives_the_same_whatever_its_form(tmp_path: Path, file: str, form: str) -> None:
    dataset = read_dataset(write_table(tmp_path / file, form))
    assert_same(dataset)
    assert dataset.name == "data"
    assert dataset.ids.tolist() == ["007", "a", "b"]
    assert list(dataset.columns.columns) == ["gap", "kind", "metal"]
    assert dataset.targets["gap"].unit == "eV"
    assert list(dataset.targets) == ["gap"]
    assert np.array_equal(dataset.values(["gap"])[:, 0], [1.5, np.nan, -2.0], equal_nan=True)
    assert dataset.labels("kind").tolist() == ["salt", None, "metal"]
    assert dataset.labels("metal").tolist() == ["false", "false", "true"]
    assert len(dataset.checksum) == 64


def test_matbench_json(tmp_path: Path) -> None:
    rows = [
        [structure, label]
        for structure, label in zip(columns_of("dict")["structure"], LABELS, strict=True)
    ]
    table = {"index": [0, 1, 2], "columns": ["structure", "gap pbe"], "data": rows}
    path = tmp_path / "matbench_mp_gap.json.gz"
    with gzip.open(path, "wt") as file:
        json.dump(table, file)
    dataset = read_dataset(path)
    assert_same(dataset)
    assert dataset.ids.tolist() == ["mb-mp-gap-1", "mb-mp-gap-2", "mb-mp-gap-3"]
    assert list(dataset.columns.columns) == ["gap pbe"]
    other = tmp_path / "mine.json"
    other.write_text(json.dumps(table | {"index": ["x", "y", "z"]}))
    assert read_dataset(other).ids.tolist() == ["x", "y", "z"]


@pytest.mark.parametrize("form", ["nested", "dict"])
def test_json_in_small_pieces(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: str) -> None:
    path = write_table(tmp_path / "data.json", form)
    monkeypatch.setattr("xtalgraph.data.json_rows._HEAD", 7)
    monkeypatch.setattr("xtalgraph.data.tables._ROWS", 2)
    assert_same(read_dataset(path))
    path.write_text(json.dumps([{"a": 1, "b": 2.5, "c": [1e3, "x"]}] * 2))
    rows = list(iterate_records(path, "records"))
    assert rows == [{"a": 1, "b": 2.5, "c": [1000.0, "x"]}] * 2
    assert [type(value) for value in rows[0].values()] == [int, float, list]


def write_folder(folder: Path, table: str) -> Path:
    folder.mkdir(exist_ok=True)
    for id, name in zip(["007", "a", "b"], NAMES, strict=True):
        (folder / f"{id}.cif").write_text(format_cif(ZOO[name]))
    (folder / "atom_init.json").write_text("{}")
    (folder / "id_prop.csv").write_text(table)
    return folder


@pytest.mark.parametrize(
    ("table", "names"),
    [
        ("007,1.5\na,\nb,-2\n", ["target"]),
        ("\ufeffid,gap [eV]\r\n007,1.5\r\na,\r\nb,-2\r\n", ["gap"]),
        ("007, 1.5, 1\na, , 0\nb, -2, 1", ["target_1", "target_2"]),
        ("crystal,gap,density\n007,1.5,3\na,nan,4\nb,-2,5", ["gap", "density"]),
        ("gap,id\n1.5,007\n,a\n-2,b", ["gap"]),
    ],
)
def test_the_layout_of_2018(tmp_path: Path, table: str, names: list[str]) -> None:
    dataset = read_dataset(write_folder(tmp_path / "mine", table))
    assert_same(dataset)
    assert dataset.name == "mine"
    assert dataset.ids.tolist() == ["007", "a", "b"]
    assert list(dataset.targets) == names
    assert np.array_equal(dataset.values(names[:1])[:, 0], [1.5, np.nan, -2.0], equal_nan=True)


def test_other_formats_and_classes_in_the_layout_of_2018(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "mine", "007,salt\nmp-1.5,metal\nb,metal\n")
    (folder / "a.cif").unlink()
    ZOO["Al2O3"].to_pymatgen().to(str(folder / "mp-1.5.vasp"), fmt="poscar")
    dataset = read_dataset(folder)
    assert_same(dataset)
    assert dataset.labels("target").tolist() == ["salt", "metal", "metal"]


def test_a_second_table_beside_the_structures(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "mine", "007,1\na,2\nb,3\n")
    (folder / "band_gap.csv").write_text("b,0.5\n")
    dataset = read_dataset(folder / "band_gap.csv")
    assert dataset.ids.tolist() == ["b"]
    assert dataset.targets["band_gap"].unit == "eV"


def test_missing_and_broken_files_are_collected(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "mine", "007,1\nghost,2\na,3\nb,4\n")
    (folder / "a.cif").write_text("data_a\n_cell_length_a 1\n")
    with pytest.raises(BadDataset, match=r"2 of 4 crystals cannot be read") as caught:
        read_dataset(folder)
    assert "ghost: no structure file ghost.cif" in str(caught.value)
    assert "a: a.cif: " in str(caught.value)
    rejected: list[Rejected] = []
    dataset = read_dataset(folder, rejected=rejected)
    assert [one.id for one in rejected] == ["ghost", "a"]
    assert dataset.ids.tolist() == ["007", "b"]
    assert dataset.values(["target"])[:, 0].tolist() == [1.0, 4.0]


def test_structures_without_targets(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "mine", "")
    (folder / "id_prop.csv").unlink()
    (folder / "notes.json").write_text('{"who": "me"}')
    for source in (folder, str(folder / "*.cif")):
        dataset = read_dataset(source)
        assert_same(dataset)
        assert dataset.ids.tolist() == ["007", "a", "b"]
        assert not dataset.targets
    one = read_dataset(folder / "a.cif")
    assert one.ids.tolist() == ["a"]
    (folder / "a.json").write_text(json.dumps(ZOO["Cu"].to_pymatgen().as_dict()))
    assert read_dataset(folder / "a.json").crystals[0].formula == ZOO["Cu"].formula
    rejected: list[Rejected] = []
    (folder / "broken.cif").write_text("data_x\n")
    assert len(read_dataset(folder, rejected=rejected)) == 3
    assert rejected[0].id == "broken"


def test_several_sources_stand_one_after_another(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "mine", "007,1\na,2\nb,3\n")
    table = write_table(tmp_path / "data.csv", "flat")
    dataset = read_dataset([folder, table])
    assert dataset.ids.tolist() == ["007", "a", "b"] * 2
    assert dataset.name == "mine+data"
    values = dataset.values(["target", "gap"])
    assert np.isnan(values).tolist() == [[False, True]] * 3 + [
        [True, False],
        [True, True],
        [True, False],
    ]
    shutil.copy(table, tmp_path / "more.csv")
    assert len(read_dataset(str(tmp_path / "*.csv"))) == 6
    (tmp_path / "more.csv").write_text(table.read_text().replace("gap [eV]", "gap [Ha]"))
    with pytest.raises(BadDataset, match=r"'gap \[Ha\]', but the data set before it has 'gap \[eV"):
        read_dataset([table, tmp_path / "more.csv"])
    with pytest.raises(BadDataset, match="an empty list"):
        join_datasets([])


def test_the_checksum_is_that_of_the_files(tmp_path: Path) -> None:
    import hashlib

    table = write_table(tmp_path / "data.csv", "flat")
    assert read_dataset(table).checksum == hashlib.sha256(table.read_bytes()).hexdigest()
    folder = write_folder(tmp_path / "mine", "007,1\na,2\nb,3\n")
    before = read_dataset(folder).checksum
    files = [folder / "id_prop.csv", *(folder / f"{id}.cif" for id in ("b", "007", "a"))]
    assert before == checksum_files(files) != checksum_files(files[:-1])
    moved = write_folder(tmp_path / "moved", "007,1\na,2\nb,3\n")
    assert read_dataset(moved).checksum == before
    (moved / "a.cif").write_text((moved / "a.cif").read_text() + "\n")
    assert read_dataset(moved).checksum != before


def test_crystals_come_in_the_order_of_the_table_not_of_the_files(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "mine", "b,1\n007,2\na,3\n")
    dataset = read_dataset(folder)
    assert dataset.ids.tolist() == ["b", "007", "a"] == dataset.crystals.ids.tolist()
    for crystal in dataset.crystals:
        again = read_crystal(folder / f"{crystal.id}.cif")
        assert crystal.lattice.tolist() == again.lattice.tolist()


ROW = '"[3,3,3,90,90,90]","[""Fe""]","[0,0,0]"'


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('"[3,3,3,90,90]","[""Fe""]","[0,0,0]"', "lattice has 5 numbers"),
        ('"[3,3,3,90,90,90]","[]","[]"', "it has no atoms"),
        ('"[3,3,3,90,90,90]","[""Fe"",""Q""]","[0,0,0,0.5,0.5,0.5]"', "site 1: 'Q' is not an"),
        ('"[3,3,3,90,90,90]","[""Fe""]","[0,0,NaN]"', "not a finite number"),
        ('"[3,3,3,120,120,120]","[""Fe""]","[0,0,0]"', "the cell has no volume"),
        ('"[3,-3,3,90,90,90]","[""Fe""]","[0,0,0]"', "the cell has no volume"),
        ('"[3,3,3,90,90,90]","[""Fe""]","[[0,0]]"', "positions of shape"),
        ('"[3,3,3,90,90,90]","Fe","[0,0,0]"', "are not lists"),
        ('"","[""Fe""]","[0,0,0]"', "lattice must be a list"),
        ('"[3,3,3,90,90,90]","[""Fe"",""O""]","[0,0,0,0.01,0,0]"', "apart, nearer than 0.5 Å"),
        ('"[3,3,3,90,90,90]","[""Fe"",""O""]","[0,0,0,0.99,1,0]"', "apart, nearer than 0.5 Å"),
        ('"[0.4,9,9,90,90,90]","[""Fe""]","[0,0,0]"', "its own periodic image"),
    ],
)
def test_a_bad_row_is_reported_with_its_id(tmp_path: Path, row: str, reason: str) -> None:
    path = tmp_path / "data.csv"
    path.write_text(f"id,lattice,species,frac,y\ngood,{ROW},1\nbad,{row},2\nfine,{ROW},3\n")
    rejected: list[Rejected] = []
    dataset = read_dataset(path, rejected=rejected)
    assert dataset.ids.tolist() == ["good", "fine"]
    assert dataset.values(["y"])[:, 0].tolist() == [1, 3]
    assert [one.id for one in rejected] == ["bad"]
    assert reason in rejected[0].reason
    with pytest.raises(BadDataset, match="1 of 3 crystals cannot be read"):
        read_dataset(path)


def test_bad_rows_of_parquet(tmp_path: Path) -> None:
    cell = [3.0, 3.0, 3.0, 90.0, 90.0, 90.0]
    columns = {
        "material_id": ["good", "none", "null", "irregular", "last"],
        "lattice": pa.array([cell, None, cell, cell, cell]),
        "species": pa.array([[26], [26], None, [26, 8], [8]]),
        "frac": pa.array([[[0.0] * 3], [[0.0] * 3], [[0.0] * 3], [[0.0] * 2] * 3, [[0.5] * 3]]),
    }
    pq.write_table(pa.table(columns), tmp_path / "data.parquet")
    rejected: list[Rejected] = []
    dataset = read_dataset(tmp_path / "data.parquet", rejected=rejected)
    assert dataset.ids.tolist() == ["good", "last"]
    assert dataset.crystals.atomic_numbers.tolist() == [26, 8]
    assert dataset.crystals.fractional_positions.tolist() == [[0.0] * 3, [0.5] * 3]
    assert [one.id for one in rejected] == ["none", "null", "irregular"]


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("", "no structure in this row"),
        ("a.cif", "'a.cif' is not the text of a structure"),
        ('"{""a"": 1}"', "no periodic structure"),
        ('"data_x\n_cell_length_a 3"', ""),
    ],
)
def test_a_bad_cell_of_text(tmp_path: Path, cell: str, reason: str) -> None:
    path = tmp_path / "data.csv"
    good = '"' + format_cif(ZOO["Cu"]).replace('"', '""') + '"'
    path.write_text(f"id,cif\ngood,{good}\nbad,{cell}\n")
    rejected: list[Rejected] = []
    assert read_dataset(path, rejected=rejected).ids.tolist() == ["good"]
    assert rejected[0].id == "bad"
    assert reason in rejected[0].reason


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.csv", "", "it cannot be read"),
        ("x.csv", "id,y\na,1\n", "no structure file for any of its 1 ids, as a.cif in"),
        ("x.csv", f"id,lattice,species,frac\n,{ROW}\n", "no id in 1 rows, first in row 0"),
        ("x.csv", "id,lattice,species,frac\n", "the table has no rows"),
        ("x.csv", f"y,y [eV],lattice,species,frac\n1,2,{ROW}\n", "two columns are called 'y'"),
        ("x.csv", 'id,cif\na,"b\n', "it cannot be read"),
        ("x.jsonl", '{"id": 1}\n{"id": 2}\n', "no structures in the columns id"),
        ("x.jsonl", '{"id": 1, "cif": "a"}\n[1]\n', "line 2: a row is list"),
        ("x.json", '[{"id": 1', "broken JSON"),
        ("x.json", '{"data": [[1]], "columns": ["a"]}', "columns come after the data"),
        ("x.json", '{"columns": ["a", "b"], "data": [[1]]}', "row 0 does not fit the 2 columns"),
        ("x.json.gz", "not gzip", "cannot be read"),
        ("x.parquet", "PAR?", "it cannot be read"),
        ("id_prop.csv", "id,y\n", "a header and no rows"),
        ("id_prop.csv", "id,y,y\na,1,1\n", "two columns have one name"),
        ("id_prop.csv", "a,1\nb,1,2\n", "it cannot be read"),
        ("id_prop.csv", "a,1\nb,2\n", "no structure file for any of its 2 ids"),
    ],
)
def test_a_source_that_is_none(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BadDataset, match=message):
        read_dataset(tmp_path / name)


def test_a_folder_or_path_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match="no such file or folder"):
        read_dataset(tmp_path / "nowhere")
    with pytest.raises(BadDataset, match="no file matches"):
        read_dataset(str(tmp_path / "*.cif"))
    (tmp_path / "data.parquet").touch()
    (tmp_path / "more.csv").touch()
    with pytest.raises(BadDataset, match=r"It has tables: data.parquet, more.csv; name one"):
        read_dataset(tmp_path)
    (tmp_path / "id_prop.csv").write_text("a,1\n")
    (tmp_path / "a.cif").write_text("data_a")
    with pytest.raises(BadDataset, match="none of its 1 crystals can be read"):
        read_dataset(tmp_path, rejected=[])


def test_columns_that_hold_no_numbers(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    rows = [f"x{row},{ROW},{value}" for row, value in enumerate(["1", "2", "3", "4.5 eV", "inf"])]
    path.write_text("id,lattice,species,frac,y\n" + "\n".join(rows))
    dataset = read_dataset(path)
    with pytest.raises(
        BadDataset, match=r"1 of 5 cells are no numbers: row 3 \(id 'x3'\) '4.5 eV'"
    ):
        dataset.values(["y"])
    with pytest.raises(UnknownName, match="unknown column 'z'"):
        dataset.values(["z"])
    path.write_text(path.read_text().replace("4.5 eV", "4.5"))
    with pytest.raises(BadDataset, match="'y' is infinite for 1 crystals, first 'x4'"):
        read_dataset(path).values(["y"])
    with pytest.raises(BadDataset, match=r"has the value 4.5 \(id 'x3'\), which is no class"):
        read_dataset(path).labels("y")


def test_kinds_of_columns(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    header = "formula,code,count,gap,truth,empty,lattice,species,frac"
    path.write_text(
        f"{header}\nNa,0123,1,NaN,TRUE,,{ROW}\nNaN3,0456,2,1e-3,,,{ROW}\nNa,0789,3,.5,False,,{ROW}"
    )
    dataset = read_dataset(path)
    assert dataset.ids.tolist() == ["0123", "0456", "0789"]  # the first texts that all differ
    assert dataset.columns["formula"].tolist() == ["Na", "NaN3", "Na"]
    assert dataset.columns["code"].tolist() == ["0123", "0456", "0789"]
    assert dataset.columns["count"].dtype == np.int64
    assert dataset.labels("count").tolist() == ["1", "2", "3"]
    assert dataset.labels("truth").tolist() == ["true", None, "false"]
    assert set(dataset.targets) == {"count", "gap", "empty"}
    assert np.isnan(dataset.values(["empty"])).all()


def test_ids_are_row_numbers_without_a_column(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text(f",y,lattice,species,frac\n0,1,{ROW}\n1,2,{ROW}\n")
    dataset = read_dataset(path)
    assert dataset.ids.tolist() == ["0", "1"]
    assert list(dataset.columns.columns) == ["y"]


def test_a_dataset_needs_a_row_for_each_crystal(tmp_path: Path) -> None:
    dataset = read_dataset(write_table(tmp_path / "data.csv", "flat"))
    with pytest.raises(BadDataset, match="2 rows of columns for 3 crystals"):
        Dataset("x", dataset.crystals, dataset.columns.iloc[:2], {}, "x", "")
    taken = dataset.take([2, 0])
    assert taken.ids.tolist() == ["b", "007"]
    assert taken.values(["gap"])[:, 0].tolist() == [-2.0, 1.5]


def test_a_bad_source_among_several_does_not_take_the_others_with_it(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.cif").write_text(format_cif(ZOO["Cu"]))
    (tmp_path / "bad.cif").write_text("data_bad")
    (tmp_path / "bad.csv").write_bytes(b"id,y\n\0\0\0\0")
    sources = [tmp_path / name for name in ("a.cif", "bad.cif", "gone.cif", "bad.csv", "b.cif")]
    rejected: list[Rejected] = []
    assert read_dataset(sources, rejected=rejected).ids.tolist() == ["a", "b"]
    assert [Path(row.id).stem for row in rejected] == ["bad", "gone", "bad"]
    reasons = ("it has no atoms", "no such file or folder", "it is not text, though")
    assert all(reason in row.reason for reason, row in zip(reasons, rejected, strict=True))
    with pytest.raises(BadDataset, match=r"(?s)3 crystals or files cannot be read.*--skip-bad"):
        read_dataset(sources)
    with pytest.raises(BadDataset, match=r"(?s)nothing of what was named.*no such file"):
        read_dataset(sources[1:4], rejected=[])


def test_structure_files_of_a_list_are_read_as_one_source(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "same.cif").write_text(format_cif(ZOO["Cu"]))
    dataset = read_dataset(sorted(tmp_path.glob("*/*.cif")))
    assert dataset.ids.tolist() == ["a/same", "b/same"]
    assert dataset.name == "structures"
