from .config import (
    NETWORK_OF_2018 as NETWORK_OF_2018,
    CgcnnConfig as CgcnnConfig,
)
from .network import (
    Cgcnn as Cgcnn,
)
