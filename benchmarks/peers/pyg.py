"""PyG's `CGConv` in the same network; PyG reads no crystals, so there is learning alone.

The layer has no normalisation over the edges, so it is compared with our network without one.
"""

import warnings
from collections.abc import Callable

from benchmarks.peers.serving import serve
from benchmarks.peers.learning import (
    NOT_NORMALISED,
    make_losses,
    make_step,
    read_batch,
    read_weights,
)

import torch
from torch import nn

WIDTH = 64


class PygNetwork(nn.Module):
    """Three gated convolutions of PyG between our embedding and our output."""

    def __init__(self) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the import remarks on things that are not ours
            from torch_geometric.nn import CGConv, global_mean_pool
        self.embed = nn.Linear(92, WIDTH)
        self.convolutions = nn.ModuleList(CGConv(WIDTH, 41) for _ in range(3))
        layers = nn.Softplus(), nn.Linear(WIDTH, 128), nn.Softplus(), nn.Linear(128, 1)
        self.output = nn.Sequential(*layers)
        self.pool = global_mean_pool

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Give one number a crystal."""
        atoms = self.embed(batch["vectors"])
        index = torch.stack([batch["neighbour"], batch["centre"]])
        for convolve in self.convolutions:
            atoms = convolve(atoms, index, batch["gaussians"])
        return self.output(self.pool(atoms, batch["crystal"], len(batch["target"])))

    def load_2018(self, weights: dict[str, torch.Tensor]) -> None:
        """Take the weights of the code of 2018; those of normalisations have no place here."""
        state = {
            "embed.weight": weights["embedding.weight"],
            "embed.bias": weights["embedding.bias"],
        }
        for i in range(3):
            for kind in ("weight", "bias"):
                gate, message = weights[f"convs.{i}.fc_full.{kind}"].chunk(2)
                state[f"convolutions.{i}.lin_f.{kind}"] = gate
                state[f"convolutions.{i}.lin_s.{kind}"] = message
        for kind in ("weight", "bias"):
            state[f"output.1.{kind}"] = weights[f"conv_to_fc.{kind}"]
            state[f"output.3.{kind}"] = weights[f"fc_out.{kind}"]
        self.load_state_dict(state)


def step(options: dict) -> Callable[[], float]:
    """A step of learning."""
    batch, network = read_batch(options), PygNetwork()
    network.load_2018(read_weights(options))
    return make_step(network.to(options["device"]), (batch,), batch["target"], NOT_NORMALISED)


if __name__ == "__main__":
    tasks = {"plain_step": step, "plain_losses": lambda options: make_losses(step(options))}
    serve(tasks, ("torch_geometric", "torch"))
