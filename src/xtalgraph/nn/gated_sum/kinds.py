"""Which settings of a network the compiled loops have."""

from __future__ import annotations

from xtalgraph.nn.gated_sum import kernel
from xtalgraph.nn.gated_sum.near_gaussians import N_NEAR

KERNEL_ACTIVATIONS = {"softplus": kernel.SOFTPLUS, "silu": kernel.SILU, "relu": kernel.RELU}


def has_compiled_form(activation: str, normalisation: str, n_gaussians: int) -> bool:
    """Say whether the compiled operator has what these settings of a network ask for."""
    return (
        activation in KERNEL_ACTIVATIONS
        and normalisation in ("batch", "layer", "none")
        and n_gaussians >= N_NEAR
    )
