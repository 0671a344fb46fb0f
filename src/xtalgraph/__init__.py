"""Crystal graphs and crystal graph convolutional networks: fast, exact, honest.

The public names, each loaded when it is first used, so that `import xtalgraph` is quick:

>>> import xtalgraph
>>> "build_graphs" in dir(xtalgraph)
True
"""

from xtalgraph.extras import attach_names

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = attach_names(__name__, __file__)
