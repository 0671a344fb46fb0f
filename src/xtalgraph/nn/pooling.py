"""From atom vectors to one vector a crystal.

`mean` suits what does not grow with the cell (a gap, an energy per atom); `sum` what does (an
energy per cell); `max` what one kind of site decides. All give the same for any order of atoms.
A node of a merged graph counts as often as it stands for an atom.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from xtalgraph.errors import UnknownName
from xtalgraph.graphs import CrystalGraph


def pool_sum(
    atoms: Float[Tensor, "n_atoms width"], graph: CrystalGraph
) -> Float[Tensor, "n_crystals width"]:
    """Give the sum of the atom vectors of each crystal."""
    weighed = atoms * graph.multiplicity.to(atoms.dtype)[:, None]
    return atoms.new_zeros(graph.n_crystals, atoms.shape[1]).index_add(0, graph.crystal, weighed)


def pool_mean(
    atoms: Float[Tensor, "n_atoms width"], graph: CrystalGraph
) -> Float[Tensor, "n_crystals width"]:
    """Give the mean of the atom vectors of each crystal."""
    n_atoms = graph.multiplicity.new_zeros(graph.n_crystals)
    n_atoms = n_atoms.index_add(0, graph.crystal, graph.multiplicity)
    return pool_sum(atoms, graph) / n_atoms.to(atoms.dtype)[:, None]


def pool_max(
    atoms: Float[Tensor, "n_atoms width"], graph: CrystalGraph
) -> Float[Tensor, "n_crystals width"]:
    """Give the largest value of each component among the atoms of each crystal.

    Atoms that share the largest value share its gradient, so that equal sites stay equal.
    """
    lowest = atoms.new_full((graph.n_crystals, atoms.shape[1]), -torch.inf)
    return lowest.scatter_reduce(0, graph.crystal[:, None].expand_as(atoms), atoms, "amax")


Pooling = Callable[[Tensor, CrystalGraph], Tensor]
POOLINGS: dict[str, Pooling] = {"mean": pool_mean, "sum": pool_sum, "max": pool_max}


def find_pooling(name: str) -> Pooling:
    """Give the pooling of that name."""
    if name not in POOLINGS:
        raise UnknownName("pooling", name, POOLINGS)
    return POOLINGS[name]
