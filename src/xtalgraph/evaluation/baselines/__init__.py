"""Models to compare with: trivial ones, composition only, distances only.

Each is fitted to rows of a data set and predicts rows, like any model. A model that does not beat
`composition_forest` has not learned from the structure.
"""

from xtalgraph.extras import attach_names

__getattr__, __dir__, __all__ = attach_names(__name__, __file__, "train")
