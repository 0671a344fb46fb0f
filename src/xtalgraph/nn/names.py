"""What parts of a network may be called in its settings.

The parts themselves are written in torch (`activations.py`, `normalisation.py`, `pooling.py`);
settings are read and checked without loading it.
"""

ACTIVATION_NAMES = ("softplus", "silu", "relu", "leaky_relu", "elu", "gelu", "tanh", "identity")
NORMALISATION_NAMES = ("batch", "layer", "none")
POOLING_NAMES = ("mean", "sum", "max")
