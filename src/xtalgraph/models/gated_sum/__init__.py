"""The gated sum over neighbours: what an atom receives, fused or in plain torch."""

from xtalgraph.models.gated_sum.compiled import has_compiled_form
from xtalgraph.models.gated_sum.operator import Bonds, describe_bonds, gated_sum, sum_at_centres

__all__ = ["Bonds", "describe_bonds", "gated_sum", "has_compiled_form", "sum_at_centres"]
