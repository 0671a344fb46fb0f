"""The gated sum over neighbours: what an atom receives, fused or in plain torch."""

from xtalgraph.extras import attach_names

__getattr__, __dir__, __all__ = attach_names(__name__, __file__)
