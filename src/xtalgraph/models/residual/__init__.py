"""A residual network of gated sums and gated updates: the most accurate here at bearable cost."""

from typing import TYPE_CHECKING

from xtalgraph.lazy import load_when_used

if TYPE_CHECKING:
    from xtalgraph.models.residual.config import ResidualConfig
    from xtalgraph.models.residual.network import ResidualNetwork

__getattr__, __dir__ = load_when_used(
    __name__, {"config": "ResidualConfig", "network": "ResidualNetwork"}
)

__all__ = ["ResidualConfig", "ResidualNetwork"]
