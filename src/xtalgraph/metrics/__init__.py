"""Arrays in, numbers out: errors of regression, scores of classification, calibration.

Nothing here knows of models or files. A missing label is NaN (regression) or -1 (classification):
it is left out, and counted where several scores are given together. A missing prediction is never
left out, because a model that stays silent on hard cases would look better for it: it is refused.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
