"""The residual network without torch, for predicting; `network.py` has the equations."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float32

from xtalgraph.graphs.arrays import GraphArrays
from xtalgraph.nn.gated_sum.kernel import SILU
from xtalgraph.nn.gated_sum.near_gaussians import NearGaussians, near_gaussians_of
from xtalgraph.nn.numpy_parts import (
    GatedSum,
    Rows,
    activate,
    list_known,
    pool,
    take_element_vectors,
    take_layer_norm,
    take_linear,
)
from xtalgraph.nn.residual.config import ResidualConfig
from xtalgraph.nn.state_reader import StateReader


class ResidualInNumpy:
    """A trained `ResidualNetwork`: the same outputs, of graphs in numpy."""

    def __init__(
        self, config: ResidualConfig, n_outputs: int, stored: Mapping[str, np.ndarray]
    ) -> None:
        numbers = StateReader(stored)
        self.config = config
        self.elements = take_element_vectors(numbers, config.element_vectors, config.atom_width)
        self.blocks = [
            BlockInNumpy(numbers, f"blocks.{place}", config) for place in range(config.n_blocks)
        ]
        self.output_steps = _take_output(numbers, config, n_outputs)
        self.composition = numbers.take("composition.weight", len(self.elements), n_outputs)
        numbers.finish()

    @staticmethod
    def can_compute(config: ResidualConfig) -> bool:
        """All settings are there: the network has one activation and no normalisation of edges."""
        return True

    @property
    def known_elements(self) -> list[int]:
        """Atomic numbers of the elements that the network has vectors for."""
        return list_known(self.elements)

    def fingerprint(self, graph: GraphArrays) -> Float32[np.ndarray, "n_crystals width"]:
        """Give one vector a crystal: the pooled atom vectors, and the term of the composition."""
        config = self.config
        step = config.gaussian_stop / (config.n_gaussians - 1)
        near = near_gaussians_of(graph, 0.0, step, config.n_gaussians)
        atoms = self.elements[graph.atomic_numbers]
        for block in self.blocks:
            atoms = block(atoms, near)
        atoms = np.concatenate([atoms, self.composition[graph.atomic_numbers]], axis=1)
        return pool(atoms, graph, config.pooling)

    def output(
        self, pooled: Float32[np.ndarray, "n_crystals width"]
    ) -> Float32[np.ndarray, "n_crystals n_outputs"]:
        """Give the standardised targets or the logits of each crystal."""
        width = self.config.atom_width
        rows = pooled[:, :width]
        for step in self.output_steps:
            rows = step(rows)
        return rows + pooled[:, width:]


class BlockInNumpy:
    """One block: atoms take up their neighbours and change."""

    def __init__(self, numbers: StateReader, name: str, config: ResidualConfig) -> None:
        width = config.atom_width
        self.normalise = take_layer_norm(numbers, f"{name}.normalise", width)
        self.from_centre = take_linear(numbers, f"{name}.from_centre", width, 2 * width)
        self.from_neighbour = take_linear(
            numbers, f"{name}.from_neighbour", width, 2 * width, bias=False
        )
        bond_weight = numbers.take(f"{name}.from_bond.weight", 2 * width, config.n_gaussians).T
        self.gated_sum = GatedSum(bond_weight, SILU)
        self.widen = take_linear(numbers, f"{name}.widen", 2 * width, 4 * width)
        self.narrow = take_linear(numbers, f"{name}.narrow", 2 * width, width)

    def __call__(self, atoms: Rows, near: NearGaussians) -> Rows:
        """Give the new atom vectors."""
        own = self.normalise(atoms)
        received = self.gated_sum(self.from_centre(own), self.from_neighbour(own), near)
        gate, change = np.split(self.widen(np.concatenate([own, received], axis=1)), 2, axis=1)
        return atoms + self.narrow(activate(SILU, gate) * change)


def _take_output(numbers: StateReader, config: ResidualConfig, n_outputs: int) -> list:
    if config.n_hidden == 0:
        return [take_linear(numbers, "output.0", config.atom_width, n_outputs)]
    steps = [take_layer_norm(numbers, "output.0", config.atom_width)]
    width = config.atom_width
    for layer in range(config.n_hidden):
        steps.append(take_linear(numbers, f"output.{2 * layer + 1}", width, config.hidden_width))
        steps.append(lambda rows: activate(SILU, rows))
        width = config.hidden_width
    last = f"output.{2 * config.n_hidden + 1}"
    return [*steps, take_linear(numbers, last, width, n_outputs)]
