"""Networks of an ensemble computed in torch: on an accelerator, or what has no form in numpy."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from xtalgraph.errors import BadConfig
from xtalgraph.graphs import GraphArrays
from xtalgraph.graphs.graph import CrystalGraph
from xtalgraph.nn.saved_model import SavedModel


class NetworksInTorch:
    """The networks of an ensemble on a device, to which they are moved."""

    def __init__(self, members: Sequence[SavedModel], device: str) -> None:
        self.device = _find_device(device)
        self.networks = [member.network.to(self.device).eval() for member in members]
        self.known_elements = [network.known_elements for network in self.networks]

    def fingerprint(
        self, number: int, graph: GraphArrays, memo: dict[Hashable, Any]
    ) -> Float[np.ndarray, "n_crystals width"]:
        """Return the pooled vectors of the network of that number."""
        key = (self.device, graph)
        with torch.inference_mode():
            if key not in memo:  # for all networks on this device
                memo[key] = CrystalGraph.from_arrays(graph).to(self.device)
            return self.networks[number].fingerprint(memo[key]).cpu().numpy()

    def output(
        self, number: int, pooled: Float[np.ndarray, "n_crystals width"]
    ) -> Float[np.ndarray, "n_crystals n_outputs"]:
        """Return standardised values or logits of the network of that number."""
        with torch.inference_mode():
            there = torch.from_numpy(pooled).to(self.device)
            return self.networks[number].output(there).cpu().numpy()


def _find_device(device: str) -> str:
    try:
        return str(torch.zeros(1, device=device).device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise BadConfig(
            f"device {device!r} cannot be used here ({reason}). Use cpu, or repair the driver."
        ) from error
