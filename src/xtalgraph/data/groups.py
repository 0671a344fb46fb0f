"""Groups that may not stand on both sides of a split, and how they are dealt out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

from xtalgraph.data.cells import find_present
from xtalgraph.data.composition import reduced_formulas
from xtalgraph.data.dataset import Dataset
from xtalgraph.errors import BadDataset, UnknownName
from xtalgraph.structures import crystal_system, find_space_group

COMPUTED_GROUPS = ("formula", "crystal_system")
"""Groups that are read off the structures; any other name is that of a column."""

_MOST_ENUMERATED = 10  # groups, up to which all 3^10 = 59,049 ways are compared


def find_groups(dataset: Dataset, name: str) -> Int64[np.ndarray, "n_crystals"]:
    """Return the number of the group of each crystal.

    `formula` is the reduced formula. `crystal_system` follows from a column `space_group_number` if
    there is one without blanks, else from the symmetry found within 0.01 Å. Any other name is a
    column, whose blanks are refused. A computed name wins over a column of that name.
    """
    if name == "formula":
        labels: Sequence[str | None] = reduced_formulas(dataset.crystals)
    elif name == "crystal_system":
        labels = find_crystal_systems(dataset)
    elif name in dataset.table:
        column = dataset.table[name]
        present = find_present(column)
        labels = [str(one) if there else None for one, there in zip(column, present, strict=True)]
    else:
        raise UnknownName("group", name, [*COMPUTED_GROUPS, *dataset.table])
    blank = [row for row, label in enumerate(labels) if label is None]
    if blank:
        raise BadDataset(
            f"{dataset.source}: column {name!r} is blank for {len(blank)} crystals, first "
            f"{str(dataset.ids[blank[0]])!r}. Fill it in, or leave these crystals out."
        )
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    return np.array([numbers[label] for label in labels], dtype=np.int64)


def find_crystal_systems(dataset: Dataset) -> list[str]:
    """Return the crystal system of each crystal, from `space_group_number` or the structure."""
    if "space_group_number" in dataset.targets:
        numbers = dataset.values(["space_group_number"])[:, 0]
        if np.isin(numbers, np.arange(1, 231)).all():
            return [crystal_system(int(number)) for number in numbers]
    return [crystal_system(find_space_group(crystal)) for crystal in dataset.crystals]


def assign_groups(
    groups: Int64[np.ndarray, "n_crystals"], shares: Sequence[float], rng: np.random.Generator
) -> Int64[np.ndarray, "n_crystals"]:
    """Return the part (0, 1, 2) of each crystal, so that every group is whole in one part.

    The sizes come as near to the shares as whole groups allow: the sum of the three differences is
    the least possible for up to 10 groups, where all ways are compared (the seed chooses among
    equals); for more, groups are dealt out at random in proportion to what each part still lacks,
    and then moved while that brings the sizes nearer. A part with a share above 0 is not left empty
    if there are groups enough.
    """
    sizes = np.bincount(groups)
    n_wanted = sum(share > 0 for share in shares)
    if len(sizes) < n_wanted:
        raise BadDataset(
            f"{len(sizes)} groups cannot fill {n_wanted} parts. Group by something finer."
        )
    wanted = np.array(shares) * len(groups)
    if len(sizes) <= _MOST_ENUMERATED:
        parts = _try_all(sizes, wanted, rng)
    else:
        parts = _improve(sizes, wanted, _deal(sizes, wanted, rng))
    return parts[groups]


def _try_all(sizes: np.ndarray, wanted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    ways = np.indices([3] * len(sizes)).reshape(len(sizes), -1).T
    filled = np.stack([(ways == part) @ sizes for part in range(3)], axis=1)
    cost = np.abs(filled - wanted).sum(axis=1)
    cost[((filled == 0) & (wanted > 0)).any(axis=1)] = np.inf
    cost[((filled > 0) & (wanted == 0)).any(axis=1)] = np.inf
    best = np.flatnonzero(cost <= cost.min() + 1e-9)
    return ways[rng.choice(best)].astype(np.int64)


def _deal(sizes: np.ndarray, wanted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return each group, in random order, to a part that still has room for it, if there is one."""
    lacking = wanted.astype(float).copy()
    parts = np.zeros(len(sizes), dtype=np.int64)
    draws = rng.random(len(sizes))
    for group in rng.permutation(len(sizes)).tolist():
        room = np.where(lacking >= sizes[group], lacking, 0.0)
        if room.sum() > 0:
            part = int(np.searchsorted(np.cumsum(room), draws[group] * room.sum(), side="right"))
        else:
            part = int(lacking.argmax())
        parts[group] = part
        lacking[part] -= sizes[group]
    return parts


def _improve(sizes: np.ndarray, wanted: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Move the group that helps most from one part to another, until none helps."""
    parts = parts.copy()
    allowed = np.flatnonzero(wanted > 0)
    while True:
        filled = np.bincount(parts, weights=sizes, minlength=3)
        cost = np.abs(filled - wanted).sum()
        n_groups = np.bincount(parts, minlength=3)
        best: tuple[float, int, int] | None = None
        for source in range(3):
            movable = np.flatnonzero(parts == source)
            if n_groups[source] <= (wanted[source] > 0):
                continue
            for goal in allowed[allowed != source]:
                empty = n_groups[goal] == 0  # an empty part comes before any difference in size
                change = (
                    np.abs(filled[source] - sizes[movable] - wanted[source])
                    + np.abs(filled[goal] + sizes[movable] - wanted[goal])
                    - np.abs(filled[source] - wanted[source])
                    - np.abs(filled[goal] - wanted[goal])
                ) - empty * 4 * cost
                choice = int(change.argmin())
                if change[choice] < -1e-9 and (best is None or change[choice] < best[0]):
                    best = float(change[choice]), int(movable[choice]), int(goal)
        if best is None:
            return parts
        parts[best[1]] = best[2]
