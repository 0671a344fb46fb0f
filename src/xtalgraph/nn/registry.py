"""What networks are made of, and the networks themselves, by name; other packages may add to them.

An entry of a registry holds all that the rest of the package has to know of a part: its form in
torch, its form in numpy (or compiled loops), and facts such as `is_linear`. Nothing else compares
the names of parts. A form is an object, or `"module:name"`, which is imported when it is first
used: settings and help need no torch, and a prediction on a CPU needs the forms in numpy alone. A
part without a form in numpy is predicted with torch.

    @POOLINGS.adding("smallest", partial(Pooling, in_numpy=smallest_in_numpy))
    def smallest(atoms, graph): ...

From another package, name such an entry (`NAME = Pooling(...)`) as an entry point of the group
`xtalgraph.poolings`, `.activations`, `.normalisations`, `.radial_bases`, `.convolutions` or
`.networks`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias, runtime_checkable

import numpy as np

from xtalgraph.errors import BadCheckpoint, BadConfig, UnknownName
from xtalgraph.extras import explain_missing, import_extra
from xtalgraph.registry import Registry

if TYPE_CHECKING:
    from jaxtyping import Float, Float32
    from torch import Tensor, nn

    from xtalgraph.graphs import CrystalGraph, GraphArrays

Form: TypeAlias = Callable[..., Any] | str

PAPER, LEARNED = "paper", "learned"
"""Values of the setting `element_vectors` that are no path."""

Shape = tuple[int, ...]
BACKENDS = ("auto", "torch", "triton")


def load_form(form: Any) -> Any:
    """Return a form of a part, imported where it is written as `"module:name"`.

    Raises:
        BadConfig: there is no such form, or it cannot be imported.
    """
    if form is None:
        raise BadConfig("a part of the network lacks the form that is asked for: see its entry.")
    if not isinstance(form, str):
        return form
    module, _, name = form.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise explain_missing(error, f"the network part {form}") or BadConfig(
            f"the form {form!r} of a part of the network cannot be loaded ({error}). Correct its "
            "entry, or reinstall the package that it is from."
        ) from error


@dataclass(frozen=True)
class Pooling:
    """From the atom vectors of each crystal to one vector of the crystal.

    Attributes:
        in_torch: `(atoms, graph: CrystalGraph)` to vectors [n_crystals, width]. A node counts
            `graph.multiplicity` times.
        in_numpy: the same of float32 arrays and `GraphArrays`, with one crystal at least, see
            `GraphArrays.crystal_starts`.
        is_linear: the pooled vector is linear in the atom vectors.
        is_extensive: it doubles with the cell; else it does not depend on the choice of the cell.
        fractions: `(atoms, pooled, graph)` to [n_atoms, width], in torch and float64, for a graph
            that is not deduplicated: what to multiply atom vectors by so that they add up to the
            pooled vector. None: a prediction cannot be attributed to sites.
    """

    in_torch: Form
    in_numpy: Form | None = None
    is_linear: bool = False
    is_extensive: bool = False
    fractions: Form | None = None

    @property
    def is_mean(self) -> bool:
        """Whether the pooled vector is the mean of something of each atom."""
        return self.is_linear and not self.is_extensive


@dataclass(frozen=True)
class Activation:
    """A non-linear function of each component.

    Attributes:
        in_torch: without arguments, gives a module.
        compiled: SILU, SOFTPLUS or RELU of `gated_sum/kernel.py`: which function of the compiled
            loops and of the Triton kernels it is, on which prediction in numpy depends.
    """

    in_torch: Form
    compiled: int | str | None = None


@dataclass(frozen=True)
class Normalisation:
    """Keeps numbers inside a network near mean 0 and variance 1.

    Attributes:
        in_torch: `(width)` to a module of rows [n_rows, width], atoms or edges.
        in_numpy: `(reader: StateReader, name, width)` to the `Scaling` of a trained one.
        is_fused: the module is a LayerNorm, BatchNorm1d or Identity of torch, which the compiled
            gated sum computes and differentiates itself.
        over_batch: rows are normalised with others of the batch while training. Each atom must
            then be a row of its own: training does without deduplication.
    """

    in_torch: Form
    in_numpy: Form | None = None
    is_fused: bool = False
    over_batch: bool = False


@dataclass(frozen=True)
class RadialBasis:
    """From distances to vectors.

    Attributes:
        in_torch: `(start, stop, n_functions)`, distances in Å, to a module of distances [n_edges].
        in_numpy: `(graph: GraphArrays, start, stop, n_functions)` to `NearGaussians`, which has
            the eight functions that are not negligible at each distance.
        n_least: functions that the form in numpy needs.
        in_triton: the Triton kernels, which compute Gaussians, can take its place.
    """

    in_torch: Form
    in_numpy: Form | None = None
    n_least: int = 1
    in_triton: bool = False


@dataclass(frozen=True)
class Convolution:
    """How the atom vectors of a `Cgcnn` take up what stands around them.

    Attributes:
        in_torch: `(config: CgcnnConfig)` to a module of (atoms, edges, graph).
        in_numpy: `(reader: StateReader, name, config)` to a function of (atoms, NearGaussians).
        is_fused: the module passes its edges on to `gated_sum`, in whichever form they come; else
            they are vectors [n_edges, bond_width].
    """

    in_torch: Form
    in_numpy: Form | None = None
    is_fused: bool = False


POOLINGS: Registry[Pooling] = Registry("pooling", "xtalgraph.poolings", Pooling)
ACTIVATIONS: Registry[Activation] = Registry("activation", "xtalgraph.activations", Activation)
NORMALISATIONS: Registry[Normalisation] = Registry(
    "normalisation", "xtalgraph.normalisations", Normalisation
)
RADIAL_BASES: Registry[RadialBasis] = Registry(
    "radial basis", "xtalgraph.radial_bases", RadialBasis
)
CONVOLUTIONS: Registry[Convolution] = Registry("convolution", "xtalgraph.convolutions", Convolution)

_TORCH, _NUMPY = "xtalgraph.nn.torch_parts", "xtalgraph.nn.numpy_parts"
_NETWORKS = "xtalgraph.nn.numpy_networks"
_KERNEL, _CGCNN = "xtalgraph.nn.gated_sum.kernel", "xtalgraph.nn.cgcnn"

for _name, _is_linear, _is_extensive, _fractions in (
    ("mean", True, False, "mean_fractions"),  # suits what does not grow with the cell
    ("sum", True, True, "whole_fractions"),  # what does: an energy per cell
    ("max", False, False, "extreme_fractions"),  # what one kind of site decides
):
    POOLINGS.add(
        _name,
        Pooling(
            f"{_TORCH}:pool_{_name}",
            f"{_NUMPY}:pool_{_name}",
            _is_linear,
            _is_extensive,
            f"{_TORCH}:{_fractions}",
        ),
    )

ACTIVATIONS.add("softplus", Activation("torch.nn:Softplus", f"{_KERNEL}:SOFTPLUS"))  # ln(1 + eˣ)
ACTIVATIONS.add("silu", Activation("torch.nn:SiLU", f"{_KERNEL}:SILU"))  # x σ(x)
ACTIVATIONS.add("relu", Activation("torch.nn:ReLU", f"{_KERNEL}:RELU"))  # max(x, 0)
ACTIVATIONS.add("leaky_relu", Activation("torch.nn:LeakyReLU"))
ACTIVATIONS.add("elu", Activation("torch.nn:ELU"))
ACTIVATIONS.add("gelu", Activation("torch.nn:GELU"))
ACTIVATIONS.add("tanh", Activation("torch.nn:Tanh"))
ACTIVATIONS.add("identity", Activation("torch.nn:Identity"))  # an ablation: no non-linearity

NORMALISATIONS.add(
    "batch",  # over the rows of the batch; running statistics when predicting
    Normalisation(f"{_TORCH}:BatchNorm", f"{_NUMPY}:batch_scaling", is_fused=True, over_batch=True),
)
NORMALISATIONS.add(
    "layer",  # over the components of each row; the same when predicting
    Normalisation("torch.nn:LayerNorm", f"{_NUMPY}:layer_scaling", is_fused=True),
)
NORMALISATIONS.add(
    "none", Normalisation("torch.nn:Identity", f"{_NUMPY}:no_scaling", is_fused=True)
)

RADIAL_BASES.add(
    "gaussian",
    RadialBasis(f"{_TORCH}:GaussianBasis", f"{_KERNEL}:near_gaussians", n_least=8, in_triton=True),
)

CONVOLUTIONS.add("none", Convolution(f"{_CGCNN}:SelfConvolution"))
CONVOLUTIONS.add("shared", Convolution(f"{_CGCNN}:SharedConvolution"))  # the paper's equation 4
CONVOLUTIONS.add(
    "gated",  # its equation 5
    Convolution(
        f"{_CGCNN}:GatedConvolution",
        f"{_NETWORKS}:GatedConvolutionInNumpy",
        is_fused=True,
    ),
)


def can_be_fused(activation: str, normalisation: str) -> bool:
    """Return whether the compiled gated sum has these two parts, and their derivatives."""
    is_fused = NORMALISATIONS[normalisation].is_fused
    return is_fused and ACTIVATIONS[activation].compiled is not None


def has_near_form(radial_basis: str, n_functions: int) -> bool:
    """Return whether compiled loops can take a radial basis of so many functions."""
    basis = RADIAL_BASES[radial_basis]
    return basis.in_numpy is not None and n_functions >= basis.n_least


def pooling_of(config: NetworkConfig) -> Pooling | None:
    """Return the pooling between a network's atom vectors and its fingerprint, if it names one."""
    name = getattr(config, "pooling", None)
    return None if name is None else POOLINGS[name]


def learns_elements(config: NetworkConfig) -> bool:
    """Return whether a network learns its element vectors, so that unseen elements have none."""
    return getattr(config, "element_vectors", None) == LEARNED


@runtime_checkable
class NetworkConfig(Protocol):
    """The settings of a network: a frozen dataclass, all of whose fields have a default.

    Fields made with `settings.setting` are checked and explained. One named `pooling` says what is
    between `atom_vectors` and `fingerprint`; predictions of a network without it cannot be
    attributed to sites.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]


@runtime_checkable
class Network(Protocol):
    """A network in torch: an `nn.Module` that has these members.

    `forward` is `output` of `fingerprint`. An output is a standardised target, or the logit of a
    class.

    Attributes:
        output: an `nn.Sequential` from the fingerprint to the outputs, whose last layer is an
            `nn.Linear`; fine-tuning learns it anew.
    """

    output: Any

    @property
    def known_elements(self) -> list[int]:
        """Atomic numbers of the elements that the network can take."""
        ...

    @property
    def learns_from_deduplicated(self) -> bool:
        """Whether training on deduplicated graphs gives the gradients of whole ones."""
        ...

    def fingerprint(self, graph: CrystalGraph) -> Float[Tensor, "n_crystals width"]:
        """Return one vector a crystal."""
        ...

    def atom_vectors(self, graph: CrystalGraph) -> Float[Tensor, "n_atoms width"]:
        """Return one vector an atom (a node of a deduplicated graph), before pooling."""
        ...

    def forward(self, graph: CrystalGraph) -> Float[Tensor, "n_crystals n_outputs"]:
        """Return the outputs of each crystal of a batch."""
        ...

    # what is used of nn.Module

    def __call__(self, graph: CrystalGraph) -> Float[Tensor, "n_crystals n_outputs"]:
        """Call `forward`."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return the weights and buffers by name."""
        ...

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any:
        """Take weights and buffers by name."""
        ...

    def parameters(self) -> Iterator[nn.Parameter]:
        """Return the weights that training changes."""
        ...

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Return the weights that training changes, with their names."""
        ...

    def buffers(self) -> Iterator[Tensor]:
        """Return the numbers that are no weights, such as running statistics."""
        ...

    def named_children(self) -> Iterator[tuple[str, nn.Module]]:
        """Return the modules that it is made of, with their names."""
        ...

    def get_parameter(self, target: str) -> nn.Parameter:
        """Return the weights of a name."""
        ...

    def to(self, device: Any) -> Any:
        """Move to a device, or change to a floating-point type."""
        ...

    def train(self, mode: bool = True) -> Any:
        """Begin to train."""
        ...

    def eval(self) -> Any:
        """Begin to predict."""
        ...


@runtime_checkable
class NumpyNetwork(Protocol):
    """A trained network in numpy: the same numbers to the rounding of float32, for predicting.

    `trunk` computes one vector an atom; networks that have the same object share its results.
    """

    trunk: Callable[[GraphArrays], Float32[np.ndarray, "n_atoms atom_width"]]

    @property
    def known_elements(self) -> list[int]:
        """Atomic numbers of the elements that the network can take."""
        ...

    def pool(
        self, atoms: Float32[np.ndarray, "n_atoms atom_width"], graph: GraphArrays
    ) -> Float32[np.ndarray, "n_crystals width"]:
        """Return one vector a crystal, of the atom vectors of the trunk."""
        ...

    def output(
        self, pooled: Float32[np.ndarray, "n_crystals width"]
    ) -> Float32[np.ndarray, "n_crystals n_outputs"]:
        """Return the standardized targets or the logits of each crystal."""
        ...

    def select(self, outputs: Sequence[int]) -> NumpyNetwork:
        """Return the network of some of the outputs, with the same trunk."""
        ...


class StateReader:
    """The numbers of a network, each taken by name and in the shape that its settings ask for."""

    def __init__(self, stored: Mapping[str, np.ndarray]) -> None:
        self.stored = stored
        self.n_stored = sum(value.size for value in stored.values())
        self.expected: dict[str, Shape] = {}

    def take(self, name: str, *shape: int) -> np.ndarray:
        """Return an array; zeros for what is missing or of another shape, which `finish` tells."""
        self.expected[name] = shape
        if math.prod(shape) > self.n_stored:  # nothing is allocated for what cannot be there
            self.finish()
        found = self.stored.get(name)
        return np.zeros(shape, np.float32) if found is None or found.shape != shape else found

    def finish(self) -> None:
        """Raise `BadCheckpoint` where numbers are missing, left over, or of another shape."""
        refuse_misfit({name: value.shape for name, value in self.stored.items()}, self.expected)


def refuse_misfit(stored: Mapping[str, Shape], expected: Mapping[str, Shape]) -> None:
    """Raise `BadCheckpoint` where the shapes of stored numbers are not those expected."""
    problems = [f"{name} is missing" for name in expected if name not in stored]
    problems += [f"{name} is not known" for name in stored if name not in expected]
    problems += [
        f"{name} is {stored[name]}, expected {shape}"
        for name, shape in expected.items()
        if name in stored and stored[name] != shape
    ]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise BadCheckpoint(f"{'; '.join(problems[:3])}{more}.")


@dataclass(frozen=True)
class NetworkKind:
    """One kind of network.

    Attributes:
        in_torch: `(config, n_outputs, element_vectors=None)` to a `Network`. A saved model gives
            its own table of element vectors, if the network has a buffer of that name.
        config: the class of its settings, a `NetworkConfig`.
        in_numpy: `(config, n_outputs, state: Mapping[str, np.ndarray])` to a `NumpyNetwork`, a
            class with a static method `can_compute(config)`. None: torch predicts.
    """

    in_torch: Form
    config: Form
    in_numpy: Form | None = None

    @property
    def config_class(self) -> Any:
        """The class of the settings."""
        return load_form(self.config)

    def build(
        self, config: NetworkConfig, n_outputs: int, element_vectors: Tensor | None = None
    ) -> Network:
        """Build a network in torch, its weights at random."""
        return load_form(self.in_torch)(config, n_outputs, element_vectors)

    def restore(
        self, config: NetworkConfig, n_outputs: int, state: Mapping[str, np.ndarray]
    ) -> Network:
        """Return the torch network with these weights, on the CPU, in eval mode, in their dtype.

        Raises:
            BadCheckpoint: the weights are not those of a network with these settings.
        """
        torch = import_extra("torch", "a network in torch")
        tensors = {name: torch.from_numpy(np.array(value)) for name, value in state.items()}
        network = self.build(config, n_outputs, tensors.get("element_vectors.vectors"))
        expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
        refuse_misfit({name: tuple(value.shape) for name, value in tensors.items()}, expected)
        floating = [value.dtype for value in tensors.values() if value.is_floating_point()]
        network.to(floating[0])
        network.load_state_dict(tensors)
        return network.eval()

    def restore_in_numpy(
        self, config: NetworkConfig, n_outputs: int, state: Mapping[str, np.ndarray]
    ) -> NumpyNetwork | None:
        """Return the same in numpy; None where it, or a part that is named, has no such form.

        Weights in double precision are left to torch too.
        """
        if self.in_numpy is None or any(value.dtype == np.float64 for value in state.values()):
            return None
        form = load_form(self.in_numpy)
        return form(config, n_outputs, state) if form.can_compute(config) else None


NETWORKS: Registry[NetworkKind] = Registry("model", "xtalgraph.networks", NetworkKind)
NETWORKS.add(
    "cgcnn",
    NetworkKind(
        f"{_CGCNN}:Cgcnn",
        "xtalgraph.nn.configs:CgcnnConfig",
        f"{_NETWORKS}:CgcnnInNumpy",
    ),
)
NETWORKS.add(
    "residual",
    NetworkKind(
        "xtalgraph.nn.residual:ResidualNetwork",
        "xtalgraph.nn.configs:ResidualConfig",
        f"{_NETWORKS}:ResidualInNumpy",
    ),
)


def network_name(config: object) -> str:
    """Return the name in `NETWORKS` of the network that a config belongs to."""
    legal = []
    for name, kind in NETWORKS.items():
        if type(config) is kind.config_class:
            return name
        legal.append(kind.config_class.__name__)
    raise UnknownName("model config", type(config).__name__, legal)
