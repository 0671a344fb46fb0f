"""Folders as people have them: any table name, ids that nearly fit, files in no row, subfolders."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.zoo import ZOO
from xtalgraph.cli.app import run
from xtalgraph.data import open_source, read_dataset
from xtalgraph.data.folder import match_files
from xtalgraph.data.text_rows import Dialect, find_dialect, iterate_rows
from xtalgraph.errors import BadDataset, MissingExtra, Rejected, UnknownName
from xtalgraph.structures import format_cif
from xtalgraph.training import read_run_dataset

ROW = '"[3,3,3,90,90,90]","[""Fe""]","[0,0,0]"'


def write_files(folder: Path, names: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f"{name}.cif").write_text(format_cif(ZOO["Cu"]))
    return folder


def test_one_table_of_any_name_has_the_labels(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "mine", ["a", "b"])
    (folder / "labels.csv").write_text("name;gap (eV)\na;1,5\nb;2,5\n")
    (folder / "labels.csv.rejected.csv").write_text("id,reason\na,x\n")
    (folder / "notes.csv").write_text("who,what\nme,this\n")
    dataset = read_dataset(folder)
    assert dataset.name == "mine"
    assert dataset.values(["gap"])[:, 0].tolist() == [1.5, 2.5]
    assert dataset.targets["gap"].unit == "eV"
    assert dataset.remarks == (f"{folder}: labels are those of labels.csv.",)
    (folder / "more.csv").write_text("a,1\nb,2\n")
    dataset = read_dataset(folder)
    assert dataset.ids.tolist() == ["a", "b"]
    with pytest.raises(BadDataset, match=r"several tables name its files: labels.csv, more.csv"):
        dataset.values(["gap"])
    for place in folder.glob("*.cif"):
        place.unlink()
    (folder / "more.csv").unlink()
    (folder / "notes.csv").unlink()
    (folder / "labels.csv").write_text(f"id,lattice,species,frac,gap\na,{ROW},1\n")
    assert read_dataset(folder).values(["gap"]).tolist() == [[1.0]]


def test_files_in_no_row_are_counted(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "mine", ["a", "b", "c"])
    (folder / "id_prop.csv").write_text("a,1\n")
    assert open_source(folder).remarks == (
        f"{folder / 'id_prop.csv'}: 2 structure files are in no row and not read: b.cif, c.cif.",
    )
    (folder / "id_prop.csv").write_text("a,1\nb,2\nc,3\n")
    assert open_source(folder).remarks == ()


def test_a_folder_tells_of_its_subfolders(tmp_path: Path, capsys) -> None:
    write_files(tmp_path / "all" / "deep" / "er", ["a", "b"])
    with pytest.raises(BadDataset, match=r"there are 2 structure files. To read all .*\*\*/\*.cif"):
        open_source(tmp_path / "all")
    write_files(tmp_path / "all", ["top"])
    assert run(["predict", "formation-energy", str(tmp_path / "all")]) == 0
    printed = capsys.readouterr()
    assert "2 structure files in its subfolders are not read. To read all below it, name " in (
        " ".join(printed.err.split())
    )
    assert len(read_dataset(f"{tmp_path / 'all'}/**/*.cif")) == 3


@pytest.mark.parametrize(
    ("id", "file"),
    [("MP-1", "mp-1"), ("mp-1.CIF", "mp-1"), ("7", "007"), ("x7-2", "x07-002"), (" a ", "a")],
)
def test_an_id_that_nearly_fits_is_told_and_taken_where_asked(
    tmp_path: Path, id: str, file: str
) -> None:
    folder = write_files(tmp_path / "mine", [file, "good"])
    (folder / "id_prop.csv").write_text(f"id,y\ngood,1\n{id},2\n")
    rejected: list[Rejected] = []
    if id.strip() != file:
        assert read_dataset(folder, rejected=rejected).ids.tolist() == ["good"]
        assert rejected[0].reason.endswith(f"(near is {file}.cif: --match loose takes it)")
    dataset = read_dataset(folder, match="loose")
    assert dataset.ids.tolist() == ["good", id.strip()]
    (folder / "id_prop.csv").write_text(f"{id},2\n")
    if id.strip() != file:
        with pytest.raises(BadDataset, match=r"any of its 1 ids.*--match loose takes it"):
            read_dataset(folder)


def test_a_file_is_taken_by_one_row_alone() -> None:
    files = {"007": "007.cif", "A": "A.cif", "a": "a.cif"}
    found, missing = match_files(["7", "007"], files, "loose")
    assert found == {"007": "007.cif"}
    assert "007.cif, which is not this row's alone" in missing["7"]
    assert match_files(["07", "7"], files, "loose")[0] == {}
    assert match_files(["a.cif"], {"A": "A.cif", "a": "a.cif"}, "loose")[0] == {}
    assert match_files(["other"], files, "loose")[1] == {"other": ""}
    with pytest.raises(UnknownName, match="unknown match 'losse'"):
        open_source("x", match="losse")


def test_a_run_remembers_how_ids_were_matched(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "mine", [f"A{row}" for row in range(10)])
    (folder / "id_prop.csv").write_text("\n".join(f"a{row},{row}" for row in range(10)))
    words = ["--set", "model.atom_width=4", "--set", "model.n_convolutions=1", "--epochs", "1"]
    out = tmp_path / "run"
    command = ["train", str(folder), "--target", "target", "--out", str(out), *words]
    assert run(command) == 1
    assert run([*command, "--match", "loose"]) == 0
    assert read_run_dataset(out).ids.tolist() == [f"a{row}" for row in range(10)]


SHEET = """<?xml version="1.0"?><worksheet
xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{rows}</sheetData>
</worksheet>"""
BOOK = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/'
    'content-types"><Default Extension="xml" ContentType="application/xml"/><Default '
    'Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-'
    'officedocument.spreadsheetml.sheet.main+xml"/></Types>',
    "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/'
    'relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/'
    '2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/'
    'main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>'
    '<sheet name="data" sheetId="1" r:id="r1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/'
    'package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/'
    'officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/>'
    "</Relationships>",
}


def write_xlsx(path: Path, rows: list[list]) -> Path:
    """A workbook of texts, numbers, truths and errors (written as tuples)."""
    xml = ""
    for row in rows:
        xml += "<row>"
        for cell in row:
            if isinstance(cell, bool):
                xml += f'<c t="b"><v>{int(cell)}</v></c>'
            elif isinstance(cell, tuple):
                xml += f'<c t="e"><v>{cell[0]}</v></c>'
            elif isinstance(cell, str):
                xml += f'<c t="inlineStr"><is><t>{cell}</t></is></c>'
            else:
                xml += f"<c><v>{cell}</v></c>"
        xml += "</row>"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {
            **BOOK,
            "xl/worksheets/sheet1.xml": SHEET.format(rows=xml),
        }.items():
            archive.writestr(name, content)
    return path


def write_ods(path: Path, rows: list[list]) -> Path:
    xml = ""
    for row in rows:
        xml += "<table:table-row>"
        for cell in row:
            if isinstance(cell, float):
                xml += (
                    f'<table:table-cell office:value-type="float" office:value="{cell}">'
                    f"<text:p>{cell}</text:p></table:table-cell>"
                )
            else:
                xml += (
                    f'<table:table-cell office:value-type="string"><text:p>{cell}</text:p>'
                    "</table:table-cell>"
                )
        xml += "</table:table-row>"
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text")
    )
    content = (
        f"<office:document-content {spaces}><office:body><office:spreadsheet>"
        f'<table:table table:name="data">{xml}</table:table></office:spreadsheet></office:body>'
        "</office:document-content>"
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        archive.writestr("content.xml", content)
    return path


def test_spreadsheets_are_tables_of_texts(tmp_path: Path) -> None:
    lattice, species, frac = "[3,3,3,90,90,90]", '["Fe"]', "[0,0,0]"
    structure = [lattice, species, frac]
    head = ["id", "gap (eV)", "metal", "lattice", "species", "frac"]
    rows = [["007", 1.5, True, *structure], ["8", ("#N/A",), False, *structure]]
    dataset = read_dataset(write_xlsx(tmp_path / "a.xlsx", [head, *rows]))
    assert dataset.ids.tolist() == ["007", "8"]
    assert np.array_equal(dataset.values(["gap"])[:, 0], [1.5, np.nan], equal_nan=True)
    assert dataset.labels("metal").tolist() == ["true", "false"]
    assert dataset.crystals[0].formula == "Fe"
    folder = write_files(tmp_path / "mine", ["7", "8"])
    write_ods(folder / "labels.ods", [["id", "gap"], [7.0, 1.5], [8.0, "n.a."]])
    (folder / "broken.xlsx").write_bytes(b"no")
    dataset = read_dataset(folder)
    assert "broken.xlsx: the spreadsheet cannot be read" in dataset.remarks[1]
    assert dataset.ids.tolist() == ["7", "8"]
    assert np.isnan(dataset.values(["gap"])[1, 0])


def test_spreadsheets_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"no")
    with pytest.raises(BadDataset, match="the spreadsheet cannot be read"):
        read_dataset(tmp_path / "a.xlsx")
    write_xlsx(tmp_path / "b.xlsx", [["id", "cif"]])
    monkeypatch.setattr("xtalgraph.data.text_rows._LARGEST_SHEET", 100)
    with pytest.raises(BadDataset, match=r"unpacked it has .* bytes, more than 100"):
        read_dataset(tmp_path / "b.xlsx")
    monkeypatch.setitem(__import__("sys").modules, "python_calamine", None)
    with pytest.raises(MissingExtra, match=r"xtalgraph\[tables\]"):
        read_dataset(tmp_path / "b.xlsx")


@pytest.mark.parametrize(
    ("content", "dialect"),
    [
        ("id;gap\na;1,5\nb;2\n", Dialect(";", ",")),
        ("id;gap\na;1.5\nb;2\n", Dialect(";", ".")),
        ("id\tgap\na\t1,5\n", Dialect("\t", ",")),
        ("sep=;\nid;gap\na;1,5\n", Dialect(";", ",", 1)),
        ("id,gap\na,1.5\n", Dialect()),
        ("id;gap\na;1,234\n", Dialect(";", ".")),
        ('id,"a;b"\nx,1\n', Dialect()),
        ("a;1,5\nb;2,5\n", Dialect(";", ",")),
        ("a\nb\n", Dialect()),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_separators_and_encodings_are_told(
    tmp_path: Path, content: str, dialect: Dialect, encoding: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content.replace("\n", "\r\n").encode(encoding))
    assert find_dialect(path) == dialect
    rows = [row for _, row in iterate_rows(path)]
    lines = content.splitlines()[dialect.n_skipped :]
    assert [len(row) for row in rows] == [len(rows[0])] * len(lines)


def test_latin_1_is_read_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("id,by\nx,Müller\n".encode("latin-1") + "y,Œuvre\n".encode("cp1252"))
    assert [row[1] for _, row in iterate_rows(path)] == ["by", "Müller", "Œuvre"]
    path.write_bytes("id,by\nx,Müller\ny,Å\n".encode())
    assert [row[1] for _, row in iterate_rows(path)] == ["by", "Müller", "Å"]


def test_blank_columns_and_rows_at_the_end_are_left_out(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "mine", ["a", "b"])
    (folder / "id_prop.csv").write_text("a,1,,,\nb,2,,,,,\n,,,\n\n")
    dataset = read_dataset(folder)
    assert dataset.values(["target"])[:, 0].tolist() == [1.0, 2.0]
    path = tmp_path / "a.csv"
    path.write_text(f"id,y,lattice,species,frac,,\na,1,{ROW},,\nb,2,{ROW},,,\n,,,,,,\n")
    assert list(read_dataset(path).table) == ["y"]
    path.write_text(f"id,y,lattice,species,frac\na,1,{ROW},surplus\n")
    with pytest.raises(BadDataset, match="6 cells in line 2, expected 5"):
        read_dataset(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04\0\0", "it is not text, though its name says so"),
        (b"\xff\xfe\0", "it is not text in UTF-8 or UTF-16"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(BadDataset, match=message):
        read_dataset(tmp_path / "a.csv")


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xtalgraph.data.files._LONGEST", 1000)
    (tmp_path / "a.csv").write_text("x" * 2000)
    with pytest.raises(BadDataset, match="a line has more than 1,000 letters"):
        read_dataset(tmp_path / "a.csv")
