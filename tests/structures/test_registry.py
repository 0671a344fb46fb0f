"""One entry in `FORMATS` makes a format work wherever files are read, written and listed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.zoo import ZOO
from xtalgraph.data import read_dataset
from xtalgraph.errors import BadConfig, BadCrystal, Rejected
from xtalgraph.structures import (
    FORMATS,
    Crystal,
    Format,
    format_cif,
    read_crystal,
    read_crystals,
    write_crystal,
)


def read_toy(text: str, id: str, rejected: list[Rejected] | None) -> list[Crystal]:
    """Read a made-up format: the edge of a cubic cell, and the element at its corner."""
    edge, symbol = text.split()[1:]
    rows = [[float(edge) if row == column else 0.0 for column in range(3)] for row in range(3)]
    return [Crystal.from_symbols(rows, [[0, 0, 0]], [symbol], id)]


TOY = Format(
    "toy",
    read_toy,
    suffixes=(".toy",),
    file_names=("TOYCAR",),
    write=lambda crystal: f"toy {crystal.lattice[0, 0]} {crystal.symbols[0]}\n",
    sniff=lambda text: text.startswith("toy "),
    priority=60,
)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Format:
    """The made-up format, known for one test."""
    monkeypatch.setattr(FORMATS, "_entries", dict(FORMATS._entries))
    monkeypatch.setattr(FORMATS, "_by_suffix", dict(FORMATS._by_suffix))
    return FORMATS.add("toy", TOY)


def test_a_new_format_is_read_and_written_everywhere(toy: Format, tmp_path: Path) -> None:
    folder = tmp_path / "toys"
    folder.mkdir()
    write_crystal(Crystal.from_symbols(4 * np.eye(3), [[0, 0, 0]], ["Po"]), folder / "b.toy.gz")
    (folder / "a.TOY").write_text("toy 3.5 Fe\n")
    (folder / "TOYCAR.last").write_text("toy 4 Po")
    (folder / "unknown").write_text("toy 4 Po\n")
    assert read_crystal(folder / "unknown").formula == "Po"
    assert read_crystal("toy 4 Po\n").formula == "Po"
    assert read_crystals(folder).ids.tolist() == ["TOYCAR.last", "a", "b"]
    assert read_dataset(folder).ids.tolist() == ["TOYCAR.last", "a", "b"]
    assert read_dataset(str(folder / "*.TOY")).ids.tolist() == ["a"]
    assert read_dataset(folder / "a.TOY").crystals[0].formula == "Fe"
    (folder / "id_prop.csv").write_text("b,1\na,2\n")
    dataset = read_dataset(folder)
    assert dataset.ids.tolist() == ["b", "a"]
    assert dataset.values(["target"])[:, 0].tolist() == [1, 2]
    (folder / "a.cif").write_text(format_cif(ZOO["CsCl"]))
    assert read_dataset(folder).crystals[1].formula == "CsCl", "CIF comes before it"


def test_a_reader_that_fails_is_a_rejection_that_names_the_file(
    toy: Format, tmp_path: Path
) -> None:
    (tmp_path / "good.toy").write_text("toy 4 Po\n")
    (tmp_path / "bad.toy").write_text("toy four Po\n")
    rejected: list[Rejected] = []
    assert read_dataset(tmp_path, rejected=rejected).ids.tolist() == ["good"]
    assert [row.id for row in rejected] == ["bad"]
    assert (
        "bad.toy: its content is not what its format has there (ValueError)" in rejected[0].reason
    )


def test_messages_list_what_is_registered(toy: Format, tmp_path: Path) -> None:
    (tmp_path / "x.dat").write_text("one\ntwo\n")
    with pytest.raises(BadCrystal, match=r"\.cif, .*\.toy, TOYCAR"):
        read_crystals(tmp_path)
    with pytest.raises(BadCrystal, match=r"not recognised.*\.toy, TOYCAR.*one of cif, .*toy"):
        read_crystals(tmp_path / "x.dat")
    with pytest.raises(BadCrystal, match=r"the name does not say the format.*toy"):
        write_crystal(ZOO["Cu"], tmp_path / "x.dat")


def test_names_and_suffixes_that_are_taken_are_refused(toy: Format) -> None:
    with pytest.raises(BadConfig, match="there is a structure format 'toy' already"):
        FORMATS.add("toy", Format("toy", read_toy))
    with pytest.raises(BadConfig, match=r"the suffix '.cif' belongs to the structure format 'cif'"):
        FORMATS.add("mine", Format("mine", read_toy, suffixes=(".cif",)))
    assert "mine" not in FORMATS


def test_without_the_entry_the_files_are_none(tmp_path: Path) -> None:
    (tmp_path / "a.toy").write_text("toy 4 Po\n")
    with pytest.raises(BadCrystal, match="no structure files"):
        read_crystals(tmp_path)
