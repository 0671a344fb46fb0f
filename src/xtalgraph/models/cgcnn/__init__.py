"""Crystal graph convolutional network (Xie and Grossman, Phys. Rev. Lett. 120, 145301, 2018)."""

from xtalgraph.models.cgcnn.config import CgcnnConfig
from xtalgraph.models.cgcnn.network import Cgcnn

__all__ = ["Cgcnn", "CgcnnConfig"]
