"""Training: settings, the run from a data set to a run folder, and its resumption."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
