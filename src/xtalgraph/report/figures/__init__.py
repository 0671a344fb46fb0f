"""Pictures of results in one style: matplotlib figures, made without pyplot and its global list.

Every function gives a `Figure`; `save_figure` writes it as PNG and SVG.
"""

from xtalgraph.extras import attach_names

__getattr__, __dir__, __all__ = attach_names(__name__, __file__, "train")
