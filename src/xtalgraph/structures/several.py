"""Reading several crystals from one source: one bad crystal does not take the others with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xtalgraph.errors import BadCrystal, Rejected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from xtalgraph.structures.crystal import Crystal


def read_each(
    pending: Iterable[tuple[str, Callable[[], Crystal]]], rejected: list[Rejected] | None
) -> list[Crystal]:
    """Give the crystals that can be read; the others go to `rejected`, or are raised without it.

    `pending` holds the id of each crystal and the function that reads it.
    """
    crystals = []
    for id, read in pending:
        try:
            crystals.append(read())
        except BadCrystal as problem:
            if rejected is None:
                raise
            rejected.append(Rejected(id, str(problem)))
    return crystals


def number_ids(id: str, n_crystals: int) -> list[str]:
    """Give the ids of the crystals of one source: `id` for one, else `id#0`, `id#1`, …

    >>> number_ids("run", 2)
    ['run#0', 'run#1']
    """
    return [id] if n_crystals == 1 else [f"{id}#{index}" for index in range(n_crystals)]
