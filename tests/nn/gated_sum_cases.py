"""Inputs of a gated sum, and what any of its forms makes of them: sums and derivatives."""

import copy
from collections.abc import Callable

import torch

from tests.zoo import ZOO
from xtalgraph.graphs import CrystalGraph, GraphConfig, build_graphs
from xtalgraph.nn.gated_sum import gated_sum
from xtalgraph.nn.gated_sum.kernel import NearGaussians, near_gaussians
from xtalgraph.nn.torch_parts import GaussianBasis, make_normalisation
from xtalgraph.structures import Crystal

HELIUM = Crystal([[20, 0, 0], [0, 20, 0], [0, 0, 20]], [[0, 0, 0]], [2])
PAIR = Crystal([[20, 0, 0], [0, 20, 0], [0, 0, 20]], [[0, 0, 0], [0.06, 0, 0]], [1, 8])
NEAR = GraphConfig(cutoff=2.0, isolated="ignore")
BASIS = GaussianBasis(0.0, 8.0, 41)
GRAPHS = {
    "whole": build_graphs([ZOO["NaCl"], ZOO["Fe"]]),
    "merged": build_graphs([ZOO["Si"], ZOO["SrTiO3"]], GraphConfig("smooth"), deduplicated=True),
    "no edges": build_graphs([HELIUM], NEAR),
    "one atom": build_graphs([ZOO["Po"]]),
    "one pair": build_graphs([HELIUM, PAIR], NEAR),
}


def find_near_gaussians(graph: CrystalGraph, basis: GaussianBasis) -> NearGaussians:
    return near_gaussians(graph.to_arrays(), basis.start, basis.stop, basis.n_gaussians)


class Case:
    """A graph with random parts of the argument, a normalisation, and a derivative of the sums."""

    def __init__(self, graph: str, width: int, activation: str, normalisation: str) -> None:
        self.graph, self.activation = GRAPHS[graph], activation
        draw = torch.Generator().manual_seed(width)
        atoms = self.graph.n_atoms, 2 * width
        shapes = {"centre": atoms, "neighbour": atoms, "bond_weight": (41, 2 * width)}
        self.parts = {
            name: torch.randn(shape, generator=draw) for name, shape in shapes.items()
        }  # fmt: skip
        self.d_sums = torch.randn(atoms[0], width, generator=draw)
        self.normalise = make_normalisation(normalisation, 2 * width)
        for parameter in self.normalise.parameters():
            parameter.data = torch.rand(2 * width, generator=draw) + 0.5

    def round_parts_to(self, dtype: torch.dtype) -> None:
        """Keep of all numbers what the type can hold."""
        self.parts = {name: part.to(dtype).float() for name, part in self.parts.items()}
        self.d_sums = self.d_sums.to(dtype).float()

    def compute(
        self,
        describe: Callable | None,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
        round_normalise: bool = True,
    ) -> dict[str, torch.Tensor]:
        """Sums, derivatives and running statistics; in plain form if nothing describes bonds."""
        graph: CrystalGraph = self.graph.to(device)
        bonds = describe(graph, BASIS) if describe else BASIS(graph.distance.to(dtype))
        parts = {
            name: part.detach().clone().to(device, dtype).requires_grad_()
            for name, part in self.parts.items()
        }  # fmt: skip
        normalise = copy.deepcopy(self.normalise).to(device)
        if round_normalise:
            normalise.to(dtype)
        sums = gated_sum(*parts.values(), bonds, graph, normalise, self.activation)
        sums.backward(self.d_sums.to(device, dtype))
        found = {"sums": sums.detach()}
        found |= {f"d_{name}": part.grad for name, part in parts.items()}
        for name, parameter in normalise.named_parameters():
            if parameter.requires_grad:
                found[f"d_{name}"] = parameter.grad
        return found | {name: buffer.double() for name, buffer in normalise.named_buffers()}


def relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    """The norm of the difference, of the norm of what is expected."""
    found, expected = found.detach(), expected.detach()
    return float((found - expected).norm() / (expected.norm() + 1e-12))
