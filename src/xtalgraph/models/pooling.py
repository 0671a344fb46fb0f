"""From atom vectors to one vector a crystal.

`mean` suits what does not grow with the cell (a gap, an energy per atom); `sum` what does (an
energy per cell); `max` what one kind of site decides. All give the same for any order of atoms.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from xtalgraph.errors import UnknownName


def pool_sum(
    atoms: Float[Tensor, "n_atoms width"], crystal: Int64[Tensor, "n_atoms"], n_crystals: int
) -> Float[Tensor, "n_crystals width"]:
    """Give the sum of the atom vectors of each crystal."""
    return atoms.new_zeros(n_crystals, atoms.shape[1]).index_add(0, crystal, atoms)


def pool_mean(
    atoms: Float[Tensor, "n_atoms width"], crystal: Int64[Tensor, "n_atoms"], n_crystals: int
) -> Float[Tensor, "n_crystals width"]:
    """Give the mean of the atom vectors of each crystal."""
    ones = atoms.new_ones(len(atoms))
    n_atoms = atoms.new_zeros(n_crystals).index_add(0, crystal, ones)
    return pool_sum(atoms, crystal, n_crystals) / n_atoms[:, None]


def pool_max(
    atoms: Float[Tensor, "n_atoms width"], crystal: Int64[Tensor, "n_atoms"], n_crystals: int
) -> Float[Tensor, "n_crystals width"]:
    """Give the largest value of each component among the atoms of each crystal.

    Atoms that share the largest value share its gradient, so that equal sites stay equal.
    """
    lowest = atoms.new_full((n_crystals, atoms.shape[1]), -torch.inf)
    return lowest.scatter_reduce(0, crystal[:, None].expand_as(atoms), atoms, "amax")


Pooling = Callable[[Tensor, Tensor, int], Tensor]
POOLINGS: dict[str, Pooling] = {"mean": pool_mean, "sum": pool_sum, "max": pool_max}


def find_pooling(name: str) -> Pooling:
    """Give the pooling of that name."""
    if name not in POOLINGS:
        raise UnknownName("pooling", name, POOLINGS)
    return POOLINGS[name]
