"""What bonds are described as while torch.compile traces.

Apart from the operators that take them: these load torch's compiler when they are imported.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class TracedBonds:
    """Bonds as a list of tensors: the five of `NearGaussians`, or the six of `PlacedBonds`.

    After the six come the edges sorted by neighbour, and where those of each neighbour start.
    """

    tensors: list[Tensor]
