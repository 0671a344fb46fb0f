"""Element symbols and atomic numbers."""

import re
from functools import lru_cache

from xtalgraph.errors import BadCrystal

_ALL = (
    "X H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se "
    "Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy "
    "Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf "
    "Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og"
)
SYMBOLS = tuple(_ALL.split())
"""Symbols by atomic number; index 0 is a dummy that no crystal may hold."""

_BY_ELECTRONEGATIVITY = (
    "Fr Cs K Rb Ba Ra Na Sr Li Ca Ac La Tb Yb Ce Pm Pr Nd Sm Eu Gd Dy Y Ho Er Tm Lu Pu Am Bk Cf Cm "
    "Es Fm Hf Lr Md No Th Mg Zr Np Sc U Pa Ta Ti Mn Be Nb Al Tl V Zn Cr Cd In Ga Fe Co Cu Re Si Tc "
    "Ni Ag Sn Hg Po Ge Bi B Sb Te Mo As P At H Ir Os Pd Rn Ru Pt Rh Pb W Au C Se S Xe I Br Kr N Cl "
    "O F Ar Bh Cn Db Ds Fl He Hs Lv Mc Mt Ne Nh Og Rf Rg Sg Ts"
)
FORMULA_ORDER = tuple(_BY_ELECTRONEGATIVITY.split())
"""Symbols in the order of formulas: by Pauling's electronegativity, then the alphabet, as pymatgen
does it; those without a value come last."""

_NUMBERS = {symbol: number for number, symbol in enumerate(SYMBOLS) if number}
_NUMBERS |= {"D": 1, "T": 1}  # deuterium and tritium are hydrogen to a neighbour graph
_SYMBOL = re.compile(r"\d{0,3}([A-Za-z][A-Za-z]?)(?:va|val)?[\d.]*[+-]{0,2}[\d.]*$")
# In capitals a group of atoms before they are nihonium, nobelium or copernicium:
_GROUPS = {"NH", "NO", "CN", "OH"}
_LAST_IN_LABELS = 99  # einsteinium; `Ts1`, `No1`, `Mt1` are names of sites
_NO_ELEMENT = {"Cg", "Cp", "Ct", "Du", "Lp", "Me", "Et", "Ph", "Py", "Va", "Xx"}
_LABEL = re.compile(r"([A-Za-z]+)(.*)$", re.DOTALL)
_SUFFIX = re.compile(r"(?!.*\d\.\d)[^A-Za-z,/&]*(?:[A-Za-z][^A-Za-z,/&]*){0,2}$")
_IN_SUFFIX = re.compile(r"[A-Z][a-z]")
_WATER = re.compile(r"\d*O(?![a-z])|\d*o$")
_REMEDY = (
    "Use element symbols; leave dummy atoms and vacancies out, and give hydrogens sites of their "
    "own."
)


FULL_TOLERANCE = 1e-3 + 1e-9
"""An occupancy as near to 1 as this is full, 0.999 included."""

DISORDERED = "A disordered crystal has no single graph: choose an ordered approximant."
"""What to do about partial occupancy."""


@lru_cache(maxsize=4096)
def atomic_number(symbol: str) -> int:
    """Return the atomic number of a symbol with charge or isotope: `Na`, `Na1+`, `O2-`, `D`, `11B`.

    Refused is all else: dummy atoms, vacancies, groups of atoms (`OH`), mixtures (`Nb0.8Zr0.2`).
    Labels of sites are for `read_label`.

    >>> atomic_number("Na1+"), atomic_number("D"), atomic_number("O2-"), atomic_number("11B")
    (11, 1, 8, 5)
    """
    match = _SYMBOL.match(symbol.strip())
    if match and match[1] not in _GROUPS and not (match[1] == "T" and symbol.strip() != "T"):
        number = _NUMBERS.get(match[1].capitalize())
        if number is not None:
            return number
    raise BadCrystal(f"{symbol.strip()!r} is not an element", remedy=_REMEDY)


@lru_cache(maxsize=4096)
def read_label(label: str, known: frozenset[int] = frozenset()) -> tuple[int, str]:
    """Return the atomic number that the label of a site means, and the doubt there is, or "".

    A label says its element only by custom: `Na1`, `FE2A`, `O1W`, `Hc3`. Where it can mean two,
    the elements `known` from the formula decide; `CA1` without them is calcium, with a doubt.
    Refused is what can be no element or several: `T1`, `H2O`, `CO3`, `RE`, `Uuo`, `Nb,Zr`.

    Args:
        label: The label, as in `_atom_site_label`.
        known: Atomic numbers of the elements in the formula of the crystal; empty if unknown.

    Raises:
        BadCrystal: The label is of no element, or of one of several.

    >>> read_label("Na1"), read_label("CA1", frozenset({6, 8}))
    ((11, ''), (6, ''))
    """
    label = label.strip()
    match = _LABEL.match(label)
    if match is None or not _SUFFIX.match(match[2]):
        raise _no_label(label)
    letters, rest = match[1], match[2]
    if any(pair in _NUMBERS for pair in _IN_SUFFIX.findall(rest)):  # Nb1Zr1
        raise _no_label(label)
    two, one = _in_label(letters[:2]), _in_label(letters[:1])
    if len(letters) == 1:
        if letters == "H" and rest[:1].isdigit() and _WATER.match(rest):  # H2O, H3O
            raise _no_label(label)
        return _decide_one(label, one, known)
    if len(letters) > 2 and not letters.isupper():  # `Wat`, `Tet`: nothing but a name
        one = None
    options = [number for number in dict.fromkeys((two, one)) if number]
    usual = letters[0].isupper() and letters[1].islower()
    doubt = f"{label} is read as "
    if known:
        options = [number for number in options if number in known]
        if len(options) != 1:
            raise _no_label(label)
        return options[0], doubt + SYMBOLS[options[0]] if usual and options != [two] else ""
    if len(letters) > 2 or not options or letters == "RE":
        raise _no_label(label)
    if options == [one]:
        return _read_first_letter(label, letters, options[0])
    if usual or len(options) == 1:  # `Ca1`, in the usual spelling; `MG1`, which can be nothing else
        return options[0], ""
    second = letters[1].upper()
    if letters[0] in "Hh" or (letters[0] in "CNPcnp" and second in "OHN"):  # HO1, CO3, NO1
        raise _no_label(label)
    return options[0], doubt + SYMBOLS[options[0]]


def _in_label(letters: str) -> int | None:
    """Return the number of an element that labels may begin with, or None."""
    symbol = letters.capitalize()
    number = None if symbol in _NO_ELEMENT or symbol == "T" else _NUMBERS.get(symbol)
    return number if number is not None and number <= _LAST_IN_LABELS else None


def _decide_one(label: str, number: int | None, known: frozenset[int]) -> tuple[int, str]:
    """Read a label of one letter: `T1` is a tetrahedral site, `W1` may be water."""
    if number is None or (known and number not in known):
        raise _no_label(label)
    doubt = "W is read as tungsten, though it may be the oxygen of water" if number == 74 else ""
    return number, "" if known else doubt


def _read_first_letter(label: str, letters: str, number: int) -> tuple[int, str]:
    """Read `Hc1`, `OB2`, `OW`: two letters of which only the first can be the element."""
    second = letters[1].upper()
    is_group = second in "HON" and letters[0] in "CNOPS"  # OH, SO4, PO4
    if is_group or letters.capitalize() in _NO_ELEMENT:
        raise _no_label(label)
    is_water = letters[0] == "O" and second == "W"
    return number, f"{label} is read as O; hydrogens of water may be missing" if is_water else ""


def _no_label(label: str) -> BadCrystal:
    remedy = "Add _atom_site_type_symbol with the element of each site. " + _REMEDY
    return BadCrystal(f"the label {label!r} does not say one element", remedy=remedy)
