"""The crystal graph convolutional network without torch, for predicting.

Only with gated convolutions, and what the compiled loops have; `convolutions.py` has the equations.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float32

from xtalgraph.graphs.arrays import GraphArrays
from xtalgraph.nn.cgcnn.config import CgcnnConfig
from xtalgraph.nn.gated_sum.kernel import Scaling
from xtalgraph.nn.gated_sum.kinds import KERNEL_ACTIVATIONS, has_compiled_form
from xtalgraph.nn.gated_sum.near_gaussians import NearGaussians, near_gaussians_of
from xtalgraph.nn.numpy_parts import (
    EPSILON,
    GatedSum,
    Rows,
    Step,
    activate,
    list_known,
    pool,
    take_batch_norm,
    take_element_vectors,
    take_layer_norm,
    take_linear,
)
from xtalgraph.nn.state_reader import StateReader


class CgcnnInNumpy:
    """A trained `Cgcnn`: the same outputs, of graphs in numpy."""

    def __init__(
        self, config: CgcnnConfig, n_outputs: int, stored: Mapping[str, np.ndarray]
    ) -> None:
        numbers = StateReader(stored)
        self.config = config
        self.elements = take_element_vectors(numbers, config.element_vectors, config.atom_width)
        self.convolutions = [
            GatedConvolutionInNumpy(numbers, f"convolutions.{place}", config)
            for place in range(config.n_convolutions)
        ]
        self.output_steps = _take_output(numbers, config, n_outputs)
        numbers.finish()

    @staticmethod
    def can_compute(config: CgcnnConfig) -> bool:
        """Say whether a network of these settings has a form in numpy."""
        return (
            config.convolution == "gated"
            and not config.distance_degeneracy
            and has_compiled_form(config.activation, config.normalisation, config.n_gaussians)
        )

    @property
    def known_elements(self) -> list[int]:
        """Atomic numbers of the elements that the network has vectors for."""
        return list_known(self.elements)

    def fingerprint(self, graph: GraphArrays) -> Float32[np.ndarray, "n_crystals width"]:
        """Give one vector a crystal: the pooled atom vectors."""
        config = self.config
        step = (config.gaussian_stop - config.gaussian_start) / (config.n_gaussians - 1)
        near = near_gaussians_of(graph, config.gaussian_start, step, config.n_gaussians)
        atoms = self.elements[graph.atomic_numbers]
        for convolve in self.convolutions:
            atoms = convolve(atoms, near)
        return pool(atoms, graph, config.pooling)

    def output(
        self, pooled: Float32[np.ndarray, "n_crystals width"]
    ) -> Float32[np.ndarray, "n_crystals n_outputs"]:
        """Give the standardised targets or the logits of each crystal."""
        rows = pooled
        for step in self.output_steps:
            rows = step(rows)
        return rows


class GatedConvolutionInNumpy:
    """One gated convolution."""

    def __init__(self, numbers: StateReader, name: str, config: CgcnnConfig) -> None:
        width, n_gaussians = config.atom_width, config.n_gaussians
        whole = f"{name}.gate_and_message"
        weight = numbers.take(f"{whole}.weight", 2 * width, 2 * width + n_gaussians)
        self.offset = numbers.take(f"{whole}.bias", 2 * width)
        centre, neighbour, bond = np.split(weight.T, [width, 2 * width])
        self.centre_weight = np.ascontiguousarray(centre)
        self.neighbour_weight = np.ascontiguousarray(neighbour)
        self.kind = KERNEL_ACTIVATIONS[config.activation]
        self.activates_residual = config.activate_residual
        edges, total = f"{name}.normalise_edges", f"{name}.normalise_sum"
        self.normalise_sum: Step = lambda rows: rows
        if config.normalisation == "batch":
            columns = Scaling(*take_batch_norm(numbers, edges, 2 * width))
            self.gated_sum = GatedSum(bond, self.kind, columns)
            scale, shift = take_batch_norm(numbers, total, width)
            self.normalise_sum = lambda rows: rows * scale + shift
        elif config.normalisation == "layer":
            gain = numbers.take(f"{edges}.weight", 2 * width)
            offset = numbers.take(f"{edges}.bias", 2 * width)
            rows = Scaling(gain, offset, np.float32(EPSILON))
            self.gated_sum = GatedSum(bond, self.kind, rows)
            self.normalise_sum = take_layer_norm(numbers, total, width)
        else:
            self.gated_sum = GatedSum(bond, self.kind)

    def __call__(self, atoms: Rows, near: NearGaussians) -> Rows:
        """Give the new atom vectors."""
        from_centre = atoms @ self.centre_weight + self.offset
        received = self.gated_sum(from_centre, atoms @ self.neighbour_weight, near)
        atoms = atoms + self.normalise_sum(received)
        return activate(self.kind, atoms) if self.activates_residual else atoms


def _take_output(numbers: StateReader, config: CgcnnConfig, n_outputs: int) -> list[Step]:
    if config.n_hidden == 0:
        return [take_linear(numbers, "output.0", config.atom_width, n_outputs)]
    kind = KERNEL_ACTIVATIONS[config.activation]

    def activated(rows: Rows) -> Rows:
        return activate(kind, rows)

    steps: list[Step] = [activated]
    width, place = config.atom_width, 1
    for layer in range(config.n_hidden):
        steps += [take_linear(numbers, f"output.{place}", width, config.hidden_width), activated]
        has_dropout = layer == 0 and config.dropout > 0  # a layer of its own, without numbers
        place += 3 if has_dropout else 2
        width = config.hidden_width
    return [*steps, take_linear(numbers, f"output.{place}", width, n_outputs)]
