"""Interpretation: which site and which element carries a prediction.

`explain` writes a folder for a model and a data set; `explain_sites` gives the numbers alone, and
`find_roles` names the sites.
"""

from xtalgraph.extras import attach_names

__getattr__, __dir__, __all__ = attach_names(__name__, __file__, "train")
