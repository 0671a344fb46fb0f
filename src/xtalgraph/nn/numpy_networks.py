"""Networks in numpy: predicting on a CPU, without the second that torch takes to load.

They give the numbers of those in torch to the rounding of float32, which is tested for every
network; the gated sum is the same compiled loop (`gated_sum/kernel.py`), and `cgcnn.py` and
`residual.py` have the equations. They have no derivatives. Each network has this form only where
all parts that its settings name have one (`can_compute`); `registry.py` has them by name.

Half of the time are products of matrices, which numpy's library computes near the peak of the
processor. So little else may be done beside them: arrays are filled in place, biases and what
follows a normalisation are part of the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np
from jaxtyping import Float32

from xtalgraph.graphs import GraphArrays
from xtalgraph.nn.configs import CgcnnConfig, ResidualConfig, bond_width
from xtalgraph.nn.gated_sum.kernel import SILU, NearGaussians, Scaling
from xtalgraph.nn.numpy_parts import (
    EPSILON,
    GatedSum,
    Linear,
    Rows,
    Step,
    TiedBonds,
    activate,
    find_bond_ties,
    find_kind,
    layer_scaling,
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


class Trunk:
    """What a network computes before pooling; networks of other outputs may share it.

    Calling it returns one vector an atom (a node of a deduplicated graph).
    """

    def __init__(
        self,
        elements: Rows,
        expand: Callable[[GraphArrays], Any],
        layers: Sequence[Callable[[Rows, Any], Rows]],
    ) -> None:
        self.elements, self.expand, self.layers = elements, expand, layers

    def __call__(self, graph: GraphArrays) -> Float32[np.ndarray, "n_atoms width"]:
        bonds = self.expand(graph)
        atoms = self.elements[graph.atomic_numbers]
        for layer in self.layers:
            atoms = layer(atoms, bonds)
        return atoms

    @property
    def known_elements(self) -> list[int]:
        """Atomic numbers of the elements that have a vector."""
        known = ~np.isnan(self.elements).any(axis=1)
        known[0] = False  # which no crystal holds
        return np.flatnonzero(known).tolist()


class Head:
    """The layers after pooling."""

    def __init__(self, steps: Sequence[Step], last: Linear) -> None:
        self.steps, self.last = steps, last

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Return the outputs of pooled vectors."""
        for step in self.steps:
            rows = step(rows)
        return self.last(rows)

    def select(self, outputs: Sequence[int]) -> Head:
        """Return the layers of some of the outputs."""
        return Head(self.steps, self.last.select(outputs))


class CgcnnInNumpy:
    """A trained `Cgcnn`: the same outputs, of graphs in numpy."""

    def __init__(
        self, config: CgcnnConfig, n_outputs: int, stored: Mapping[str, np.ndarray]
    ) -> None:
        reader = StateReader(stored)
        expand = load_form(RADIAL_BASES[config.radial_basis].in_numpy)
        basis = config.gaussian_start, config.gaussian_stop, config.n_gaussians
        self.pool_atoms = take_pooling(config.pooling)
        elements = take_element_vectors(reader, config.element_vectors, config.atom_width)
        convolution = load_form(CONVOLUTIONS[config.convolution].in_numpy)
        convolutions = [
            convolution(reader, f"convolutions.{place}", config)
            for place in range(config.n_convolutions)
        ]

        def describe(graph: GraphArrays) -> NearGaussians | TiedBonds:
            near = expand(graph, *basis)
            return TiedBonds(near, find_bond_ties(graph)) if config.distance_degeneracy else near

        self.trunk = Trunk(elements, describe, convolutions)
        self.head = _take_cgcnn_head(reader, config, n_outputs)
        reader.finish()

    @staticmethod
    def can_compute(config: CgcnnConfig) -> bool:
        """Return whether a network of these settings has a form in numpy."""
        return (
            CONVOLUTIONS[config.convolution].in_numpy is not None
            and ACTIVATIONS[config.activation].compiled is not None
            and NORMALISATIONS[config.normalisation].in_numpy is not None
            and POOLINGS[config.pooling].in_numpy is not None
            and has_near_form(config.radial_basis, config.n_gaussians)
        )

    @property
    def known_elements(self) -> list[int]:
        """Atomic numbers of the elements that the network has vectors for."""
        return self.trunk.known_elements

    def pool(
        self, atoms: Float32[np.ndarray, "n_atoms width"], graph: GraphArrays
    ) -> Float32[np.ndarray, "n_crystals width"]:
        """Return one vector a crystal: the pooled atom vectors of the trunk."""
        return self.pool_atoms(atoms, graph)

    def fingerprint(self, graph: GraphArrays) -> Float32[np.ndarray, "n_crystals width"]:
        """Return one vector a crystal: the pooled atom vectors."""
        return self.pool(self.trunk(graph), graph)

    def output(
        self, pooled: Float32[np.ndarray, "n_crystals width"]
    ) -> Float32[np.ndarray, "n_crystals n_outputs"]:
        """Return the standardized targets or the logits of each crystal."""
        return self.head(pooled)

    def select(self, outputs: Sequence[int]) -> CgcnnInNumpy:
        """Return the network of some of the outputs, which shares the trunk with this one."""
        chosen = copy(self)
        chosen.head = self.head.select(outputs)
        return chosen


class GatedConvolutionInNumpy:
    """One gated convolution."""

    def __init__(self, reader: StateReader, name: str, config: CgcnnConfig) -> None:
        width, whole = config.atom_width, f"{name}.gate_and_message"
        weight = reader.take(f"{whole}.weight", 2 * width, 2 * width + bond_width(config))
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

    def __call__(self, atoms: Rows, bonds: NearGaussians | TiedBonds) -> Rows:
        """Return the new atom vectors."""
        from_centre = atoms @ self.centre_weight
        from_centre += self.offset
        received = self.gated_sum(from_centre, atoms @ self.neighbour_weight, bonds)
        atoms = atoms + self.normalise_sum(received)
        return activate(self.kind, atoms) if self.activates_residual else atoms


def _take_cgcnn_head(reader: StateReader, config: CgcnnConfig, n_outputs: int) -> Head:
    if config.n_hidden == 0:
        return Head([], take_linear(reader, "output.0", config.atom_width, n_outputs))
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
    return Head(steps, take_linear(reader, f"output.{place}", width, n_outputs))


class ResidualInNumpy:
    """A trained `ResidualNetwork`: the same outputs, of graphs in numpy."""

    def __init__(
        self, config: ResidualConfig, n_outputs: int, stored: Mapping[str, np.ndarray]
    ) -> None:
        reader = StateReader(stored)
        self.pool_atoms, self.width = take_pooling(config.pooling), config.atom_width
        elements = take_element_vectors(reader, config.element_vectors, config.atom_width)
        blocks = [
            BlockInNumpy(reader, f"blocks.{place}", config) for place in range(config.n_blocks)
        ]
        expand = load_form(RADIAL_BASES[config.radial_basis].in_numpy)
        basis = 0.0, config.gaussian_stop, config.n_gaussians

        def prepare(graph: GraphArrays) -> tuple[NearGaussians, _BlockRoom]:
            return expand(graph, *basis), _BlockRoom(graph.n_atoms, config.atom_width)

        self.trunk = Trunk(elements, prepare, blocks)
        self.head = _take_residual_head(reader, config, n_outputs)
        self.composition = reader.take("composition.weight", len(elements), n_outputs)
        reader.finish()

    @staticmethod
    def can_compute(config: ResidualConfig) -> bool:
        """Return whether a network of these settings has a form in numpy."""
        has_pooling = POOLINGS[config.pooling].in_numpy is not None
        return has_pooling and has_near_form(config.radial_basis, config.n_gaussians)

    @property
    def known_elements(self) -> list[int]:
        """Atomic numbers of the elements that the network has vectors for."""
        return self.trunk.known_elements

    def pool(
        self, atoms: Float32[np.ndarray, "n_atoms atom_width"], graph: GraphArrays
    ) -> Float32[np.ndarray, "n_crystals width"]:
        """Return one vector a crystal: the pooled atom vectors, the composition's term at last."""
        whole = np.concatenate([atoms, self.composition[graph.atomic_numbers]], axis=1)
        return self.pool_atoms(whole, graph)

    def fingerprint(self, graph: GraphArrays) -> Float32[np.ndarray, "n_crystals width"]:
        """Return one vector a crystal: the pooled atom vectors, and the term of the composition."""
        return self.pool(self.trunk(graph), graph)

    def output(
        self, pooled: Float32[np.ndarray, "n_crystals width"]
    ) -> Float32[np.ndarray, "n_crystals n_outputs"]:
        """Return the standardized targets or the logits of each crystal."""
        return self.head(pooled[:, : self.width]) + pooled[:, self.width :]

    def select(self, outputs: Sequence[int]) -> ResidualInNumpy:
        """Return the network of some of the outputs, which shares the trunk with this one."""
        chosen = copy(self)
        chosen.head = self.head.select(outputs)
        chosen.composition = self.composition[:, list(outputs)]
        return chosen


class _BlockRoom:
    """Arrays that all blocks of a network fill in turn: making new ones costs as much as filling.

    A column of ones in the input of a product adds the bias. What follows the sum over the edges
    runs over `ROWS` atoms at a time, whose numbers stay in the cache.
    """

    ROWS = 256

    def __init__(self, n_atoms: int, width: int) -> None:
        self.inputs = np.empty((n_atoms, 2 * width + 1), np.float32)  # own vector, 1, received
        self.inputs[:, width] = 1.0
        self.from_centre = np.empty((n_atoms, 2 * width), np.float32)
        self.from_neighbour = np.empty_like(self.from_centre)
        n_rows = min(n_atoms, self.ROWS)
        self.wide = np.empty((n_rows, 4 * width), np.float32)
        self.hidden = np.empty((n_rows, 2 * width + 1), np.float32)  # and 1
        self.hidden[:, -1] = 1.0
        self.change = np.empty((n_rows, width), np.float32)


class BlockInNumpy:
    """One block: atoms take up their neighbours and change.

    The scale and shift of the normalisation are part of the weights that follow it.
    """

    def __init__(self, reader: StateReader, name: str, config: ResidualConfig) -> None:
        width, n_gaussians = config.atom_width, config.n_gaussians

        def take(part: str, n_in: int, n_out: int) -> Rows:
            return reader.take(f"{name}.{part}.weight", n_out, n_in).T

        scale, shift = (
            reader.take(f"{name}.normalise.{part}", width) for part in ("weight", "bias")
        )
        centre, neighbour = (
            take(part, width, 2 * width) for part in ("from_centre", "from_neighbour")
        )
        bias = reader.take(f"{name}.from_centre.bias", 2 * width) + shift @ (centre + neighbour)
        self.centre_weight = np.vstack([scale[:, None] * centre, bias])
        self.neighbour_weight = np.ascontiguousarray(scale[:, None] * neighbour)
        self.gated_sum = GatedSum(take("from_bond", n_gaussians, 2 * width), SILU, Scaling())
        wide = take("widen", 2 * width, 4 * width)
        bias = reader.take(f"{name}.widen.bias", 4 * width) + shift @ wide[:width]
        self.wide_weight = np.vstack([scale[:, None] * wide[:width], bias, wide[width:]])
        self.wide_weight[:, : 2 * width] *= np.float32(0.5)  # x σ(x) is (1 + tanh(x/2)) x/2
        self.narrow_weight = np.vstack(
            [take("narrow", 2 * width, width), reader.take(f"{name}.narrow.bias", width)]
        )

    def __call__(self, atoms: Rows, bonds: tuple[NearGaussians, _BlockRoom]) -> Rows:
        """Change the atom vectors in place."""
        (near, room), width = bonds, atoms.shape[1]
        own, received = room.inputs[:, :width], room.inputs[:, width + 1 :]
        np.subtract(atoms, atoms.mean(axis=1, keepdims=True), out=own)
        variance = np.einsum("ij,ij->i", own, own) / np.float32(width)
        own /= np.sqrt(variance + np.float32(EPSILON))[:, None]
        np.matmul(room.inputs[:, : width + 1], self.centre_weight, out=room.from_centre)
        np.matmul(own, self.neighbour_weight, out=room.from_neighbour)
        received[:] = self.gated_sum(room.from_centre, room.from_neighbour, near)
        for first in range(0, len(atoms), room.ROWS):
            inputs = room.inputs[first : first + room.ROWS]
            n_rows = len(inputs)
            wide, hidden, change = (rows[:n_rows] for rows in (room.wide, room.hidden, room.change))
            np.matmul(inputs, self.wide_weight, out=wide)
            gate, values, gated = wide[:, : 2 * width], wide[:, 2 * width :], hidden[:, :-1]
            np.tanh(gate, out=gated)
            gated += np.float32(1.0)
            gated *= gate
            gated *= values
            np.matmul(hidden, self.narrow_weight, out=change)
            atoms[first : first + n_rows] += change
        return atoms


def _take_residual_head(reader: StateReader, config: ResidualConfig, n_outputs: int) -> Head:
    if config.n_hidden == 0:
        return Head([], take_linear(reader, "output.0", config.atom_width, n_outputs))
    steps: list[Step] = [scale_rows(layer_scaling(reader, "output.0", config.atom_width))]
    width = config.atom_width
    for layer in range(config.n_hidden):
        steps.append(take_linear(reader, f"output.{2 * layer + 1}", width, config.hidden_width))
        steps.append(lambda rows: activate(SILU, rows))
        width = config.hidden_width
    last = f"output.{2 * config.n_hidden + 1}"
    return Head(steps, take_linear(reader, last, width, n_outputs))
