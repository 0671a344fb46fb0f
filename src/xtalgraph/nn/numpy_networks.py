"""The networks without torch, for predicting; `cgcnn.py` and `residual.py` have the equations.

Each has a form in numpy only where all parts that its settings name have one (`can_compute`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float32

from xtalgraph.graphs import GraphArrays
from xtalgraph.nn.configs import CgcnnConfig, ResidualConfig
from xtalgraph.nn.gated_sum.kernel import SILU, NearGaussians, Scaling
from xtalgraph.nn.numpy_parts import (
    GatedSum,
    Rows,
    Step,
    activate,
    find_kind,
    layer_scaling,
    list_known,
    scale_rows,
    take_element_vectors,
    take_linear,
    take_pooling,
    take_scaling,
)
from xtalgraph.nn.registry import (
    ACTIVATIONS,
    CONVOLUTIONS,
    NORMALISATIONS,
    POOLINGS,
    RADIAL_BASES,
    StateReader,
    has_near_form,
    load_form,
)


class CgcnnInNumpy:
    """A trained `Cgcnn`: the same outputs, of graphs in numpy."""

    def __init__(
        self, config: CgcnnConfig, n_outputs: int, stored: Mapping[str, np.ndarray]
    ) -> None:
        reader = StateReader(stored)
        self.expand = load_form(RADIAL_BASES[config.radial_basis].in_numpy)
        self.basis = config.gaussian_start, config.gaussian_stop, config.n_gaussians
        self.pool = take_pooling(config.pooling)
        self.elements = take_element_vectors(reader, config.element_vectors, config.atom_width)
        convolution = load_form(CONVOLUTIONS[config.convolution].in_numpy)
        self.convolutions = [
            convolution(reader, f"convolutions.{place}", config)
            for place in range(config.n_convolutions)
        ]
        self.output_steps = _take_cgcnn_output(reader, config, n_outputs)
        reader.finish()

    @staticmethod
    def can_compute(config: CgcnnConfig) -> bool:
        """Say whether a network of these settings has a form in numpy."""
        return (
            not config.distance_degeneracy
            and CONVOLUTIONS[config.convolution].in_numpy is not None
            and ACTIVATIONS[config.activation].compiled is not None
            and NORMALISATIONS[config.normalisation].in_numpy is not None
            and POOLINGS[config.pooling].in_numpy is not None
            and has_near_form(config.radial_basis, config.n_gaussians)
        )

    @property
    def known_elements(self) -> list[int]:
        """Atomic numbers of the elements that the network has vectors for."""
        return list_known(self.elements)

    def fingerprint(self, graph: GraphArrays) -> Float32[np.ndarray, "n_crystals width"]:
        """Give one vector a crystal: the pooled atom vectors."""
        near = self.expand(graph, *self.basis)
        atoms = self.elements[graph.atomic_numbers]
        for convolve in self.convolutions:
            atoms = convolve(atoms, near)
        return self.pool(atoms, graph)

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

    def __init__(self, reader: StateReader, name: str, config: CgcnnConfig) -> None:
        width, n_gaussians = config.atom_width, config.n_gaussians
        whole = f"{name}.gate_and_message"
        weight = reader.take(f"{whole}.weight", 2 * width, 2 * width + n_gaussians)
        self.offset = reader.take(f"{whole}.bias", 2 * width)
        centre, neighbour, bond = np.split(weight.T, [width, 2 * width])
        self.centre_weight = np.ascontiguousarray(centre)
        self.neighbour_weight = np.ascontiguousarray(neighbour)
        self.kind = find_kind(config.activation)
        self.activates_residual = config.activate_residual
        of_edges, of_sums = (
            take_scaling(reader, config.normalisation, f"{name}.{place}", n_columns)
            for place, n_columns in (("normalise_edges", 2 * width), ("normalise_sum", width))
        )
        self.gated_sum = GatedSum(bond, self.kind, of_edges)
        self.normalise_sum = scale_rows(of_sums)

    def __call__(self, atoms: Rows, near: NearGaussians) -> Rows:
        """Give the new atom vectors."""
        from_centre = atoms @ self.centre_weight + self.offset
        received = self.gated_sum(from_centre, atoms @ self.neighbour_weight, near)
        atoms = atoms + self.normalise_sum(received)
        return activate(self.kind, atoms) if self.activates_residual else atoms


def _take_cgcnn_output(reader: StateReader, config: CgcnnConfig, n_outputs: int) -> list[Step]:
    if config.n_hidden == 0:
        return [take_linear(reader, "output.0", config.atom_width, n_outputs)]
    kind = find_kind(config.activation)

    def activated(rows: Rows) -> Rows:
        return activate(kind, rows)

    steps: list[Step] = [activated]
    width, place = config.atom_width, 1
    for layer in range(config.n_hidden):
        steps += [take_linear(reader, f"output.{place}", width, config.hidden_width), activated]
        has_dropout = layer == 0 and config.dropout > 0  # a layer of its own, without numbers
        place += 3 if has_dropout else 2
        width = config.hidden_width
    return [*steps, take_linear(reader, f"output.{place}", width, n_outputs)]


class ResidualInNumpy:
    """A trained `ResidualNetwork`: the same outputs, of graphs in numpy."""

    def __init__(
        self, config: ResidualConfig, n_outputs: int, stored: Mapping[str, np.ndarray]
    ) -> None:
        reader = StateReader(stored)
        self.expand = load_form(RADIAL_BASES[config.radial_basis].in_numpy)
        self.basis = 0.0, config.gaussian_stop, config.n_gaussians
        self.pool, self.width = take_pooling(config.pooling), config.atom_width
        self.elements = take_element_vectors(reader, config.element_vectors, config.atom_width)
        self.blocks = [
            BlockInNumpy(reader, f"blocks.{place}", config) for place in range(config.n_blocks)
        ]
        self.output_steps = _take_residual_output(reader, config, n_outputs)
        self.composition = reader.take("composition.weight", len(self.elements), n_outputs)
        reader.finish()

    @staticmethod
    def can_compute(config: ResidualConfig) -> bool:
        """Say whether a network of these settings has a form in numpy."""
        has_pooling = POOLINGS[config.pooling].in_numpy is not None
        return has_pooling and has_near_form(config.radial_basis, config.n_gaussians)

    @property
    def known_elements(self) -> list[int]:
        """Atomic numbers of the elements that the network has vectors for."""
        return list_known(self.elements)

    def fingerprint(self, graph: GraphArrays) -> Float32[np.ndarray, "n_crystals width"]:
        """Give one vector a crystal: the pooled atom vectors, and the term of the composition."""
        near = self.expand(graph, *self.basis)
        atoms = self.elements[graph.atomic_numbers]
        for block in self.blocks:
            atoms = block(atoms, near)
        atoms = np.concatenate([atoms, self.composition[graph.atomic_numbers]], axis=1)
        return self.pool(atoms, graph)

    def output(
        self, pooled: Float32[np.ndarray, "n_crystals width"]
    ) -> Float32[np.ndarray, "n_crystals n_outputs"]:
        """Give the standardised targets or the logits of each crystal."""
        rows = pooled[:, : self.width]
        for step in self.output_steps:
            rows = step(rows)
        return rows + pooled[:, self.width :]


class BlockInNumpy:
    """One block: atoms take up their neighbours and change."""

    def __init__(self, reader: StateReader, name: str, config: ResidualConfig) -> None:
        width = config.atom_width
        self.normalise = scale_rows(layer_scaling(reader, f"{name}.normalise", width))
        self.from_centre = take_linear(reader, f"{name}.from_centre", width, 2 * width)
        self.from_neighbour = take_linear(
            reader, f"{name}.from_neighbour", width, 2 * width, bias=False
        )
        bond_weight = reader.take(f"{name}.from_bond.weight", 2 * width, config.n_gaussians).T
        self.gated_sum = GatedSum(bond_weight, SILU, Scaling())
        self.widen = take_linear(reader, f"{name}.widen", 2 * width, 4 * width)
        self.narrow = take_linear(reader, f"{name}.narrow", 2 * width, width)

    def __call__(self, atoms: Rows, near: NearGaussians) -> Rows:
        """Give the new atom vectors."""
        own = self.normalise(atoms)
        received = self.gated_sum(self.from_centre(own), self.from_neighbour(own), near)
        gate, change = np.split(self.widen(np.concatenate([own, received], axis=1)), 2, axis=1)
        return atoms + self.narrow(activate(SILU, gate) * change)


def _take_residual_output(
    reader: StateReader, config: ResidualConfig, n_outputs: int
) -> list[Step]:
    if config.n_hidden == 0:
        return [take_linear(reader, "output.0", config.atom_width, n_outputs)]
    steps: list[Step] = [scale_rows(layer_scaling(reader, "output.0", config.atom_width))]
    width = config.atom_width
    for layer in range(config.n_hidden):
        steps.append(take_linear(reader, f"output.{2 * layer + 1}", width, config.hidden_width))
        steps.append(lambda rows: activate(SILU, rows))
        width = config.hidden_width
    last = f"output.{2 * config.n_hidden + 1}"
    return [*steps, take_linear(reader, last, width, n_outputs)]
