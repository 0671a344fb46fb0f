"""CIFs that say too little, too much or two things at once, and what must become of each."""

from tests.structures.hard_cifs import (
    COLUMNS,
    CUBIC,
    P1,
    SALT,
    formula,
    listed,
    named,
    operations_of,
    write_cif,
)

HEXAGONAL = (3.25, 3.25, 5.2, 90, 90, 120)
ORTHOGONAL = (6.0, 7.0, 9.0, 90, 90, 90)
LABELS = (COLUMNS[0], *COLUMNS[2:5])
FE = ["Fe1 Fe 0.11 0.23 0.37 1"]
ZINCITE = ["Zn Zn 0.3333 0.6667 0 1", "O O 0.3333 0.6667 0.382 1"]


def labelled(*rows, extra=""):
    return write_cif((9, 9, 9, 90, 90, 90), rows, P1, columns=LABELS, extra=extra)


def salt(symmetry="", extra="", cell=CUBIC):
    return write_cif(cell, SALT, symmetry, extra=extra)


def magnetic(operations, centrings, operation_tag, centring_tag):
    lines = ["loop_", operation_tag, *operations, "loop_", centring_tag, *centrings]
    return "\n".join(lines)


MAGNETIC = (
    ("'x,y,z,+1'", "'-x,-y,-z,+1'"),
    ("'x,y,z,+1'", "'x+1/2,y+1/2,z,+1'", "'x,y+1/2,z+1/2,-1'", "'x+1/2,y,z+1/2,-1'"),
)
DOTTED = write_cif(CUBIC, SALT, "_space_group.name_H-M_alt 'F m -3 m'")

READ: dict[str, tuple[str, str]] = {
    "labels in capitals": (
        labelled("NA1 0 0 0", "CL1 0.5 0.5 0.5", extra=formula("Na Cl")),
        "NaCl",
    ),
    "hydrogens by their bond": (
        labelled("C1 0 0 0", "HC1 0.12 0 0", "HO1 0 0.2 0", "O1 0 0.11 0", extra=formula("C H2 O")),
        "H2CO",
    ),
    "tungsten by the formula": (labelled("W1 0 0 0", "O1 0.2 0 0", extra=formula("W O")), "WO"),
    "isotope of boron": (write_cif(CUBIC, ["B1 11B 0 0 0 1"], P1), "B1"),
    "hydrogen and deuterium share a site": (
        write_cif(CUBIC, ["Li Li 0 0 0 1", "H H .5 .5 .5 .3", "D D -.5 .5 .5 .7"], P1),
        "LiH",
    ),
    "occupancy 0.999": (write_cif(CUBIC, ["Na Na 0 0 0 0.999"], P1), "Na"),
    "tags of DDLm": (
        DOTTED.replace("_cell_", "_cell.").replace("_atom_site_", "_atom_site."),
        "Na4Cl4",
    ),
    "a name of DDLm": (DOTTED, "Na4Cl4"),
    "operations with blanks and without quotes": (
        write_cif(ORTHOGONAL, FE, listed("x, y, z", "-x, -y, -z").replace("'", "")),
        "Fe2",
    ),
    "operations with two digits": (
        write_cif(HEXAGONAL, FE, listed("x,y,z", "-y,x-y,z+0.33", "y-x,-x,z+0.67")),
        "Fe3",
    ),
    "magnetic operations of 2013": (
        salt(
            magnetic(
                *MAGNETIC,
                "_space_group_symop.magn_operation_xyz",
                "_space_group_symop.magn_centering_xyz",
            )
        ),
        "Na4Cl4",
    ),
    "magnetic operations of 2016": (
        salt(
            magnetic(
                *MAGNETIC,
                "_space_group_symop_magn_operation.xyz",
                "_space_group_symop_magn_centering.xyz",
            )
        ),
        "Na4Cl4",
    ),
    "a list of operations twice": (
        salt(
            operations_of("F m -3 m")
            + "\n"
            + operations_of("F m -3 m").replace(
                "_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz"
            )
        ),
        "Na4Cl4",
    ),
    "no modulation": (salt(P1, "_cell_modulation_dimension 0"), "NaCl"),
    "formula of the whole cell": (salt(named("F m -3 m"), formula("Na4 Cl4", 4)), "Na4Cl4"),
}
"""Files that are read; labels without a formula and shared sites may be read with a warning."""

WARNED: dict[str, tuple[str, str, str]] = {
    "nothing said of symmetry": (salt(), "NaCl", "read as P1, because the file says nothing of"),
    "a name beside the identity": (
        salt(P1 + "\n" + named("F m -3 m")),
        "NaCl",
        "1 listed operations are not those of .*F m -3",
    ),
    "a list without its centring": (
        salt(operations_of("P m -3 m") + "\n" + named("F m -3 m")),
        "NaCl",
        "not those of|lack the",
    ),
    "other formula units": (salt(P1, formula("Na Cl", 4)), "NaCl", "4 formula units of Na Cl, its"),
    "hydrogens missing in P1": (salt(P1, formula("Na Cl H2")), "NaCl", "atoms may be missing"),
    "another volume": (salt(P1, "_cell_volume 358.8"), "NaCl", "_cell_volume says 358.8"),
    "lengths in pm": (
        salt(P1, cell=(564, 564, 564, 90, 90, 90)),
        "NaCl",
        "lengths are in Å, not pm",
    ),
    "calcium or carbon": (labelled("CA1 0 0 0", "O1 0.3 0 0"), "CaO", "CA1 is read as Ca"),
    "oxygen of water": (labelled("Ca1 0 0 0", "OW1 0.3 0 0"), "CaO", "hydrogens of water may be"),
    "tungsten or water": (labelled("Ca1 0 0 0", "W1 0.3 0 0"), "CaW", "it may be the oxygen of w"),
    "iron of two charges": (
        write_cif(CUBIC, ["A Fe2+ 0 0 0 0.5", "B Fe3+ 0 0 0 0.5"], P1),
        "Fe",
        "A and B share one",
    ),
    "full within its uncertainty": (
        write_cif(CUBIC, ["Na Na 0 0 0 0.991(12)"], P1),
        "Na",
        r"0.991\(12\) of Na is read as 1",
    ),
    "all atoms under full symmetry": (
        write_cif(CUBIC, [*SALT, "Na2 Na 0.5 0.5 0 1"], named("F m -3 m")),
        "Na4Cl4",
        "Na2 stand in the file and are made by its symmetry",
    ),
    "a cell of its system": (
        salt(P1)
        .replace("_cell_length_b 5.64\n", "")
        .replace("_cell_length_c 5.64\n", "_symmetry_cell_setting cubic\n"),
        "NaCl",
        "completed as cubic",
    ),
}
"""Files that are read with a warning, which says what was guessed or does not fit."""

REFUSED: dict[str, tuple[str, str]] = {
    "a tetrahedral site": (labelled("T1 0 0 0"), "label 'T1' does not say one element"),
    "water as one site": (labelled("H2O1 0 0 0"), "label 'H2O1' does not"),
    "carbonate or cobalt": (labelled("CO3 0 0 0"), "label 'CO3' does not"),
    "rare earth": (labelled("RE 0 0 0"), "label 'RE' does not"),
    "hydrogen or holmium": (labelled("HO1 0 0 0"), "label 'HO1' does not"),
    "two elements in a label": (labelled("Nb,Zr 0 0 0"), "label 'Nb,Zr' does not"),
    "two elements in a symbol": (
        write_cif(CUBIC, ["T1 Nb0.8Zr0.2 0 0 0 1"], P1),
        "'Nb0.8Zr0.2' is not an element",
    ),
    "a symbol with a share": (write_cif(CUBIC, ["M '0.75Si+0.25Al' 0 0 0 1"], P1), "not an elem"),
    "an old name": (write_cif(CUBIC, ["A Uuo 0 0 0 1"], P1), "'Uuo' is not an element"),
    "water in a symbol": (write_cif(CUBIC, ["O1 OW 0 0 0 1"], P1), "'OW' is not an element"),
    "only a crystal system": (salt("_symmetry_cell_setting cubic"), "it says only cubic"),
    "an unknown setting with a number": (
        write_cif(ORTHOGONAL, FE, named("F -4 d 2") + "\n_symmetry_Int_Tables_number 122"),
        "space group 'F -4 d 2' is not known",
    ),
    "a symbol of Hall against the name": (
        salt("_space_group_name_Hall 'P 1'\n" + named("F m -3 m")),
        "contradicts space group",
    ),
    "two lists": (
        salt(P1 + "\n" + listed("x,y,z", "-x,-y,-z", tag="_space_group_symop_operation_xyz")),
        "two lists of symmetry operations that differ",
    ),
    "superspace by name": (
        salt("_space_group_ssg_name 'P n m a(0b0)00s'"),
        "described in superspace",
    ),
    "superspace operations": (
        salt("loop_\n_space_group_symop_magn_ssg_operation.algebraic\nx1,x2,x3,x4,+1"),
        "superspace",
    ),
    "a magnetic group by number": (salt("_space_group.magn_number_BNS 15.90"), "names a magnetic"),
    "unique axis c by number": (
        write_cif((5.2, 9.4, 5.4, 90, 90, 101.3), FE, "_symmetry_Int_Tables_number 14"),
        "its cell .* does not have the symmetry of space group number 14",
    ),
    "hexagonal with 60 degrees": (
        write_cif((3.25, 3.25, 5.2, 90, 90, 60), ZINCITE, named("P 63 m c")),
        "does not have the sym",
    ),
    "cubic operations of a long cell": (
        salt(operations_of("F m -3 m"), cell=(5.64, 5.64, 6, 90, 90, 90)),
        "does not have the symm",
    ),
    "P1 by silence, with another count": (salt("", formula("Na Cl", 4)), "read as P1.*NaCl where"),
    "the identity under a name, with another count": (
        salt(P1 + "\n" + named("F m -3 m"), formula("Na Cl", 4)),
        "not those of .*4 formula units",
    ),
    "lengths in nm": (
        salt(named("F m -3 m"), cell=(0.564, 0.564, 0.564, 90, 90, 90)),
        "apart.*lengths are in Å",
    ),
    "alternatives without occupancies": (
        write_cif(
            CUBIC, ["Na Na 0 0 0 1 1", "K K 0.3 0 0 1 2"], P1, columns=(*COLUMNS, "disorder_group")
        ),
        r"K: the site is one of several alternatives \(disorder group 2\)",
    ),
    "alternatives by symmetry": (
        write_cif(CUBIC, ["Na Na 0.1 0 0 1 -1"], P1, columns=(*COLUMNS, "disorder_group")),
        "disorder group -1",
    ),
    "negative occupancy": (write_cif(CUBIC, ["Na Na 0 0 0 -0.5"], P1), "has occupancy -0.5"),
    "a coordinate without digits": (
        write_cif(CUBIC, ["Na Na 9.3e18 0 0 1"], P1),
        "a coordinate is beyond 1e6",
    ),
    "thousands of operations": (
        salt(listed(*(f"x+{n}/4000,y,z" for n in range(4000)))),
        "4000 symmetry operations",
    ),
    "a flat cell": (
        salt(P1, cell=(5, 5, 5, 119.9999999, 119.9999999, 119.9999999)),
        "apart|one plane|vector",
    ),
}
"""Files that are refused, and what is said."""
