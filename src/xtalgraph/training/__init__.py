"""Training: settings, the run from a data set to a run folder, and its resumption."""

from xtalgraph.extras import attach_names

__getattr__, __dir__, __all__ = attach_names(__name__, __file__, "train")
