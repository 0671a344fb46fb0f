"""The gated sum over neighbours: what an atom receives, fused or in plain torch."""

from typing import TYPE_CHECKING

from xtalgraph.lazy import load_when_used

if TYPE_CHECKING:
    from xtalgraph.models.gated_sum.operator import (
        Bonds,
        describe_bonds,
        gated_sum,
        sum_at_centres,
    )

__getattr__, __dir__ = load_when_used(
    __name__, {"operator": "Bonds describe_bonds gated_sum sum_at_centres"}
)

__all__ = ["Bonds", "describe_bonds", "gated_sum", "sum_at_centres"]
