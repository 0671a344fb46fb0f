"""Evaluation: scores next to baselines, figures in one style, and pages that say how it was done.

No result stands alone: `evaluate` fits the trivial baselines on the training set of the same split
and scores them on the same crystals. The figures are in `figures`, the baselines in `baselines`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
