"""Parts of networks in torch: poolings, a batch normalisation, Gaussians of distances.

Poolings give the same for any order of atoms; a node of a deduplicated graph counts as often as it
stands for an atom. `registry.py` has them by name.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from xtalgraph.errors import BadConfig
from xtalgraph.graphs import CrystalGraph
from xtalgraph.nn.registry import ACTIVATIONS, NORMALISATIONS, RADIAL_BASES, load_form

TIE = 1e-6  # relative; the largest values of equal sites differ by as much in single precision


def pool_sum(
    atoms: Float[Tensor, "n_atoms width"], graph: CrystalGraph
) -> Float[Tensor, "n_crystals width"]:
    """Return the sum of the atom vectors of each crystal."""
    weighed = atoms * graph.multiplicity.to(atoms.dtype)[:, None]
    return atoms.new_zeros(graph.n_crystals, atoms.shape[1]).index_add(0, graph.crystal, weighed)


def pool_mean(
    atoms: Float[Tensor, "n_atoms width"], graph: CrystalGraph
) -> Float[Tensor, "n_crystals width"]:
    """Return the mean of the atom vectors of each crystal."""
    n_atoms = graph.multiplicity.new_zeros(graph.n_crystals)
    n_atoms = n_atoms.index_add(0, graph.crystal, graph.multiplicity)
    return pool_sum(atoms, graph) / n_atoms.to(atoms.dtype)[:, None]


def pool_max(
    atoms: Float[Tensor, "n_atoms width"], graph: CrystalGraph
) -> Float[Tensor, "n_crystals width"]:
    """Return the largest value of each component among the atoms of each crystal.

    Atoms that share the largest value share its gradient, so that equal sites stay equal.
    """
    lowest = atoms.new_full((graph.n_crystals, atoms.shape[1]), -torch.inf)
    return lowest.scatter_reduce(0, graph.crystal[:, None].expand_as(atoms), atoms, "amax")


def whole_fractions(
    atoms: Float64[Tensor, "n_atoms width"],
    pooled: Float64[Tensor, "n_crystals width"],
    graph: CrystalGraph,
) -> Float64[Tensor, "n_atoms width"]:
    """Return 1 for every atom: a sum has all of each."""
    return torch.ones_like(atoms)


def mean_fractions(
    atoms: Float64[Tensor, "n_atoms width"],
    pooled: Float64[Tensor, "n_crystals width"],
    graph: CrystalGraph,
) -> Float64[Tensor, "n_atoms width"]:
    """Return 1 / (number of atoms) for every atom of a crystal."""
    return _share_equally(torch.ones_like(atoms), pooled, graph)


def extreme_fractions(
    atoms: Float64[Tensor, "n_atoms width"],
    pooled: Float64[Tensor, "n_crystals width"],
    graph: CrystalGraph,
) -> Float64[Tensor, "n_atoms width"]:
    """Return equal parts to the atoms that have the pooled value of a component, to rounding."""
    extreme = pooled[graph.crystal]
    have = (atoms - extreme).abs() <= TIE * extreme.abs()
    return _share_equally(have.double(), pooled, graph)


def _share_equally(counted: Tensor, pooled: Tensor, graph: CrystalGraph) -> Tensor:
    return counted / torch.zeros_like(pooled).index_add(0, graph.crystal, counted)[graph.crystal]


def make_activation(name: str) -> nn.Module:
    """Make the activation of that name."""
    return load_form(ACTIVATIONS[name].in_torch)()


def make_normalisation(name: str, width: int) -> nn.Module:
    """Make the normalisation of that name for vectors of that width."""
    return load_form(NORMALISATIONS[name].in_torch)(width)


def make_radial_basis(name: str, start: float, stop: float, n_functions: int) -> nn.Module:
    """Make the radial basis of that name, its first and last functions at these distances in Å."""
    return load_form(RADIAL_BASES[name].in_torch)(start, stop, n_functions)


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation over rows (atoms or edges), as the 2018 code has it.

    One row has no variance: while training on it the running statistics are used. That is a batch
    of a single crystal of one atom, as the last batch of an epoch can be.
    """

    def forward(self, input: Float[Tensor, "n_rows width"]) -> Float[Tensor, "n_rows width"]:
        """Normalise each column over the rows."""
        if self.training and len(input) < 2:
            return nn.functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(input)


class GaussianBasis(nn.Module):
    """u_k = exp(-(d - μ_k)² / s²), the centres μ_k equally spaced by s between two distances in Å.

    Form and width are those of the 2018 code: 41 Gaussians from 0 to 8 Å, s = 0.2 Å.

    >>> GaussianBasis(0.0, 8.0, 41)(torch.tensor([2.0])).argmax().item()
    10
    """

    def __init__(self, start: float, stop: float, n_gaussians: int) -> None:
        super().__init__()
        if n_gaussians < 2 or not 0 <= start < stop:
            raise BadConfig(
                f"{n_gaussians} Gaussians from {start} to {stop} Å: at least 2 are needed, and "
                "0 <= start < stop."
            )
        self.start, self.stop, self.n_gaussians = start, stop, n_gaussians
        self.step = (stop - start) / (n_gaussians - 1)

    def forward(self, distance: Float[Tensor, "n_edges"]) -> Float[Tensor, "n_edges n_gaussians"]:
        """Return the bond vectors, in the floating point type of the distances."""
        centres = torch.linspace(
            self.start, self.stop, self.n_gaussians, dtype=distance.dtype, device=distance.device
        )
        return torch.exp(-(((distance[:, None] - centres) / self.step) ** 2))
