"""Interpretation: which site and which element carries a prediction.

`explain` writes a folder for a model and a data set; `explain_sites` gives the numbers alone, and
`find_roles` names the sites.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
