"""Models to compare with: trivial ones, composition alone, distances alone.

Each is fitted on rows of a data set and predicts rows of one, as any model. A result that does not
beat `composition_forest` has not learned structure.
"""

from xtalgraph.extras import attach_names

__getattr__, __dir__, __all__ = attach_names(__name__, __file__, "train")
