"""The gated sum over neighbours: what an atom receives, compiled or in plain torch."""

from xtalgraph.models.gated_sum.compiled import (
    NearGaussians,
    can_be_compiled,
    find_near_gaussians,
    has_compiled_form,
)
from xtalgraph.models.gated_sum.operator import Bonds, gated_sum, sum_at_centres

__all__ = [
    "Bonds",
    "NearGaussians",
    "can_be_compiled",
    "find_near_gaussians",
    "gated_sum",
    "has_compiled_form",
    "sum_at_centres",
]
