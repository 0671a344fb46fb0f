"""What the training uses of Lightning, imported without what Lightning only looks at."""

import sys
from importlib import import_module

from xtalgraph.training.stand_ins import standing_in

try:
    with standing_in():
        import_module("lightning.pytorch")
except (AttributeError, ImportError):  # a version that asks more of the stand-ins than they have
    for name in [*sys.modules]:
        if name.split(".")[0] in ("lightning", "torchmetrics"):
            del sys.modules[name]  # half of each cannot be gone on from
    import_module("lightning.pytorch")

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.accelerators import CPUAccelerator
from lightning.pytorch.plugins.environments import SLURMEnvironment

__all__ = [
    "CPUAccelerator",
    "Callback",
    "LightningModule",
    "MisconfigurationException",
    "SLURMEnvironment",
    "Trainer",
]
