"""Files, folders and globs; and what is written can be read again."""

import contextlib
import gzip
import os
import re
import shutil
import threading
import time
import warnings

import numpy as np
import pytest
from hypothesis import example, given, settings, strategies as st

from tests.structures.compare import assert_same
from tests.zoo import ZOO, random_packing
from xtalgraph.errors import BadCrystal, UnknownName
from xtalgraph.structures import (
    format_cif,
    lattice_from_parameters,
    read_crystal,
    read_crystals,
    write_crystal,
)
from xtalgraph.structures.formats import FORMATS
from xtalgraph.structures.reading import find_files, read_bytes

NAMES = {"cif": "a.cif", "poscar": "a.vasp", "extxyz": "a.xyz", "json": "a.json"}


@pytest.mark.parametrize("format", NAMES)
@pytest.mark.parametrize(
    "name", ["Fe", "TiO2", "SrTiO3 outside the cell", "triclinic", "Cu very skewed"]
)
def test_what_is_written_is_read_again(tmp_path, format, name):
    for path in (tmp_path / NAMES[format], tmp_path / f"{NAMES[format]}.gz"):
        write_crystal(ZOO[name], path)
        crystal = read_crystal(path)
        assert crystal.id == "a"
        assert_same(crystal, ZOO[name].to_pymatgen(), 1e-8)
        assert_same(read_crystal(path, format=format, id="b"), ZOO[name].to_pymatgen(), 1e-8)
    packed = (tmp_path / f"{NAMES[format]}.gz").read_bytes()
    assert gzip.decompress(packed) == (tmp_path / NAMES[format]).read_bytes()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), format=st.sampled_from(sorted(NAMES)))
def test_random_crystals_survive_every_format(seed, format):
    random = np.random.default_rng(seed)
    lattice = lattice_from_parameters(*random.uniform(4, 9, 3), *random.uniform(80, 100, 3))
    symbols = random.choice(["H", "C", "O", "Pb", "U"], size=random.integers(1, 8)).tolist()
    crystal = random_packing(lattice, symbols, 0.9, seed, "a b")
    assert_same(read_crystal(FORMATS[format].write(crystal)), crystal.to_pymatgen(), 1e-8)


def test_the_writers_keep_order_and_name():
    crystal = ZOO["triclinic"]
    again = read_crystal(format_cif(crystal))
    assert again.id == "triclinic"
    assert again.symbols == crystal.symbols
    assert read_crystal(format_cif(ZOO["SrTiO3 2x2x2"])).id == "SrTiO3_2x2x2"


def test_an_unknown_format_is_answered_with_the_nearest(tmp_path):
    with pytest.raises(UnknownName, match=r"unknown structure format 'cfi'. Did you mean 'cif'"):
        write_crystal(ZOO["Fe"], tmp_path / "a", format="cfi")
    with pytest.raises(UnknownName, match="Did you mean 'poscar'"):
        read_crystal(tmp_path / "a", format="poscars")
    with pytest.raises(BadCrystal, match=r"the name does not say the format.*format= one of cif"):
        write_crystal(ZOO["Fe"], tmp_path / "a.txt")


@pytest.fixture
def folder(tmp_path):
    for name in ("b.cif", "a.CIF", "c.vasp", "POSCAR", "CONTCAR.relaxed", "d.xyz.gz", "e.json"):
        write_crystal(ZOO["SrTiO3"], tmp_path / name)
    (tmp_path / "id_prop.csv").write_text("a,1\n")
    (tmp_path / "atom_init.json").write_text('{"1": [0, 1]}')
    return tmp_path


def test_a_folder_gives_its_structure_files_in_order(folder):
    store = read_crystals(folder)
    assert list(store.ids) == ["CONTCAR.relaxed", "POSCAR", "a", "b", "c", "d", "e"]
    assert {crystal.reduced_formula for crystal in store} == {"SrTiO3"}


def test_globs_lists_and_texts_are_read(folder):
    assert list(read_crystals(str(folder / "*.[cC][iI][fF]")).ids) == ["a", "b"]
    sources = [folder / "b.cif", str(folder / "c.vasp"), format_cif(ZOO["Fe"])]
    assert list(read_crystals(sources).ids) == ["b", "c", "Fe"]
    assert len(read_crystals([])) == 0


def test_files_of_one_name_are_told_apart_by_their_folder(folder):
    for name in ("one", "two"):
        (folder / name).mkdir()
        shutil.copy(folder / "POSCAR", folder / name / "POSCAR")
    store = read_crystals(str(folder / "*" / "POSCAR"))
    assert list(store.ids) == ["one/POSCAR", "two/POSCAR"]


def test_a_format_is_found_from_the_content(folder):
    for name in ("b.cif", "c.vasp", "e.json"):
        shutil.copy(folder / name, folder / "unknown.dat")
        assert read_crystal(folder / "unknown.dat").n_atoms == 5
    (folder / "unknown.dat").write_text("one\ntwo\n")
    with pytest.raises(BadCrystal, match=r"unknown.dat: its format is not recognised.*one of cif"):
        read_crystal(folder / "unknown.dat")


BROKEN = {
    "empty.cif": (b" \n", "the file is empty"),
    "binary.cif": (b"data_\x00\x01", "the file is binary"),
    "wide.cif": ("data_a\n".encode("utf-16"), "binary, or text in UTF-16"),
    "broken.cif.gz": (b"\x1f\x8b\x08broken", "broken gzip"),
    "words.cif": (b"hello", "it is no CIF"),
    "overlap.vasp": (
        b"x\n1.0\n3 0 0\n0 3 0\n0 0 3\nFe\n2\nDirect\n0 0 0\n0 0 0.05\n",
        r"site 0: Fe and site 1 \(Fe\) are 0.150 Å apart",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_refused_with_their_name(tmp_path, name):
    content, reason = BROKEN[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(
        BadCrystal, match=rf"crystal '{name.split('.')[0]}', file .*{name}.*{reason}"
    ):
        read_crystal(path)


def test_missing_files_folders_and_patterns_are_said(tmp_path):
    with pytest.raises(BadCrystal, match=r"file .*no.cif: it cannot be opened \(No such file"):
        read_crystal(tmp_path / "no.cif")
    with pytest.raises(BadCrystal, match=r"cannot be opened \(Is a directory"):
        read_crystal(tmp_path)
    with pytest.raises(BadCrystal, match=r"the folder has no structure files.*'folder/\*\*/"):
        read_crystals(tmp_path)
    with pytest.raises(BadCrystal, match=r"\*.cif: no file matches"):
        read_crystals(str(tmp_path / "*.cif"))


def test_bad_files_among_good_ones_are_collected(folder):
    (folder / "bad.cif").write_text("hello")
    (folder / "worse.cif").write_text("")
    with pytest.raises(BadCrystal, match=r"(?s)2 of 9 crystals cannot.*bad: .*worse: .*rejected="):
        read_crystals(folder)
    rejected = []
    assert len(read_crystals(folder, rejected=rejected)) == 7
    assert [row.id for row in rejected] == ["bad", "worse"]
    assert "bad.cif" in rejected[0].reason
    rejected = []
    assert len(read_crystals([folder / "no.cif"], rejected=rejected)) == 0
    assert [row.id for row in rejected] == ["no"]


def test_latin_text_and_byte_order_marks_are_read(tmp_path):
    text = format_cif(ZOO["Fe"])
    (tmp_path / "a.cif").write_bytes(b"\xef\xbb\xbf" + text.encode())
    (tmp_path / "b.cif").write_bytes("# Müller\n".encode("latin-1") + text.encode())
    (tmp_path / "c.cif").write_bytes(text.replace("\n", "\r\n").encode())
    assert [crystal.formula for crystal in read_crystals(tmp_path)] == ["Fe"] * 3


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(sorted(NAMES)),
    start=st.integers(0, 2000),
    length=st.integers(1, 30),
    middle=st.text("0-1.?'\"\n _#;,xX9eN", max_size=6),
)
@example(name="extxyz", start=163, length=1, middle="e")  # a position beyond all numbers
def test_damaged_text_is_read_or_refused_and_nothing_else(name, start, length, middle):
    text = FORMATS[name].write(ZOO["TiO2"])
    damaged = text[: start % len(text)] + middle + text[start % len(text) + length :] + "\n"
    with contextlib.suppress(BadCrystal), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        assert read_crystal(damaged, format=name).n_atoms >= 1


@pytest.mark.parametrize("size", [1, (1 << 15) - 1, 1 << 15, (1 << 15) + 1, 300_000])
def test_the_whole_of_a_file_is_read_whatever_its_size(tmp_path, size: int) -> None:
    content = np.random.default_rng(0).bytes(size)
    (tmp_path / "file").write_bytes(content)
    assert read_bytes(tmp_path / "file") == content
    assert read_bytes(str(tmp_path / "file")) == content != content[:-1]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a device of Unix")
def test_a_pipe_that_gives_little_at_a_time_is_read_to_its_end(tmp_path) -> None:
    pipe = tmp_path / "slow.cif"
    os.mkfifo(pipe)
    text = format_cif(ZOO["NaCl"])

    def write() -> None:
        with open(pipe, "w") as file:
            for line in text.splitlines(keepends=True):
                file.write(line)
                file.flush()
                time.sleep(0.001)

    writer = threading.Thread(target=write)
    writer.start()
    crystal = read_crystal(pipe)
    writer.join()
    assert format_cif(crystal) == text.replace("data_NaCl", "data_slow")


def test_files_of_a_folder_are_named_as_files_that_are_given(tmp_path) -> None:
    for name in ("a.cif", "b.v2.CIF", ".cif", "POSCAR", "c.cif.gz"):
        crystal = ZOO["NaCl"]
        data = FORMATS.find(name).write(crystal).encode()
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    (tmp_path / "atom_init.json").write_text("{}")
    folder = read_crystals(tmp_path)
    files = read_crystals(find_files(tmp_path))
    assert folder.ids.tolist() == files.ids.tolist()
    assert set(folder.ids.tolist()) >= {"a", "b.v2", "POSCAR", "c"}
    (tmp_path / "d.cif").write_text("data_d\n")
    with pytest.raises(BadCrystal, match=re.escape(str(tmp_path / "d.cif"))):
        read_crystals(tmp_path)
