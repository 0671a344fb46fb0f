"""The settings of the networks that come with the package."""

from __future__ import annotations

from dataclasses import dataclass

from xtalgraph.errors import BadConfig
from xtalgraph.nn.registry import (
    ACTIVATIONS,
    BACKENDS,
    CONVOLUTIONS,
    NORMALISATIONS,
    POOLINGS,
    RADIAL_BASES,
)
from xtalgraph.settings import check_settings, explained, setting

EXCESSES = (0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Å: scales on which it is told how much longer a bond is than the shortest one of its atom."""

TIE_WIDTHS = (0.003, 0.01, 0.03, 0.1, 0.3)
"""Å: within which other bonds of the atom count as equally long."""

USUAL_TIE = 6.0  # equal bonds of an octahedron: what a component of 1 stands for

_ELEMENTS = 'Element vectors: "paper" (92 components), "learned", or a path of atom_init.json.'
_BACKEND = (
    "How the gated sum is computed: auto is compiled loops on a CPU and plain torch on an "
    "accelerator; torch is plain torch everywhere; triton is Triton's kernels on a CUDA device, "
    "compared with plain torch on the first batch."
)


@explained
@dataclass(frozen=True)
class CgcnnConfig:
    """Settings of a crystal graph convolutional network.

    The defaults are the default recipe; `NETWORK_OF_2018` has the settings of the 2018 code.
    """

    convolution: str = setting(
        "gated",
        "Convolution: none, shared (the paper's eq. 4) or gated (eq. 5).",
        choices=CONVOLUTIONS,
    )
    n_convolutions: int = setting(
        4, "Number of convolutions, as in the networks shipped in 2018.", at_least=1
    )
    atom_width: int = setting(64, "Components of an atom vector.", at_least=1)
    element_vectors: str = setting("paper", _ELEMENTS)
    radial_basis: str = setting(
        "gaussian", "Functions in which a distance is expanded.", choices=RADIAL_BASES
    )
    n_gaussians: int = setting(41, "Number of radial functions: at 0, 0.2, …, 8 Å.", at_least=2)
    gaussian_start: float = setting(
        0.0, "Centre of the first radial function.", at_least=0, unit="Å"
    )
    gaussian_stop: float = setting(
        8.0, "Centre of the last radial function; as the graph's default cutoff.", above=0, unit="Å"
    )
    distance_degeneracy: bool = setting(
        False, "Bond vectors also count the equally long bonds of the atom; slower."
    )
    activation: str = setting(
        "silu",
        "Activation g of the paper; learns better than softplus, that of 2018.",
        choices=ACTIVATIONS,
    )
    normalisation: str = setting(
        "layer",
        "Normalisation of the gate's argument and of the sum; in 2018 batch.",
        choices=NORMALISATIONS,
    )
    activate_residual: bool = setting(
        False, "Apply g after v + Σ…, as in the 2018 code, though not in its paper."
    )
    pooling: str = setting(
        "mean", "From atoms to the crystal; mean suits targets per atom.", choices=POOLINGS
    )
    hidden_width: int = setting(128, "Width of the layers after pooling.", at_least=1)
    n_hidden: int = setting(
        1, "Layers after pooling; 0 makes the output linear in the atom vectors.", at_least=0
    )
    dropout: float = setting(
        0.0,
        "Dropout after the first hidden layer; in 2018 0.5 to classify.",
        at_least=0,
        below=1,
    )
    backend: str = setting("auto", _BACKEND, choices=BACKENDS, changes_results=False)

    def __post_init__(self) -> None:
        check_settings(self, "model")
        if self.gaussian_start >= self.gaussian_stop:
            raise BadConfig(
                f"Gaussians from {self.gaussian_start} to {self.gaussian_stop} Å: "
                "0 <= gaussian_start < gaussian_stop is needed."
            )


NETWORK_OF_2018 = CgcnnConfig(
    n_convolutions=3, activation="softplus", normalisation="batch", activate_residual=True
)
"""The network of the 2018 code, with that code's default sizes."""


def bond_width(config: CgcnnConfig) -> int:
    """Return the number of components of a bond vector."""
    return config.n_gaussians + config.distance_degeneracy * (len(EXCESSES) + len(TIE_WIDTHS))


SUFFIX_OF_2018 = ".pth.tar"
"""How the names of that code's checkpoints end."""


@explained
@dataclass(frozen=True)
class ResidualConfig:
    """Settings of a residual network of gated sums; it is meant for graphs of the rule `smooth`."""

    n_blocks: int = setting(4, "Number of blocks, each with one sum over neighbours.", at_least=1)
    atom_width: int = setting(96, "Components of an atom vector.", at_least=1)
    element_vectors: str = setting("paper", _ELEMENTS)
    radial_basis: str = setting(
        "gaussian", "Functions in which a distance is expanded.", choices=RADIAL_BASES
    )
    n_gaussians: int = setting(41, "Number of radial functions: at 0, 0.2, …, 8 Å.", at_least=8)
    gaussian_stop: float = setting(
        8.0, "Centre of the last radial function; as the graph's default cutoff.", above=0, unit="Å"
    )
    pooling: str = setting(
        "mean", "From atoms to the crystal; mean suits targets per atom.", choices=POOLINGS
    )
    hidden_width: int = setting(128, "Width of the layers after pooling.", at_least=1)
    n_hidden: int = setting(
        1, "Layers after pooling; 0 makes the output linear in the atom vectors.", at_least=0
    )
    dropout: float = setting(0.0, "Dropout of each block's update.", at_least=0, below=1)
    backend: str = setting("auto", _BACKEND, choices=BACKENDS, changes_results=False)

    def __post_init__(self) -> None:
        check_settings(self, "model")
