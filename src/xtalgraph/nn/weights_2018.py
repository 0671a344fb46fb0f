"""Networks of the 2018 code as networks of ours: the same numbers under other names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from xtalgraph.errors import BadCheckpoint
from xtalgraph.nn.configs import NETWORK_OF_2018, CgcnnConfig

_NAMES = {
    r"embedding\.(.+)": r"element_vectors.embedding.\1",
    r"convs\.(\d+)\.fc_full\.(.+)": r"convolutions.\1.gate_and_message.\2",
    r"convs\.(\d+)\.bn1\.(.+)": r"convolutions.\1.normalise_edges.\2",
    r"convs\.(\d+)\.bn2\.(.+)": r"convolutions.\1.normalise_sum.\2",
    r"conv_to_fc\.(.+)": r"output.1.\1",
}


def config_of_2018_state(state: Mapping[str, Tensor]) -> CgcnnConfig:
    """Return the settings of a network of the 2018 code from the shapes of its numbers.

    Its Gaussians are not among the numbers; they are taken to begin at 0 Å with a step of 0.2 Å.
    """
    if "embedding.weight" not in state or "convs.0.fc_full.weight" not in state:
        raise BadCheckpoint("these are not the numbers of a network of the 2018 code.")
    atom_width = state["embedding.weight"].shape[0]
    n_gaussians = state["convs.0.fc_full.weight"].shape[1] - 2 * atom_width
    n_convolutions = sum(name.endswith("fc_full.weight") for name in state)
    n_further = sum(bool(re.fullmatch(r"fcs\.\d+\.weight", name)) for name in state)
    return replace(
        NETWORK_OF_2018,
        n_convolutions=n_convolutions,
        atom_width=atom_width,
        n_gaussians=n_gaussians,
        gaussian_stop=0.2 * (n_gaussians - 1),
        hidden_width=state["conv_to_fc.weight"].shape[0],
        n_hidden=1 + n_further,
    )


def from_2018_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the numbers of a network of the 2018 code under our names.

    Load them with `strict=False`: the element vectors are in a file of their own there. A network
    that classifies gives logits here, to which the 2018 code adds a log-softmax.
    """
    n_hidden = config_of_2018_state(state).n_hidden
    names = dict(_NAMES)
    for i in range(n_hidden - 1):
        names[rf"fcs\.{i}\.(.+)"] = rf"output.{2 * i + 3}.\1"
    names[r"fc_out\.(.+)"] = rf"output.{2 * n_hidden + 1}.\1"
    renamed = {}
    for name, value in state.items():
        matches = [re.sub(old, new, name) for old, new in names.items() if re.fullmatch(old, name)]
        if not matches:
            raise BadCheckpoint(f"{name!r} is not a name of the 2018 code's network.")
        renamed[matches[0]] = value
    return renamed
