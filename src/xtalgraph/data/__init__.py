"""Data sets: reading, splitting and checking tables of crystals and their properties.

Each name is loaded when it is first used, so that what needs no table does not wait for pandas.
"""

from xtalgraph.extras import attach_names

__getattr__, __dir__, __all__ = attach_names(__name__, __file__)
