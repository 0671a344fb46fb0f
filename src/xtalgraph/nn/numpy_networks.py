"""Networks and their parts in numpy: predicting on a CPU, without the second that torch takes.

They give the numbers of those in torch to the rounding of float32, which is tested for every
network; the gated sum is the same compiled loop (`gated_sum/kernel.py`), and `cgcnn.py` and
`residual.py` have the equations. They have no derivatives. Each network has this form only where
all parts that its settings name have one (`can_compute`); `registry.py` has them by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float32

from xtalgraph.compiling import compiled_for_sums
from xtalgraph.graphs import GraphArrays
from xtalgraph.nn.configs import CgcnnConfig, ResidualConfig
from xtalgraph.nn.gated_sum import kernel
from xtalgraph.nn.gated_sum.kernel import SILU, NearGaussians, Scaling
from xtalgraph.nn.registry import (
    ACTIVATIONS,
    CONVOLUTIONS,
    LEARNED,
    NORMALISATIONS,
    POOLINGS,
    RADIAL_BASES,
    StateReader,
    has_near_form,
    load_form,
)
from xtalgraph.structures.elements import SYMBOLS

EPSILON = 1e-5  # of the normalisations: torch's
ZERO, ONE = np.float32(0.0), np.float32(1.0)

Rows = Float32[np.ndarray, "n_rows width"]
Step = Callable[[Rows], Rows]


def take_linear(
    reader: StateReader, name: str, n_in: int, n_out: int, *, bias: bool = True
) -> Step:
    """Return x W + b."""
    weight = np.ascontiguousarray(reader.take(f"{name}.weight", n_out, n_in).T)
    if not bias:
        return lambda rows: rows @ weight
    offset = reader.take(f"{name}.bias", n_out)
    return lambda rows: rows @ weight + offset


def batch_scaling(reader: StateReader, name: str, width: int) -> Scaling:
    """Return the scale and shift of a batch normalisation by its running statistics."""
    gain, offset = reader.take(f"{name}.weight", width), reader.take(f"{name}.bias", width)
    mean = reader.take(f"{name}.running_mean", width).astype(np.float64)
    variance = reader.take(f"{name}.running_var", width).astype(np.float64)
    reader.take(f"{name}.num_batches_tracked")
    scale = gain / np.sqrt(variance + EPSILON)
    return Scaling(scale.astype(np.float32), (offset - mean * scale).astype(np.float32))


def layer_scaling(reader: StateReader, name: str, width: int) -> Scaling:
    """Return the scale and shift of a layer normalisation, after each row's own."""
    gain, offset = reader.take(f"{name}.weight", width), reader.take(f"{name}.bias", width)
    return Scaling(gain, offset, np.float32(EPSILON))


def no_scaling(reader: StateReader, name: str, width: int) -> Scaling:
    """Return no scaling."""
    return Scaling()


def take_scaling(reader: StateReader, kind: str, name: str, width: int) -> Scaling:
    """Return the scaling of the normalisation of that kind."""
    return load_form(NORMALISATIONS[kind].in_numpy)(reader, name, width)


def scale_rows(scaling: Scaling) -> Step:
    """Return what a scaling does to rows."""
    scale, shift, epsilon = scaling
    if scale is None or shift is None:
        return lambda rows: rows
    if epsilon is None:
        return lambda rows: rows * scale + shift

    def normalise(rows: Rows) -> Rows:
        centred = rows - rows.mean(axis=1, keepdims=True)
        variance = np.mean(centred * centred, axis=1, keepdims=True)
        return centred / np.sqrt(variance + epsilon) * scale + shift

    return normalise


def take_element_vectors(reader: StateReader, kind: str, atom_width: int) -> Rows:
    """Return the first atom vector of each atomic number; NaN for an element without a vector."""
    name, n_elements = "element_vectors", len(SYMBOLS)
    if kind == LEARNED:
        return reader.take(f"{name}.embedding.weight", n_elements, atom_width)
    stored = reader.stored.get(f"{name}.vectors", np.zeros((n_elements, 0), np.float32))
    vectors = reader.take(f"{name}.vectors", n_elements, stored.shape[-1])
    refusal = reader.take(f"{name}.refusal", n_elements, 1)
    embed = take_linear(reader, f"{name}.embedding", stored.shape[-1], atom_width)
    return embed(vectors) + refusal


def list_known(vectors: Rows) -> list[int]:
    """Return the atomic numbers that have a vector."""
    known = ~np.isnan(vectors).any(axis=1)
    known[0] = False  # which no crystal holds
    return np.flatnonzero(known).tolist()


class GatedSum:
    """Σ σ(gate) ⊙ g(message) over the edges of each atom, of the argument's three parts."""

    def __init__(
        self,
        bond_weight: Float32[np.ndarray, "n_gaussians double_width"],
        kind: int,
        scaling: Scaling,
    ) -> None:
        self.bond_weight, self.kind = np.ascontiguousarray(bond_weight), kind
        self.scaling = scaling

    def __call__(
        self,
        from_centre: Float32[np.ndarray, "n_atoms double_width"],
        from_neighbour: Float32[np.ndarray, "n_atoms double_width"],
        near: NearGaussians,
    ) -> Float32[np.ndarray, "n_atoms width"]:
        """Return what each atom receives."""
        return kernel.sum_gated(
            self.kind, from_centre, from_neighbour, self.bond_weight, near, self.scaling
        )


def find_kind(activation: str) -> int:
    """Return the number by which the compiled loops know an activation."""
    return kernel.require_kind(load_form(ACTIVATIONS[activation].compiled))


@compiled_for_sums
def activate(kind, rows):  # type: ignore[no-untyped-def]
    """Return g of each component; `kind` is one of `find_kind`."""
    result = np.empty_like(rows)
    for row in range(rows.shape[0]):
        source, target = rows[row], result[row]
        if kind == kernel.RELU:
            for c in range(rows.shape[1]):
                target[c] = max(source[c], ZERO)
        elif kind == kernel.SOFTPLUS:
            for c in range(rows.shape[1]):
                e = kernel.exp_of(-abs(source[c]))
                target[c] = max(source[c], ZERO) + kernel.log_of_one_plus(e)
        else:
            for c in range(rows.shape[1]):
                e = kernel.exp_of(-abs(source[c]))
                sigmoid = (ONE if source[c] >= ZERO else e) / (ONE + e)
                target[c] = source[c] * sigmoid
    return result


def take_pooling(name: str) -> Callable[[Rows, GraphArrays], Rows]:
    """Return the pooling of that name, also for a batch without a crystal."""
    form = load_form(POOLINGS[name].in_numpy)

    def pool(
        atoms: Float32[np.ndarray, "n_atoms width"], graph: GraphArrays
    ) -> Float32[np.ndarray, "n_crystals width"]:
        if not graph.n_crystals:
            return np.empty((0, atoms.shape[1]), np.float32)
        return form(atoms, graph)

    return pool


def pool_sum(
    atoms: Float32[np.ndarray, "n_atoms width"], graph: GraphArrays
) -> Float32[np.ndarray, "n_crystals width"]:
    """Return the sum of the atom vectors of each crystal."""
    weighed = atoms * graph.multiplicity.astype(np.float32)[:, None]
    return np.add.reduceat(weighed, graph.crystal_starts)


def pool_mean(
    atoms: Float32[np.ndarray, "n_atoms width"], graph: GraphArrays
) -> Float32[np.ndarray, "n_crystals width"]:
    """Return the mean of the atom vectors of each crystal."""
    n_atoms = np.add.reduceat(graph.multiplicity, graph.crystal_starts)
    return pool_sum(atoms, graph) / n_atoms.astype(np.float32)[:, None]


def pool_max(
    atoms: Float32[np.ndarray, "n_atoms width"], graph: GraphArrays
) -> Float32[np.ndarray, "n_crystals width"]:
    """Return the largest value of each component among the atoms of each crystal."""
    return np.maximum.reduceat(atoms, graph.crystal_starts)


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
        """Return whether a network of these settings has a form in numpy."""
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
        """Return one vector a crystal: the pooled atom vectors."""
        near = self.expand(graph, *self.basis)
        atoms = self.elements[graph.atomic_numbers]
        for convolve in self.convolutions:
            atoms = convolve(atoms, near)
        return self.pool(atoms, graph)

    def output(
        self, pooled: Float32[np.ndarray, "n_crystals width"]
    ) -> Float32[np.ndarray, "n_crystals n_outputs"]:
        """Return the standardised targets or the logits of each crystal."""
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
        """Return the new atom vectors."""
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
        """Return whether a network of these settings has a form in numpy."""
        has_pooling = POOLINGS[config.pooling].in_numpy is not None
        return has_pooling and has_near_form(config.radial_basis, config.n_gaussians)

    @property
    def known_elements(self) -> list[int]:
        """Atomic numbers of the elements that the network has vectors for."""
        return list_known(self.elements)

    def fingerprint(self, graph: GraphArrays) -> Float32[np.ndarray, "n_crystals width"]:
        """Return one vector a crystal: the pooled atom vectors, and the term of the composition."""
        near = self.expand(graph, *self.basis)
        atoms = self.elements[graph.atomic_numbers]
        for block in self.blocks:
            atoms = block(atoms, near)
        atoms = np.concatenate([atoms, self.composition[graph.atomic_numbers]], axis=1)
        return self.pool(atoms, graph)

    def output(
        self, pooled: Float32[np.ndarray, "n_crystals width"]
    ) -> Float32[np.ndarray, "n_crystals n_outputs"]:
        """Return the standardised targets or the logits of each crystal."""
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
        """Return the new atom vectors."""
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
