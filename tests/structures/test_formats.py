"""POSCAR, extended xyz and pymatgen's JSON: read as their own programs read them, or refused."""

import json

import ase.io
import numpy as np
import pytest
from pymatgen.core import Composition, Lattice, Structure
from pymatgen.io.vasp import Poscar

from tests.structures.compare import assert_same
from tests.zoo import ZOO
from xtalgraph.errors import BadCrystal
from xtalgraph.structures import Crystal, read_crystal, read_crystals

HEAD = "rutile\n1.0\n4.594 0 0\n0 4.594 0\n0 0 2.959\n"
ATOMS = "0 0 0\n0.5 0.5 0.5\n0.305 0.305 0\n0.695 0.695 0\n0.805 0.195 0.5\n0.195 0.805 0.5\n"
CARTESIAN = (
    "0 0 0\n2.297 2.297 1.4795\n1.40117 1.40117 0\n3.19283 3.19283 0\n"
    "3.69817 0.89583 1.4795\n0.89583 3.69817 1.4795\n"
)
BODY = "Ti O\n2 4\n"
FLAGS = ATOMS.replace("\n", " T T F\n")
POSCARS = {
    "version 5": HEAD + BODY + "Direct\n" + ATOMS,
    "Cartesian": HEAD + BODY + "Cartesian\n" + CARTESIAN,
    "k for Cartesian": HEAD + BODY + "kartesisch\n" + CARTESIAN,
    "selective dynamics": HEAD + BODY + "Selective dynamics\nDirect\n" + FLAGS,
    "element after each atom": HEAD + BODY + "Direct\n" + ATOMS.replace("\n", " X1\n"),
    "potential names": HEAD + "Ti_pv O_s\n2 4\nDirect\n" + ATOMS,
    "hashes": HEAD + "Ti/1b1e O/5a5\n2 4\nDirect\n" + ATOMS,
    "comment after counts": HEAD + "Ti O\n2 4 ! atoms\ndirect\n" + ATOMS,
    "split elements": HEAD + "Ti O O\n2 3 1\nDirect\n" + ATOMS,
    "velocities": HEAD + BODY + "Direct\n" + ATOMS + "\n" + ATOMS,
    "scale": HEAD.replace("1.0", "2.0").replace("4.594", "2.297").replace("2.959", "1.4795")
    + BODY + "Direct\n" + ATOMS,
    "scaled Cartesian": HEAD.replace("1.0", "0.5").replace("4.594", "9.188").replace(
        "2.959", "5.918") + BODY + "Cartesian\n" + "\n".join(
        " ".join(str(2 * float(word)) for word in line.split()) for line in CARTESIAN.splitlines()
    ) + "\n",
    "volume": HEAD.replace("1.0", f"-{4.594 * 4.594 * 2.959}").replace("4.594", "1").replace(
        "2.959", str(2.959 / 4.594)) + BODY + "Direct\n" + ATOMS,
    "three scales": HEAD.replace("1.0", "4.594 4.594 2.959").replace("\n4.594 0", "\n1 0").replace(
        " 4.594 0\n", " 1 0\n").replace("0 2.959", "0 1") + BODY + "Direct\n" + ATOMS,
    "Fortran exponents": HEAD.replace("4.594", "0.4594D+01") + BODY + "Direct\n" + ATOMS,
    "version 4, elements in the comment": HEAD.replace("rutile", "Ti O") + "2 4\nDirect\n" + ATOMS,
    "version 4, formula in the comment": HEAD.replace("rutile", "Ti2O4") + "2 4\nDirect\n" + ATOMS,
    "version 4, elements after the atoms": HEAD + "2 4\nDirect\n"
    + ATOMS.replace("\n", " Ti\n", 2).replace("\n", " O\n").replace("Ti O", "Ti"),
}  # fmt: skip


@pytest.mark.parametrize("name", POSCARS)
def test_poscars_are_rutile_in_all_dialects(name):
    assert_same(read_crystal(POSCARS[name], format="poscar"), ZOO["TiO2"].to_pymatgen(), 1e-4)
    assert_same(read_crystal(POSCARS[name]), ZOO["TiO2"].to_pymatgen(), 1e-4)


@pytest.mark.parametrize(
    "name", ["version 5", "Cartesian", "selective dynamics", "scale", "volume"]
)
def test_poscars_are_as_pymatgen_reads_them(name):
    assert_same(read_crystal(POSCARS[name]), Poscar.from_str(POSCARS[name]).structure, 1e-6)


BAD_POSCARS = {
    "short": (HEAD, "the POSCAR has only 5 lines"),
    "lattice": (HEAD.replace("0 0 2.959", "0 0") + BODY + "Direct\n" + ATOMS, "lattice cannot be"),
    "scale word": (HEAD.replace("1.0", "one") + BODY + "Direct\n" + ATOMS, "the scale is 'one'"),
    "scale zero": (HEAD.replace("1.0", "0") + BODY + "Direct\n" + ATOMS, "the scale is '0'"),
    "no volume": (HEAD.replace("1.0", "-9").replace("2.959", "0") + BODY + "D\n" + ATOMS, "no vol"),
    "counts": (HEAD + "Ti O\na b\nDirect\n" + ATOMS, "numbers of atoms cannot be read"),
    "cut off": (HEAD + BODY + "Direct\n" + ATOMS[:50], r"announces 6 atoms and lists \d"),
    "words": (HEAD + BODY + "Direct\n" + ATOMS.replace("0.305", "a", 1), "site 2: the position 'a"),
    "no elements": (HEAD + "2 4\nDirect\n" + ATOMS, r"2 numbers of atoms, and the elements \["),
    "unknown": (HEAD + "Ti Q\n2 4\nDirect\n" + ATOMS, "'Q' is not an element"),
}


@pytest.mark.parametrize("name", BAD_POSCARS)
def test_bad_poscars_are_refused(name):
    text, reason = BAD_POSCARS[name]
    with pytest.raises(BadCrystal, match=reason):
        read_crystal(text, format="poscar", id="bad")


FRAME = '1\nLattice="3 0 0 0 3 0 0 0 4" Properties=species:S:1:pos:R:3 pbc="T T T"\nFe 0 0 2\n'
SEVERAL_COLUMNS = (
    "2\nProperties=id:I:1:pos:R:3:forces:R:3:Z:I:1 energy=-1.5 Lattice='3 0 0 1 3 0 0 0 4'\n"
    "1 0 0 0 9 9 9 26\n2 1.5 1.5 2 9 9 9 8\n"
)


def test_extended_xyz_is_as_ase_reads_it(tmp_path):
    for name in ("TiO2", "triclinic", "SrTiO3 very skewed", "SrTiO3 outside the cell"):
        path = tmp_path / f"{name}.xyz"
        atoms = ZOO[name].to_ase()
        atoms.arrays["magmoms"] = np.ones(len(atoms))
        ase.io.write(path, atoms, format="extxyz")
        crystal = read_crystal(path)
        np.testing.assert_allclose(crystal.lattice, ZOO[name].lattice, atol=1e-7)
        assert_same(crystal, ZOO[name].to_pymatgen(), 1e-6)


def test_extended_xyz_columns_are_found_by_name():
    crystal = read_crystal(SEVERAL_COLUMNS)
    assert crystal.symbols == ["Fe", "O"]
    np.testing.assert_allclose(crystal.lattice[1], [1, 3, 0])
    np.testing.assert_allclose(crystal.cartesian_positions[1], [1.5, 1.5, 2])


def test_frames_are_crystals_of_their_own(tmp_path):
    path = tmp_path / "run.extxyz"
    path.write_text(FRAME + "\n" + FRAME.replace("Fe", "Co"))
    store = read_crystals(path)
    assert [(c.id, c.formula) for c in store] == [("run#0", "Fe"), ("run#1", "Co")]


BAD_FRAMES = {
    "molecule": ("1\nwater\nO 0 0 0\n", "has 0 numbers in Lattice, expected 9.*needs a box"),
    "pbc F F F": (FRAME.replace("T T T", "F F F"), r"not periodic in any direction \(pbc F F F\)"),
    "cut off": (FRAME.replace("1\n", "3\n", 1), "line 1 is '3', and 1 lines of atoms follow"),
    "count": ("many\n" + FRAME, "line 1 is 'many'"),
    "columns": (FRAME.replace("pos:R:3", "force:R:3"), "has no species or no positions"),
    "words": (FRAME.replace("0 0 2", "0 0"), "a line of atoms or the lattice cannot be read"),
    "element": (FRAME.replace("Fe", "Q"), "'Q' is not an element"),
    "flat": (FRAME.replace("0 0 4", "0 0 0"), "the cell has no volume"),
    "nothing": ("\n\n", "there is no frame in it"),
}


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_bad_frames_are_refused(name):
    text, reason = BAD_FRAMES[name]
    with pytest.raises(BadCrystal, match=reason):
        read_crystal(text, format="extxyz", id="bad")


def rutile():
    return ZOO["TiO2"].to_pymatgen()


def test_pymatgen_dicts_are_read_without_pymatgen():
    charged = rutile()
    charged.add_oxidation_state_by_element({"Ti": 4, "O": -2})
    for structure in (rutile(), charged):
        content = structure.as_dict()
        for source in (content, json.dumps(content), json.dumps([content])):
            assert_same(read_crystal(source), structure, 1e-9)
    content = rutile().as_dict(verbosity=0)
    del content["lattice"]["matrix"]
    content["lattice"] |= dict(zip("abc", rutile().lattice.abc, strict=True))
    content["lattice"] |= dict.fromkeys(("alpha", "beta", "gamma"), 90.0)
    assert_same(read_crystal(content, id="x"), rutile(), 1e-9)


def test_lists_and_lines_of_dicts_are_several_crystals(tmp_path):
    contents = [rutile().as_dict(), ZOO["Fe"].to_pymatgen().as_dict()]
    (tmp_path / "list.json").write_text(json.dumps(contents))
    (tmp_path / "lines.jsonl").write_text("\n".join(map(json.dumps, contents)))
    store = read_crystals([tmp_path / "list.json", tmp_path / "lines.jsonl"])
    assert list(store.ids) == ["list#0", "list#1", "lines#0", "lines#1"]
    assert [crystal.n_atoms for crystal in store] == [6, 1, 6, 1]


def disordered():
    return Structure(Lattice.cubic(4), [Composition("Na0.5K0.5"), "Cl"], [[0, 0, 0], [0.5] * 3])


BAD_DICTS = {
    "broken": ("{'a': 1", r"the JSON cannot be read \(.*line 1"),
    "empty list": ("[]", "the JSON holds no structure"),
    "molecule": ('{"@class": "Molecule", "sites": []}', "no periodic structure .*Molecule"),
    "numbers": ("[1, 2]", "no periodic structure .*it is a number"),
    "slab": (
        json.dumps(rutile().as_dict()).replace("[true, true, true]", "[false, false, false]"),
        r"not periodic in any direction \(pbc F F F\)",
    ),
    "disorder": (json.dumps(disordered().as_dict()), "site 0: the site holds Na 0.5, K 0.5: part"),
    "no position": (
        json.dumps(rutile().as_dict(verbosity=0)).replace('"abc"', '"a"'),
        r"the dict of the structure is incomplete: positions \(abc\) cannot be read",
    ),
    "vacancy": (
        json.dumps(rutile().as_dict()).replace('"element": "Ti"', '"element": "X"'),
        "site 0: 'X' is not an element",
    ),
}


@pytest.mark.parametrize("name", BAD_DICTS)
def test_bad_dicts_are_refused(name):
    text, reason = BAD_DICTS[name]
    with pytest.raises(BadCrystal, match=reason):
        read_crystal(text, format="json", id="bad")


def test_nothing_but_the_lattice_is_needed_of_a_dict():
    content = {"lattice": {"matrix": np.eye(3).tolist()}, "sites": []}
    with pytest.raises(BadCrystal, match=r"no atoms|positions of shape"):
        read_crystal(content)
    content["sites"] = [{"species": [{"element": "Po"}], "abc": [0, 0, 0]}]
    assert isinstance(read_crystal(content), Crystal)
