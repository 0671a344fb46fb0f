"""Screening: from millions of candidates to a short list of promising crystals."""

from xtalgraph.extras import attach_names

__getattr__, __dir__, __all__ = attach_names(__name__, __file__, "screen")
