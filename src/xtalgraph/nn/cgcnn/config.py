"""The settings of a crystal graph convolutional network."""

from dataclasses import dataclass

from xtalgraph.errors import BadConfig, UnknownName
from xtalgraph.nn.names import ACTIVATION_NAMES, NORMALISATION_NAMES, POOLING_NAMES

CONVOLUTION_NAMES = ("none", "shared", "gated")


@dataclass(frozen=True)
class CgcnnConfig:
    """What the network is made of.

    The defaults are the default recipe; where they differ from the code of 2018 the comment says
    so, and `NETWORK_OF_2018` has that code's settings.
    """

    convolution: str = "gated"  # none | shared (paper's eq. 4) | gated (eq. 5)
    n_convolutions: int = 4  # as the networks shipped in 2018; that code's default is 3
    atom_width: int = 64  # components of an atom vector; wider ones gained nothing in the paper
    element_vectors: str = "paper"  # paper (92 components) | learned | path of an atom_init.json
    n_gaussians: int = 41  # components of a bond vector: 0, 0.2, …, 8 Å
    gaussian_start: float = 0.0  # Å, centre of the first Gaussian
    gaussian_stop: float = 8.0  # Å, centre of the last one; as the graph's default cutoff
    distance_degeneracy: bool = False  # bond vectors also count equally long bonds; slower
    activation: str = "silu"  # g; smooth as the softplus of 2018, and learns better
    normalisation: str = "layer"  # of the gate's argument and of the sum; in 2018 it was batch
    activate_residual: bool = False  # g after v + Σ…: the code of 2018 does it, its paper does not
    pooling: str = "mean"  # mean | sum | max; mean, because targets are counted per atom
    hidden_width: int = 128  # width after pooling; 2018 code's default, shipped networks have 32
    n_hidden: int = 1  # layers after pooling; 0 makes the output linear in the atom vectors
    dropout: float = 0.0  # probability, after the first hidden layer; 2018: 0.5 to classify

    def __post_init__(self) -> None:
        for kind, name, legal in (
            ("convolution", self.convolution, CONVOLUTION_NAMES),
            ("activation", self.activation, ACTIVATION_NAMES),
            ("normalisation", self.normalisation, NORMALISATION_NAMES),
            ("pooling", self.pooling, POOLING_NAMES),
        ):
            if name not in legal:
                raise UnknownName(kind, name, legal)
        for field, least in (
            ("n_convolutions", 1),
            ("atom_width", 1),
            ("hidden_width", 1),
            ("n_hidden", 0),
            ("n_gaussians", 2),
        ):
            if getattr(self, field) < least:
                raise BadConfig(f"{field} = {getattr(self, field)}; it must be {least} or more.")
        if not 0 <= self.gaussian_start < self.gaussian_stop:
            raise BadConfig(
                f"Gaussians from {self.gaussian_start} to {self.gaussian_stop} Å: "
                "0 <= gaussian_start < gaussian_stop is needed."
            )
        if not 0 <= self.dropout < 1:
            raise BadConfig(f"dropout = {self.dropout}; it must lie in [0, 1).")

    @property
    def bond_width(self) -> int:
        """Components of a bond vector."""
        if not self.distance_degeneracy:
            return self.n_gaussians
        from xtalgraph.nn.cgcnn.distance_degeneracy import N_COMPONENTS  # loads torch

        return self.n_gaussians + N_COMPONENTS


NETWORK_OF_2018 = CgcnnConfig(
    n_convolutions=3, activation="softplus", normalisation="batch", activate_residual=True
)
"""The network of the code of 2018, with that code's default sizes."""

SUFFIX_OF_2018 = ".pth.tar"
"""How the names of that code's checkpoints end."""
