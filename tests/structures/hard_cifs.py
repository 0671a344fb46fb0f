"""CIFs with which readers have trouble, each as the programs of this field write them."""

import gemmi

CUBIC = (5.64, 5.64, 5.64, 90, 90, 90)
HEXAGONAL = (4.76, 4.76, 12.99, 90, 90, 120)
COLUMNS = ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy")


def write_cif(cell, rows, symmetry="", columns=COLUMNS, name="test", extra=""):
    """Give the text of a CIF from its parts; `rows` has one line an atom."""
    tags = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    lines = [f"data_{name}"]
    lines += [f"_cell_{tag} {value}" for tag, value in zip(tags, cell, strict=True)]
    lines += [symmetry, extra, "loop_"] + [f"_atom_site_{column}" for column in columns]
    return "\n".join([line for line in lines if line] + list(rows)) + "\n"


def named(name):
    return f"_symmetry_space_group_name_H-M '{name}'"


def listed(*operations, tag="_symmetry_equiv_pos_as_xyz"):
    return "\n".join(["loop_", tag, *(f"'{operation}'" for operation in operations)])


def formula(text, units=None):
    lines = f"_chemical_formula_sum '{text}'"
    return lines if units is None else f"{lines}\n_cell_formula_units_Z {units}"


P1 = listed("x, y, z")
SALT = ["Na1 Na 0 0 0 1", "Cl1 Cl 0.5 0.5 0.5 1"]
SPINEL_1 = ["Mg Mg 0 0 0 1", "Al Al 0.625 0.625 0.625 1", "O O 0.3863 0.3863 0.3863 1"]
SPINEL_2 = ["Mg Mg 0.125 0.125 0.125 1", "Al Al 0.5 0.5 0.5 1", "O O 0.2613 0.2613 0.2613 1"]
QUARTZ = ["Si Si 0.4697 0 0 1", "O O 0.4133 0.2672 0.1188 1"]
CORUNDUM = ["Al Al 0 0 0.35216 1", "O O 0.30624 0 0.25 1"]
MONOCLINIC = (9.4, 5.4, 5.2, 90, 101.3, 90)
GYPSUM_LIKE = ["Ca Ca 0.5 0.0797 0.25 1", "S S 0 0.0773 0.75 1", "O O 0.0832 0.2722 0.5908 1"]
GENERAL = ["Fe Fe 0.11 0.23 0.37 1", "O O 0.31 0.42 0.05 1"]
ORTHORHOMBIC = (5.38, 7.64, 5.44, 90, 90, 90)
ORTHOFERRITE = ["Ca Ca 0.0359 0.25 0.9930 1", "Ti Ti 0 0 0.5 1", "O1 O 0.4838 0.25 0.0713 1"]
ORTHOFERRITE += ["O2 O 0.2887 0.0373 0.7111 1"]
ANISOTROPIC = """
loop_
_atom_site_aniso_label
_atom_site_aniso_U_11
Na1 0.01
Cl1 0.02
"""

HARD: dict[str, str] = {
    "rock salt by name": write_cif(CUBIC, SALT, named("F m -3 m")),
    "rock salt by name without blanks": write_cif(CUBIC, SALT, named("Fm-3m")),
    "rock salt by number": write_cif(CUBIC, SALT, "_space_group_IT_number 225"),
    "uncertainties": write_cif(
        ("5.64(1)", "5.640(12)", "5.64(1)", "90.0", "90.", "90(0)"),
        ["Na1 Na 0.0 0 0 1.0", "Cl1 Cl 0.5000(3) 0.5 0.5 1.00(2)"],
        named("F m -3 m"),
    ),
    "charges": write_cif(CUBIC, ["Na1 Na1+ 0 0 0 1", "Cl1 Cl1- .5 .5 .5 1"], named("F m -3 m")),
    "deuterium": write_cif(CUBIC, ["Li1 Li+ 0 0 0 1", "D1 D- 0.5 0.5 0.5 1"], P1),
    "no occupancy column": write_cif(
        CUBIC, ["Na1 Na 0 0 0", "Cl1 Cl 0.5 0.5 0.5"], P1, columns=COLUMNS[:5]
    ),
    "no type symbol": write_cif(
        CUBIC, ["Na1 0 0 0 1", "Cl2 0.5 0.5 0.5 1"], P1, columns=(COLUMNS[0], *COLUMNS[2:])
    ),
    "empty site left out": write_cif(CUBIC, [*SALT, "Br1 Br 0.25 0.25 0.25 0"], P1),
    "anisotropic rows elsewhere": write_cif(CUBIC, SALT, named("F m -3 m")) + ANISOTROPIC,
    "no symmetry said": write_cif(CUBIC, SALT),
    "P1 in capitals": write_cif(CUBIC, SALT, listed("X,Y,Z")),
    "outside the cell": write_cif(CUBIC, ["Na Na -0.25 1.5 2 1", "Cl Cl 0.25 -1 0.5 1"], P1),
    "rounded thirds": write_cif(
        HEXAGONAL, ["Zn Zn 0.3333 0.6667 0 1", "O O 0.3333 0.6667 0.382 1"], named("P 63 m c")
    ),
    "rounded thirds, more digits": write_cif(
        HEXAGONAL, ["Zn Zn 0.33333 0.66667 0 1", "O O 0.33333 0.66667 0.382 1"], named("P 63 m c")
    ),
    "rounded thirds without symmetry": write_cif(HEXAGONAL, ["Zn Zn 0.3333 0.6667 0 1"], P1),
    "negative special position": write_cif(
        HEXAGONAL, ["Mo Mo 0.33333 -0.33333 0.25 1"], named("P 63/m m c")
    ),
    "quartz": write_cif((4.916, 4.916, 5.405, 90, 90, 120), QUARTZ, named("P 32 2 1")),
    "corundum, hexagonal": write_cif(HEXAGONAL, CORUNDUM, named("R -3 c")),
    "corundum, hexagonal by number": write_cif(HEXAGONAL, CORUNDUM, "_space_group_IT_number 167"),
    "monoclinic C2/c": write_cif(MONOCLINIC, GYPSUM_LIKE, named("C 1 2/c 1")),
    "monoclinic I2/a": write_cif(MONOCLINIC, GENERAL, named("I 1 2/a 1")),
    "monoclinic P21/n": write_cif(MONOCLINIC, GENERAL, named("P 1 21/n 1")),
    "monoclinic, c unique": write_cif((5.2, 9.4, 5.4, 90, 90, 101.3), GENERAL, named("P 1 1 21/b")),
    "monoclinic, c unique, A centred": write_cif(
        (5.2, 9.4, 5.4, 90, 90, 101.3), GENERAL, named("A 1 1 2/a")
    ),
    "perovskite Pnma": write_cif(ORTHORHOMBIC, ORTHOFERRITE, named("P n m a")),
    "perovskite Pbnm": write_cif(
        (5.38, 5.44, 7.64, 90, 90, 90),
        ["Ca Ca 0.9930 0.0359 0.25 1", "Ti Ti 0.5 0 0 1", "O1 O 0.0713 0.4838 0.25 1"],
        named("P b n m"),
    ),
    "listed operations": write_cif(
        (4.0, 5.0, 6.0, 90, 90, 90),
        GENERAL,
        listed("x,y,z", "-x,-y,-z", tag="_space_group_symop_operation_xyz"),
    ),
    "decimal operations": write_cif(
        (4.0, 5.0, 6.0, 90, 90, 90), GENERAL, listed("x,y,z", "x+0.5,y+0.5,z", "X, Y, Z")
    ),
    "half in front": write_cif(
        (4.0, 5.0, 6.0, 90, 90, 90), GENERAL, listed("+x,+y,+z", "1/2+x,1/2-y,-z")
    ),
    "operations beat the name": write_cif(CUBIC, SALT, P1 + "\n" + named("F m -3 m")),
    "operations gemmi cannot read": write_cif(
        (10.0, 5.0, 6.0, 90, 90, 90),
        ["Fe Fe 0.11 0.23 0.37 1"],
        listed("x,y,z", "x+1/5,y,z", "x+2/5,y,z", "x+3/5,y,z", "x+4/5,y,z"),
    ),
    "half a cell": write_cif(CUBIC, SALT, P1)
    .replace("_cell_length_b 5.64\n", "")
    .replace("_cell_length_c 5.64\n", "_symmetry_cell_setting cubic\n")
    .replace("_cell_angle_alpha 90\n_cell_angle_beta 90\n_cell_angle_gamma 90\n", ""),
    "letters beyond ASCII": "# by Müller\n"
    + write_cif(CUBIC, SALT, P1, extra="_publ_author 'Å. Ångström'\n_note größer"),
    "uneven columns": write_cif(
        CUBIC,
        ["0 Na a 0 0 Na1", "0.5 Cl b 0.5 0.5 'Cl 1'"],
        P1,
        columns=("fract_x", "type_symbol", "Wyckoff_symbol", "fract_y", "fract_z", "label"),
    ),
}
"""Files that pymatgen reads rightly."""


def operations_of(name):
    """Give the operations of a space group as a CIF lists them."""
    operations = gemmi.find_spacegroup_by_name(name).operations()
    return listed(*(operation.triplet() for operation in operations))


_RHOMBOHEDRAL = (5.13, 5.13, 5.13, 55.28, 55.28, 55.28)
_RHOMBOHEDRAL_ROWS = ["Al Al 0.35216 0.35216 0.35216 1", "O O 0.5562 0.9438 0.25 1"]
_SPINEL_CELL = (8.08, 8.08, 8.08, 90, 90, 90)
_SALT_TEXT = HARD["rock salt by name"]
_SPINEL_TEXT = write_cif(_SPINEL_CELL, SPINEL_2, operations_of("F d -3 m:2"))
_CORUNDUM_TEXT = write_cif(_RHOMBOHEDRAL, _RHOMBOHEDRAL_ROWS, operations_of("R -3 c:R"))
_ONE_ATOM = """
_atom_site_label Po1
_atom_site_type_symbol Po
_atom_site_fract_x 0
_atom_site_fract_y 0
_atom_site_fract_z 0
"""

EQUAL: dict[str, tuple[str, str]] = {
    "rock salt, old name": (write_cif(CUBIC, SALT, named("F m 3 m")), _SALT_TEXT),
    "rock salt by Hall symbol": (
        write_cif(CUBIC, SALT, "_space_group_name_Hall '-F 4 2 3'"),
        _SALT_TEXT,
    ),
    "unknown occupancy": (
        write_cif(CUBIC, ["Na1 Na 0 0 0 ?", "Cl1 Cl 0.5 0.5 0.5 ."], P1),
        write_cif(CUBIC, SALT, P1),
    ),
    "diamond, origin choice 1": (
        write_cif(CUBIC, ["Si Si 0 0 0 1"], named("F d -3 m:1")),
        write_cif(CUBIC, ["Si Si 0 0 0 1"], named("F d -3 m")),
    ),
    "diamond, origin choice 2": (
        write_cif(CUBIC, ["Si Si 0.125 0.125 0.125 1"], named("F d -3 m :2")),
        write_cif(CUBIC, ["Si Si 0.125 0.125 0.125 1"], operations_of("F d -3 m:2")),
    ),
    "spinel, Hall symbol of origin choice 1": (
        write_cif(_SPINEL_CELL, SPINEL_1, "_space_group_name_Hall 'F 4d 2 3 -1d'"),
        write_cif(_SPINEL_CELL, SPINEL_1, named("F d -3 m")),
    ),
    "spinel, origin choice 2 in ICSD's words": (
        write_cif(_SPINEL_CELL, SPINEL_2, named("F d -3 m Z")),
        _SPINEL_TEXT,
    ),
    "spinel, origin choice from the formula": (
        write_cif(
            _SPINEL_CELL,
            SPINEL_2,
            named("F d -3 m"),
            extra=formula("Al2 Mg O4", 8),
        ),
        _SPINEL_TEXT,
    ),
    "corundum, rhombohedral by its angles": (
        write_cif(_RHOMBOHEDRAL, _RHOMBOHEDRAL_ROWS, named("R -3 c")),
        _CORUNDUM_TEXT,
    ),
    "corundum, rhombohedral by name": (
        write_cif(_RHOMBOHEDRAL, _RHOMBOHEDRAL_ROWS, named("R -3 c:R")),
        _CORUNDUM_TEXT,
    ),
    "corundum, rhombohedral by number": (
        write_cif(_RHOMBOHEDRAL, _RHOMBOHEDRAL_ROWS, "_symmetry_Int_Tables_number 167"),
        _CORUNDUM_TEXT,
    ),
    "thirds with three digits": (
        write_cif(HEXAGONAL, ["Zn Zn 0.333 0.667 0.1 1"], named("P 63 m c")),
        write_cif(HEXAGONAL, ["Zn Zn 0.33333333 0.66666667 0.1 1"], named("P 63 m c")),
    ),
    "sixths with three digits": (
        write_cif(HEXAGONAL, ["V V 0.167 0.333 0.1 1"], named("P 63 m c")),
        write_cif(HEXAGONAL, ["V V 0.16666667 0.33333333 0.1 1"], named("P 63 m c")),
    ),
    "one atom without loop": (
        write_cif(CUBIC, [], P1, columns=()).removesuffix("loop_\n") + _ONE_ATOM,
        write_cif(CUBIC, ["Po Po 0 0 0 1"], P1),
    ),
    "tags in capitals": (
        write_cif(CUBIC, SALT, P1).replace("_atom_site_fract", "_atom_site_FRACT"),
        write_cif(CUBIC, SALT, P1),
    ),
    "a text field with the words of a file": (
        write_cif(CUBIC, SALT, P1, extra="_note\n;\ndata_ inside\nloop_\n;"),
        write_cif(CUBIC, SALT, P1),
    ),
}
"""Files that pymatgen misreads or refuses, each with another that it reads as the same crystal."""

_PLAIN = write_cif(CUBIC, SALT, P1)

BAD: dict[str, tuple[str, str]] = {
    "partial occupancy": (
        write_cif(CUBIC, ["Na1 Na 0 0 0 1", "Cl1 Cl 0.5 0.5 0.5 0.8(1)"], P1),
        r"crystal 'test', site 1: Cl1: the site has occupancy 0.8\(1\). A disordered crystal",
    ),
    "two elements on a site": (
        write_cif(CUBIC, ["Na Na 0 0 0 0.5", "K K 0 0 0 0.5"], named("F m -3 m")),
        r"site 0: Na: the site has occupancy 0.5",
    ),
    "overfull site": (
        write_cif(CUBIC, ["Na Na 0 0 0 2"], P1),
        r"site 0: Na: the site has occupancy 2",
    ),
    "all sites empty": (write_cif(CUBIC, ["Na Na 0 0 0 0"], P1), r"all its sites are empty"),
    "an atom twice": (
        write_cif(CUBIC, [*SALT, "Na2 Na 0 0 0 1"], P1),
        r"site 0: Na and site 2 \(Na\) are 0.000 Å apart.*Remove the duplicate",
    ),
    "an atom twice through the face": (
        write_cif(CUBIC, [*SALT, "Na2 Na 0.999 1 0 1"], P1),
        r"site 0: Na and site 2 \(Na\) are 0.006 Å apart",
    ),
    "near its own image": (
        write_cif((10, 10, 10, 90, 90, 90), ["Na Na 0.51 0.2 0.3 1"], listed("x,y,z", "-x,y,z")),
        r"site 0: Na and an image of itself are 0.200 Å apart",
    ),
    "dummy atom": (
        write_cif(CUBIC, [*SALT, "X1 X 0.25 0.25 0.25 1"], P1),
        r"site 2: X1: 'X' is not an element",
    ),
    "dummy flag": (
        write_cif(CUBIC, ["Na Na 0 0 0 1 dum"], P1, columns=(*COLUMNS, "calc_flag")),
        r"site 0: Na: the site is a dummy atom. Remove its row",
    ),
    "vacancy": (write_cif(CUBIC, [*SALT, "Va1 Va 0.25 0.25 0.25 1"], P1), r"'Va' is not an"),
    "water as one site": (
        write_cif(CUBIC, ["Wat1 Wat 0 0 0 1"], P1),
        r"'Wat' is not an element.*give hydrogens sites",
    ),
    "attached hydrogens": (
        write_cif(CUBIC, ["O1 O 0 0 0 1 2"], P1, columns=(*COLUMNS, "attached_hydrogens")),
        r"site 0: O1: it has hydrogens without positions",
    ),
    "no coordinate": (
        write_cif(CUBIC, [*SALT, "H1 H ? ? ? 1"], P1),
        r"site 2: H1: a coordinate is missing or is not a number",
    ),
    "coordinate nan": (write_cif(CUBIC, ["Na Na nan 0 0 1"], P1), r"site 0: Na: a coordinate"),
    "no atoms": (write_cif(CUBIC, [], P1, columns=()).rsplit("\n", 2)[0], r"no atoms with frac"),
    "Cartesian sites": (
        _PLAIN.replace("fract", "Cartn"),
        r"no atoms with fractional coordinates.*Cartesian sites must be converted",
    ),
    "cell of length 0": (_PLAIN.replace("length_a 5.64", "length_a 0"), r"its cell is 0 5.64"),
    "angle of 180": (_PLAIN.replace("gamma 90", "gamma 180"), r"its cell is .*within \(0, 180\)"),
    "cell without volume": (
        _PLAIN.replace("alpha 90", "alpha 30").replace("beta 90", "beta 30"),
        r"its cell is 5.64 5.64 5.64 30 30 90\..* that three vectors can have",
    ),
    "no cell": (
        "data_test\n" + P1 + _PLAIN.split("'x, y, z'")[1],
        r"its cell is \? \? \? \? \? \?\.",
    ),
    "unknown space group": (
        write_cif(CUBIC, SALT, named("Q 7")),
        r"its space group 'Q 7' is not known",
    ),
    "space group 300": (write_cif(CUBIC, SALT, "_space_group_IT_number 300"), r"not known"),
    "operations with a misprint": (
        write_cif(CUBIC, SALT, listed("x,y,z", "-x,-y,z", "-x,y,-z")),
        r"its 3 symmetry operations are no group",
    ),
    "origin choice open": (
        write_cif((30, 30, 30, 90, 90, 90), ["Si Si 0.06 0.27 0.40 1"], named("F d -3 m")),
        r"has 2 origin choices, and the atoms fit 2 of them.*Add ':1' or ':2'",
    ),
    "formula of another material": (
        write_cif(CUBIC, SALT, named("F m -3 m"), extra=formula("K2 Br2")),
        r"its atoms make NaCl, its formula says K2 Br2",
    ),
    "loop cut off": (_PLAIN.rsplit(" ", 2)[0], r"the CIF cannot be read .*loop"),
    "no CIF at all": ("hello\nworld\n", r"it is no CIF: there is no line that begins with data_"),
    "several blocks, no atoms": ("data_a\n_x 1\ndata_b\n_x 2\n", r"none of its 2 data blocks"),
}
"""Files that must be refused, and what is said."""
