"""Crystals with elements that a network has no vector for."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

from xtalgraph.errors import BadCrystal, Rejected
from xtalgraph.structures import CrystalStore
from xtalgraph.structures.elements import SYMBOLS


def refuse_unknown_elements(
    crystals: CrystalStore,
    known_elements: list[int],
    *,
    rejected: list[Rejected] | None = None,
) -> Int64[np.ndarray, "n_rows"]:
    """Give the indices of the crystals all of whose elements a network knows.

    Call it where crystals come in: on an accelerator a network cannot say which crystal it was.
    Raises `BadCrystal` for the others, or appends them to `rejected` where that is given.
    """
    known = np.zeros(256, dtype=bool)
    known[known_elements] = True
    unknown_atoms = np.flatnonzero(~known[crystals.atomic_numbers])
    owners = np.searchsorted(crystals.offsets, unknown_atoms, side="right") - 1
    found = []
    for index in np.unique(owners).tolist():
        numbers = np.unique(crystals.atomic_numbers[unknown_atoms[owners == index]])
        symbols = ", ".join(SYMBOLS[number] for number in numbers)
        found.append(Rejected(str(crystals.ids[index]), f"the network has no vector for {symbols}"))
    if found and rejected is None:
        more = ", ".join(row.id for row in found[1:10])
        also = f" (likewise in {len(found) - 1} more: {more})" if more else ""
        raise BadCrystal(
            found[0].reason + also,
            id=found[0].id,
            remedy="Leave it out, or train with model.element_vectors = 'learned'.",
        )
    if rejected is not None:
        rejected.extend(found)
    return np.setdiff1d(np.arange(len(crystals)), owners)
