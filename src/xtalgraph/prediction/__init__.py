"""Prediction: load networks, predict crystals, get a table with units and how sure it is."""

from xtalgraph.extras import attach_names

__getattr__, __dir__, __all__ = attach_names(__name__, __file__)
