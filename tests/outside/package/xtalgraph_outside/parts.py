"""Poolings and activations: as an object (`SOFT_MINIMUM`) or by a decorator (`pool_smallest`)."""

from functools import partial

import numpy as np
import torch
from torch import nn

from xtalgraph.nn import POOLINGS, Activation, Pooling


def pool_softly(atoms, graph):
    """-ln of the mean of e^-x over the atoms of each crystal: near the smallest."""
    counts = graph.multiplicity.to(atoms.dtype)[:, None]
    empty = atoms.new_zeros(graph.n_crystals, atoms.shape[1])
    sums = empty.index_add(0, graph.crystal, counts * torch.exp(-atoms))
    n_atoms = empty.index_add(0, graph.crystal, counts.expand_as(atoms))
    return -torch.log(sums / n_atoms)


def pool_softly_in_numpy(atoms, graph):
    """The same without torch."""
    starts, counts = graph.crystal_starts, graph.multiplicity.astype(np.float32)[:, None]
    sums = np.add.reduceat(counts * np.exp(-atoms), starts)
    return -np.log(sums / np.add.reduceat(counts, starts))


SOFT_MINIMUM = Pooling(pool_softly, pool_softly_in_numpy)  # no `fractions`: not explained by sites


def smallest_in_numpy(atoms, graph):
    """The smallest value of each component."""
    return np.minimum.reduceat(atoms, graph.crystal_starts)


@POOLINGS.adding(
    "smallest",
    partial(
        Pooling,
        in_numpy=smallest_in_numpy,
        fractions="xtalgraph.nn.torch_parts:extreme_fractions",
    ),
)
def pool_smallest(atoms, graph):
    """The smallest value of each component among the atoms of each crystal."""
    highest = atoms.new_full((graph.n_crystals, atoms.shape[1]), torch.inf)
    return highest.scatter_reduce(0, graph.crystal[:, None].expand_as(atoms), atoms, "amin")


class Sine(nn.Module):
    """x + sin² x, which the compiled loops do not have."""

    def forward(self, x):
        return x + torch.sin(x) ** 2


SINE = Activation(Sine)
SWISH = Activation("torch.nn:SiLU", "xtalgraph.nn.gated_sum.kernel:SILU")  # another name of silu
