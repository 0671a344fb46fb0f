"""CIF files: agreement with pymatgen on real and on hard files, and every refusal."""

import re
import warnings

import gemmi
import pytest
from pymatgen.io.cif import CifParser

from tests.structures.compare import assert_same, largest_shift
from tests.structures.hard_cifs import (
    BAD,
    CUBIC,
    EQUAL,
    HARD,
    P1,
    SALT,
    formula,
    named,
    write_cif,
)
from xtalgraph.errors import BadCrystal, CrystalWarning
from xtalgraph.structures import read_crystal, read_crystals
from xtalgraph.structures.formats.cif import read_cif


def read_with_pymatgen(text):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (structure,) = CifParser.from_str(text).parse_structures(primitive=False)
    return structure


def test_every_homework_perovskite_is_as_pymatgen_reads_it(shared_data):
    paths = sorted((shared_data / "cs182_perovskites").glob("*.cif"))
    assert len(paths) == 670
    for path in paths:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CrystalWarning)  # a few say other formula units
            crystal = read_crystal(path)
        assert crystal.id == path.stem
        assert_same(crystal, read_with_pymatgen(path.read_text()))


@pytest.mark.parametrize("name", HARD)
def test_hard_files_are_as_pymatgen_reads_them(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CrystalWarning)  # which tests of their own ask for
        crystal = read_crystal(HARD[name], format="cif")
    assert_same(crystal, read_with_pymatgen(HARD[name]))


@pytest.mark.parametrize("name", EQUAL)
def test_files_that_pymatgen_misreads_are_as_their_plain_twins(name):
    text, twin = EQUAL[name]
    assert_same(read_crystal(text, format="cif"), read_with_pymatgen(twin), tolerance=1e-2)


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_with_reason(name):
    text, reason = BAD[name]
    with pytest.raises(BadCrystal, match=re.compile(reason, re.DOTALL)):
        read_crystal(text, format="cif")


def test_the_comparison_sees_a_moved_atom():
    moved = read_with_pymatgen(HARD["quartz"])
    moved.translate_sites([0], [0.01, 0, 0])
    assert largest_shift(read_crystal(HARD["quartz"]), moved) > 0.01
    with pytest.raises(AssertionError):
        assert_same(read_crystal(HARD["rock salt by name"]), moved)


@pytest.mark.parametrize(
    "group", [group for group in gemmi.spacegroup_table() if group.is_reference_setting()][::7]
)
def test_space_groups_by_name_have_their_multiplicity(group):
    cell = group_cell(group)
    crystal = read_crystal(write_cif(cell, ["Fe Fe 0.06 0.27 0.40 1"], named(group.xhm())))
    assert crystal.n_atoms == len(group.operations())


def group_cell(group):
    """Give a cell that any group of the crystal system can have."""
    if group.crystal_system_str() in ("trigonal", "hexagonal"):
        return (30, 30, 35, 90, 90, 120)
    return (30, 30, 30, 90, 90, 90)


def test_blocks_without_atoms_are_passed_over_and_the_others_named():
    text = "data_global\n_journal x\n" + write_cif(CUBIC, SALT, P1, name="one")
    assert read_crystal(text).id == "one"
    text += write_cif(CUBIC, SALT[:1], P1, name="two")
    assert [crystal.id for crystal in read_cif(text, "file")] == ["file#one", "file#two"]
    with pytest.raises(BadCrystal, match=r"holds 2 crystals: one, two\. Use read_crystals"):
        read_crystal(text)


def test_one_bad_block_does_not_take_the_others_with_it():
    good = write_cif(CUBIC, SALT, P1, name="good")
    text = good + write_cif(CUBIC, ["Na Na 0 0 0 0.5"], P1, name="bad")
    rejected = []
    assert list(read_crystals(text, rejected=rejected).ids) == ["good"]
    assert [row.id for row in rejected] == ["bad"]
    with pytest.raises(BadCrystal, match=r"1 of 2 crystals cannot be read:\n  bad: .*occupancy"):
        read_crystals(text)


def test_missing_atoms_are_warned_of():
    text = write_cif(CUBIC, SALT, named("F m -3 m"), extra=formula("Na1 Cl1 H4 O2"))
    with pytest.warns(UserWarning, match=r"'test'.*make NaCl, its formula says .*may be missing"):
        assert read_crystal(text).n_atoms == 8


def test_a_formula_with_unknowns_is_no_check():
    text = write_cif(CUBIC, SALT, named("F m -3 m"), extra=formula("K(1-x) Br"))
    assert read_crystal(text).reduced_formula == "NaCl"


def test_rounded_thirds_become_exact_in_symmetric_files():
    crystal = read_crystal(HARD["rounded thirds"])
    third = crystal.fractional_positions[0, 0]
    assert min(abs(third - 1 / 3), abs(third - 2 / 3)) < 1e-12


def test_given_numbers_are_kept_in_plain_files():
    crystal = read_crystal(HARD["rounded thirds without symmetry"])
    assert crystal.fractional_positions[0, 0] == 0.3333


def test_tags_twice_in_a_block_are_refused_and_notes_are_not():
    text = write_cif(CUBIC, SALT, P1, extra="_note 1\n_note 2")
    assert read_crystal(text, format="cif").formula == "NaCl"
    without_header = write_cif(CUBIC, SALT, P1).partition("\n")[2]
    for twice in (text + without_header, "data_global\n_x 1\n" + text + without_header):
        with pytest.raises(
            BadCrystal, match=r"_atom_site_fract_x stands more than once.*data_NAME"
        ):
            read_crystal(twice, format="cif")


def test_blocks_of_one_name_are_numbered():
    text = write_cif(CUBIC, SALT, P1, name="same") * 2
    assert [crystal.id for crystal in read_cif(text, "file")] == ["file#0", "file#1"]
