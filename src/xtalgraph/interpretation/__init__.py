"""Interpretation: which site and which element carries a prediction.

`explain` writes a folder for a model and a data set; `explain_sites` gives the numbers alone, and
`find_roles` names the sites.
"""

from xtalgraph.interpretation.contributions import SiteContributions, explain_sites
from xtalgraph.interpretation.element_figure import draw_by_element, mean_by_element
from xtalgraph.interpretation.explanation import Explanation, explain
from xtalgraph.interpretation.roles import Roles, find_roles
from xtalgraph.interpretation.structure_figure import draw_structure

__all__ = [
    "Explanation",
    "Roles",
    "SiteContributions",
    "draw_by_element",
    "draw_structure",
    "explain",
    "explain_sites",
    "find_roles",
    "mean_by_element",
]
