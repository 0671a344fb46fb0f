"""The settings of a residual network."""

from dataclasses import dataclass

from xtalgraph.errors import BadConfig, UnknownName
from xtalgraph.nn.names import POOLING_NAMES


@dataclass(frozen=True)
class ResidualConfig:
    """What the network is made of; it is meant for graphs of the rule `smooth`."""

    n_blocks: int = 4  # each takes up the neighbours once
    atom_width: int = 96  # components of an atom vector
    element_vectors: str = "paper"  # paper (92 components) | learned | path of an atom_init.json
    n_gaussians: int = 41  # of a distance: 0, 0.2, …, 8 Å
    gaussian_stop: float = 8.0  # Å, centre of the last Gaussian; as the graph's default cutoff
    pooling: str = "mean"  # mean | sum | max; mean, because targets are counted per atom
    hidden_width: int = 128  # width after pooling
    n_hidden: int = 1  # layers after pooling; 0 makes the output linear in the atom vectors
    dropout: float = 0.0  # probability, of each block's update

    def __post_init__(self) -> None:
        if self.pooling not in POOLING_NAMES:
            raise UnknownName("pooling", self.pooling, POOLING_NAMES)
        for field, least in (
            ("n_blocks", 1),
            ("atom_width", 1),
            ("hidden_width", 1),
            ("n_hidden", 0),
            ("n_gaussians", 8),
        ):
            if getattr(self, field) < least:
                raise BadConfig(f"{field} = {getattr(self, field)}; it must be {least} or more.")
        if self.gaussian_stop <= 0:
            raise BadConfig(f"gaussian_stop = {self.gaussian_stop} Å; it must be above 0.")
        if not 0 <= self.dropout < 1:
            raise BadConfig(f"dropout = {self.dropout}; it must lie in [0, 1).")
