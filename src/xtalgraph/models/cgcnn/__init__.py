"""Crystal graph convolutional network (Xie and Grossman, Phys. Rev. Lett. 120, 145301, 2018)."""

from xtalgraph.models.cgcnn.config import NETWORK_OF_2018, CgcnnConfig
from xtalgraph.models.cgcnn.network import Cgcnn

__all__ = ["NETWORK_OF_2018", "Cgcnn", "CgcnnConfig"]
