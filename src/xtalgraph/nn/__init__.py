"""Networks: element and bond vectors, convolutions, pooling; tasks, and models on disk."""

from xtalgraph.extras import attach_names

__getattr__, __dir__, __all__ = attach_names(__name__, __file__)
