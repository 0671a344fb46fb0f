"""The crystal graph convolutional network: elements → convolutions → pooling → output."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from xtalgraph.graphs import CrystalGraph
from xtalgraph.nn.activations import make_activation
from xtalgraph.nn.cgcnn.config import CgcnnConfig
from xtalgraph.nn.cgcnn.convolutions import CONVOLUTIONS
from xtalgraph.nn.cgcnn.distance_degeneracy import find_bond_ties
from xtalgraph.nn.element_vectors import make_element_vectors
from xtalgraph.nn.gated_sum import Bonds, select_backend
from xtalgraph.nn.gated_sum.kinds import has_compiled_form
from xtalgraph.nn.pooling import find_pooling
from xtalgraph.nn.radial import GaussianBasis


class Cgcnn(nn.Module):
    """Atom vectors begin as their elements', are convolved over the graph, pooled, and mapped.

    Gives `n_outputs` numbers a crystal: standardised targets, or logits of classes. A prediction
    does not depend on the order of atoms, the place of the origin, or (for intensive pooling and a
    neighbour rule that keeps ties whole) on the choice of the cell.
    """

    def __init__(
        self,
        config: CgcnnConfig,
        n_outputs: int,
        element_vectors: Float[Tensor, "n_elements n_components"] | None = None,
    ) -> None:
        super().__init__()
        self.element_vectors = make_element_vectors(
            config.element_vectors, config.atom_width, element_vectors
        )
        self.bond_vectors = GaussianBasis(
            config.gaussian_start, config.gaussian_stop, config.n_gaussians
        )
        convolution = CONVOLUTIONS[config.convolution]
        self.convolutions = nn.ModuleList(convolution(config) for _ in range(config.n_convolutions))
        self.distance_degeneracy = config.distance_degeneracy
        # set to False to compute in plain torch
        self.compiled = (
            config.convolution == "gated"
            and not config.distance_degeneracy
            and has_compiled_form(config.activation, config.normalisation, config.n_gaussians)
        )
        self.normalisation = config.normalisation
        self.pool = find_pooling(config.pooling)
        self.output = _make_output(config, n_outputs)

    def forward(self, graph: CrystalGraph) -> Float[Tensor, "n_crystals n_outputs"]:
        """Give the standardised targets or the logits of each crystal of the batch."""
        return self.output(self.fingerprint(graph))

    def fingerprint(self, graph: CrystalGraph) -> Float[Tensor, "n_crystals width"]:
        """Give one vector a crystal: the pooled atom vectors."""
        return self.pool(self.atom_vectors(graph), graph)

    def atom_vectors(self, graph: CrystalGraph) -> Float[Tensor, "n_atoms width"]:
        """Give one vector an atom, after the last convolution."""
        atoms = self.element_vectors(graph.atomic_numbers)
        edges = self._describe_bonds(graph, atoms)
        for convolve in self.convolutions:
            atoms = convolve(atoms, edges, graph)
        return atoms

    def _describe_bonds(
        self, graph: CrystalGraph, atoms: Float[Tensor, "n_atoms atom_width"]
    ) -> Bonds:
        """Give the bond vectors in the floating point type of the atom vectors."""
        # traced, the operator does not update running statistics
        plain = self.normalisation == "batch" and torch.compiler.is_compiling()
        compiled = self.compiled and not plain
        lengths = select_backend(graph, atoms, self.bond_vectors, compiled)
        if not (self.distance_degeneracy and isinstance(lengths, Tensor)):
            return lengths
        ties = find_bond_ties(graph)  # from differences of lengths that are not rounded yet
        return torch.cat([lengths, ties.to(atoms.dtype)], dim=1)

    @property
    def learns_from_deduplicated(self) -> bool:
        """Say whether training on merged graphs is the same: not where a batch is normalised.

        There a node would count once in the statistics, however many atoms it stands for.
        """
        return self.normalisation != "batch"

    @property
    def known_elements(self) -> list[int]:
        """Atomic numbers of the elements that the network has vectors for."""
        return self.element_vectors.known_elements


def _make_output(config: CgcnnConfig, n_outputs: int) -> nn.Sequential:
    """Make the layers after pooling: g, then (Linear, g) for each hidden layer, then Linear.

    Without a hidden layer it is one linear map, so that with mean or sum pooling the prediction is
    the mean or sum of contributions of single atoms, as in the paper's study of perovskites.
    """
    if config.n_hidden == 0:
        return nn.Sequential(nn.Linear(config.atom_width, n_outputs))
    layers: list[nn.Module] = [make_activation(config.activation)]
    width = config.atom_width
    for i in range(config.n_hidden):
        layers += [nn.Linear(width, config.hidden_width), make_activation(config.activation)]
        if i == 0 and config.dropout:
            layers.append(nn.Dropout(config.dropout))
        width = config.hidden_width
    return nn.Sequential(*layers, nn.Linear(width, n_outputs))
