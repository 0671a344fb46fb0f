"""Distances as vectors: a bond vector says near which of several lengths the bond is."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from xtalgraph.errors import BadConfig


class GaussianBasis(nn.Module):
    """u_k = exp(-(d - μ_k)² / s²), the centres μ_k equally spaced by s between two distances in Å.

    Form and width are those of the code of 2018: 41 Gaussians from 0 to 8 Å, s = 0.2 Å.

    >>> GaussianBasis(0.0, 8.0, 41)(torch.tensor([2.0])).argmax().item()
    10
    """

    def __init__(self, start: float, stop: float, n_gaussians: int) -> None:
        super().__init__()
        if n_gaussians < 2 or not 0 <= start < stop:
            raise BadConfig(
                f"{n_gaussians} Gaussians from {start} to {stop} Å: at least 2 are needed, and "
                "0 <= start < stop."
            )
        self.start, self.stop, self.n_gaussians = start, stop, n_gaussians
        self.step = (stop - start) / (n_gaussians - 1)

    def forward(self, distance: Float[Tensor, "n_edges"]) -> Float[Tensor, "n_edges n_gaussians"]:
        """Give the bond vectors, in the floating point type of the distances."""
        centres = torch.linspace(
            self.start, self.stop, self.n_gaussians, dtype=distance.dtype, device=distance.device
        )
        return torch.exp(-(((distance[:, None] - centres) / self.step) ** 2))
