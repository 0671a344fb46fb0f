"""Evaluation: scores next to baselines, figures in one style, and pages that say how it was done.

No result stands alone: `evaluate` fits the trivial baselines on the training set of the same split
and scores them on the same crystals. The figures are in `figures`, the baselines in `baselines`.
"""

from xtalgraph.extras import attach_names

__getattr__, __dir__, __all__ = attach_names(__name__, __file__, "train")
