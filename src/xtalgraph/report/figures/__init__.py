"""Pictures of results in one style: matplotlib figures, made without pyplot and its global list.

Every function gives a `Figure`; `save_figure` writes it as PNG and SVG.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
