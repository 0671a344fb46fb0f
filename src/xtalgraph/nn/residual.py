"""The residual network: elements → blocks → pooling → output, and a term of the composition."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import silu

from xtalgraph.graphs import CrystalGraph
from xtalgraph.nn.configs import ResidualConfig
from xtalgraph.nn.element_vectors import make_element_vectors
from xtalgraph.nn.gated_sum import Backend, Bonds, gated_sum
from xtalgraph.nn.registry import POOLINGS, load_form
from xtalgraph.nn.torch_parts import make_radial_basis

N_ATOMIC_NUMBERS = 119  # 0 is not used
ACTIVATION = "silu"  # of the gated sums


class Block(nn.Module):
    """Atoms take up their neighbours and change: m_i = Σ w σ(z)_gate ⊙ silu(z)_message,
    v_i ← v_i + W [silu(y_1) ⊙ y_2], y = W' (h_i ⊕ m_i), h = LayerNorm(v).

    z = h_i W_1 + h_j W_2 + u W_3 is the argument of the gated convolution of the paper, in parts;
    it is not normalised, and neither is the sum: a neighbour that hardly weighs hardly matters.
    """

    def __init__(self, config: ResidualConfig) -> None:
        super().__init__()
        width = config.atom_width
        self.normalise = nn.LayerNorm(width)
        self.from_centre = nn.Linear(width, 2 * width)
        self.from_neighbour = nn.Linear(width, 2 * width, bias=False)
        self.from_bond = nn.Linear(config.n_gaussians, 2 * width, bias=False)
        self.widen = nn.Linear(2 * width, 4 * width)
        self.narrow = nn.Linear(2 * width, width)
        self.drop = nn.Dropout(config.dropout)
        self.no_normalisation = nn.Identity()

    def forward(
        self,
        atoms: Float[Tensor, "n_atoms width"],
        bonds: Bonds,
        graph: CrystalGraph,
    ) -> Float[Tensor, "n_atoms width"]:
        """Return the new atom vectors."""
        own = self.normalise(atoms)
        received = gated_sum(
            self.from_centre(own),
            self.from_neighbour(own),
            self.from_bond.weight.t(),
            bonds,
            graph,
            self.no_normalisation,
            ACTIVATION,
        )
        gate, change = self.widen(torch.cat([own, received], dim=1)).chunk(2, dim=1)
        return atoms + self.drop(self.narrow(silu(gate) * change))


class ResidualNetwork(nn.Module):
    """Atom vectors begin as their elements', pass the blocks, are pooled, and mapped.

    Added to the output is a term that is linear in the composition, one number per element and
    output: an energy is a sum over elements before it is anything else, and references of energies
    differ by such a term. The atom vectors end in it, and pooling makes it the composition's.
    """

    learns_from_deduplicated = True  # no atom or edge is normalised with others

    def __init__(
        self,
        config: ResidualConfig,
        n_outputs: int,
        element_vectors: Float[Tensor, "n_elements n_components"] | None = None,
    ) -> None:
        super().__init__()
        self.element_vectors = make_element_vectors(
            config.element_vectors, config.atom_width, element_vectors
        )
        bonds = config.radial_basis, 0.0, config.gaussian_stop, config.n_gaussians
        self.bond_vectors = make_radial_basis(*bonds)
        self.backend = Backend(config.backend, *bonds)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_blocks))
        self.pool = load_form(POOLINGS[config.pooling].in_torch)
        self.output = _make_output(config, n_outputs)
        self.composition = nn.Embedding(N_ATOMIC_NUMBERS, n_outputs)
        nn.init.zeros_(self.composition.weight)

    def forward(self, graph: CrystalGraph) -> Float[Tensor, "n_crystals n_outputs"]:
        """Return the standardised targets or the logits of each crystal of the batch."""
        return self.output(self.fingerprint(graph))

    def fingerprint(self, graph: CrystalGraph) -> Float[Tensor, "n_crystals width"]:
        """Return one vector a crystal: the pooled atom vectors."""
        return self.pool(self.atom_vectors(graph), graph)

    def atom_vectors(self, graph: CrystalGraph) -> Float[Tensor, "n_atoms width"]:
        """Return one vector an atom, after the last block, and the numbers of its element."""
        atoms = self.element_vectors(graph.atomic_numbers)
        bonds = self.backend.select(graph, atoms, self.bond_vectors)
        for block in self.blocks:
            atoms = block(atoms, bonds, graph)
        return torch.cat([atoms, self.composition(graph.atomic_numbers)], dim=1)

    @property
    def known_elements(self) -> list[int]:
        """Atomic numbers of the elements that the network has vectors for."""
        return self.element_vectors.known_elements


class Readout(nn.Sequential):
    """The layers after pooling, and the term of the composition, which passes by them."""

    def forward(
        self, pooled: Float[Tensor, "n_crystals width"]
    ) -> Float[Tensor, "n_crystals n_outputs"]:
        """Map all components that are not the term of the composition, and add that term."""
        width = next(self.parameters()).shape[-1]  # that the first layer takes
        return super().forward(pooled[:, :width]) + pooled[:, width:]


def _make_output(config: ResidualConfig, n_outputs: int) -> Readout:
    """Make the layers after pooling; without a hidden one, a single linear map."""
    if config.n_hidden == 0:
        return Readout(nn.Linear(config.atom_width, n_outputs))
    layers: list[nn.Module] = [nn.LayerNorm(config.atom_width)]
    width = config.atom_width
    for _ in range(config.n_hidden):
        layers += [nn.Linear(width, config.hidden_width), nn.SiLU()]
        width = config.hidden_width
    return Readout(*layers, nn.Linear(width, n_outputs))
