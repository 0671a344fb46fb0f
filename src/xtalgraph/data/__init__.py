"""Data sets: reading, splitting and checking tables of crystals and their properties.

Each name is loaded when it is first used, so that what needs no table does not wait for pandas.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
