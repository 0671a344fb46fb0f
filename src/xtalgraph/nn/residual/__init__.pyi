from .config import (
    ResidualConfig as ResidualConfig,
)
from .network import (
    ResidualNetwork as ResidualNetwork,
)
