"""The non-linear functions of a network, by name."""

from torch import nn

from xtalgraph.errors import UnknownName

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "softplus": nn.Softplus,  # ln(1 + e^x), the paper's g; smooth
    "silu": nn.SiLU,  # x σ(x)
    "relu": nn.ReLU,  # max(x, 0)
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "identity": nn.Identity,  # for the ablation: a network without its non-linearity
}


def make_activation(name: str) -> nn.Module:
    """Make the activation of that name."""
    if name not in ACTIVATIONS:
        raise UnknownName("activation", name, ACTIVATIONS)
    return ACTIVATIONS[name]()
