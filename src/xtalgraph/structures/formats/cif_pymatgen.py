"""CIFs that gemmi cannot read or that contradict themselves: pymatgen's parser is asked."""

from __future__ import annotations

import warnings

from xtalgraph.errors import BadCrystal
from xtalgraph.structures.checks import refuse_overlap
from xtalgraph.structures.crystal import Crystal
from xtalgraph.structures.several import number_ids


def read_with_pymatgen(text: str, id: str, why: str = "") -> list[Crystal]:
    """Give the crystals that pymatgen finds in a CIF; `why` is what gemmi said against it.

    pymatgen takes a file whose space group it does not know for P1. That guess is refused here.
    """
    from pymatgen.io.cif import CifParser  # imported here: it takes half a second

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            parser = CifParser.from_str(text)
            structures = parser.parse_structures(primitive=False, on_error="raise")
        except (
            ArithmeticError,
            AssertionError,
            AttributeError,
            LookupError,
            NotImplementedError,
            RuntimeError,
            TypeError,
            ValueError,
        ) as problem:
            raise _refusal(why or str(problem), id) from problem
    if any("Defaulting to P1" in message for message in parser.warnings) and not why:
        raise _refusal("its space group or its symmetry operations are unknown", id)
    names = number_ids(id, len(structures))
    crystals = [
        Crystal.from_pymatgen(structure, name)
        for structure, name in zip(structures, names, strict=True)
    ]
    for crystal in crystals:
        refuse_overlap(crystal)
    return crystals


def _refusal(problem: str, id: str) -> BadCrystal:
    return BadCrystal(
        f"the CIF cannot be read ({problem})",
        id=id,
        remedy="Mend the file, or write it anew with a program that reads it (VESTA, pymatgen).",
    )
