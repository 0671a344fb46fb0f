"""A residual network of gated sums and gated updates: the most accurate here at bearable cost."""

from xtalgraph.models.residual.config import ResidualConfig
from xtalgraph.models.residual.network import ResidualNetwork

__all__ = ["ResidualConfig", "ResidualNetwork"]
