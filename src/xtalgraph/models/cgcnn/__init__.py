"""Crystal graph convolutional network (Xie and Grossman, Phys. Rev. Lett. 120, 145301, 2018)."""

from typing import TYPE_CHECKING

from xtalgraph.lazy import load_when_used

if TYPE_CHECKING:
    from xtalgraph.models.cgcnn.config import NETWORK_OF_2018, CgcnnConfig
    from xtalgraph.models.cgcnn.network import Cgcnn

__getattr__, __dir__ = load_when_used(
    __name__, {"config": "NETWORK_OF_2018 CgcnnConfig", "network": "Cgcnn"}
)

__all__ = ["NETWORK_OF_2018", "Cgcnn", "CgcnnConfig"]
