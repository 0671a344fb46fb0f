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
_LETTERS = re.compile(r"[A-Za-z]{1,2}")
# Labels that begin like an element and are none: water, hydroxyl and ammonium written as one site
# (their hydrogens would be lost), vacancies, dummy atoms.
_NO_ELEMENT = re.compile(r"(?i:Wat|OH|O-H|NH|Va[c\d]*$|Vac|Du|Xx|Lp)|NO3|SO4|PO4")
_EXACT = re.compile(r"(Nh)(\d*[+-]|[+-]\d*|\d+)?$")  # nihonium is spelled so; NH is not


@lru_cache(maxsize=4096)
def atomic_number(label: str) -> int:
    """Return the atomic number of a symbol or site label: `Na`, `Na1+`, `O2-`, `D`, `Fe3`.

    Refused are dummy atoms, vacancies and groups of atoms written as one site (`Wat`, `OH`).

    >>> atomic_number("Na1+"), atomic_number("D"), atomic_number("O2-")
    (11, 1, 8)
    """
    label = label.strip()
    match = _LETTERS.match(label)
    letters = match.group().capitalize() if match else ""
    if _EXACT.match(label) or not _NO_ELEMENT.match(label):
        for candidate in (letters, letters[:1]):
            if candidate in _NUMBERS:
                return _NUMBERS[candidate]
    raise BadCrystal(
        f"{label!r} is not an element",
        remedy="Use element symbols; leave dummy atoms and vacancies out, and give hydrogens sites "
        "of their own.",
    )
