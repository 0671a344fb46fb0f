"""Arrays in, numbers out: errors of regression, scores of classification, calibration.

Nothing here depends on models or files. A missing label is NaN (regression) or -1 (classification):
it is left out, and counted where several scores are returned together. A missing prediction is an
error: leaving it out would reward a model that makes no prediction for difficult cases.
"""

from xtalgraph.extras import attach_names

__getattr__, __dir__, __all__ = attach_names(__name__, __file__)
