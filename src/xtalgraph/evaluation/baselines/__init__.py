"""Models to compare with: trivial ones, composition alone, distances alone.

Each is fitted on rows of a data set and predicts rows of one, as any model. A result that does not
beat `composition_forest` has not learned structure.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
