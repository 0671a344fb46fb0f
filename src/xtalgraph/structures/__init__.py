"""Crystals: reading, writing, checking, and holding many of them."""

from xtalgraph.extras import attach_names

__getattr__, __dir__, __all__ = attach_names(__name__, __file__)
