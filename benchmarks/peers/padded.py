"""What the code of 2018 and its fork have in common: padded neighbours, one class of a data set."""

from collections.abc import Callable

import torch

from benchmarks.peers.learning import (
    NORMALISED,
    make_losses,
    make_step,
    read_batch,
    read_weights,
)

N_NEIGHBOURS = 12


def make_tasks(data: type, collate: Callable, network: type) -> dict[str, Callable]:
    """The tasks, of the class of data sets, the function that batches, and the network."""

    def graphs(options: dict) -> Callable[[], None]:
        def work() -> None:
            crystals = data(options["folder"])  # a new one: it remembers what it has read
            for row in range(len(crystals)):
                crystals[row]

        return work

    def first_batch(options: dict) -> Callable[[], None]:
        def work() -> None:
            crystals = data(options["folder"])
            rows = torch.randperm(len(crystals))[: options["batch_size"]]
            collate([crystals[row] for row in rows.tolist()])

        return work

    def step(options: dict) -> Callable[[], float]:
        batch = read_batch(options)
        n_atoms = len(batch["vectors"])
        members = [
            torch.nonzero(batch["crystal"] == crystal)[:, 0]
            for crystal in range(len(batch["target"]))
        ]
        inputs = (
            batch["vectors"],
            batch["gaussians"].view(n_atoms, N_NEIGHBOURS, -1),
            batch["neighbour"].view(n_atoms, N_NEIGHBOURS),
            members,
        )
        net = network(92, 41, atom_fea_len=64, n_conv=3, h_fea_len=128, n_h=1)
        net.load_state_dict(read_weights(options))
        return make_step(net.to(options["device"]), inputs, batch["target"], NORMALISED)

    return {
        "graphs": graphs,
        "first_batch": first_batch,
        "step": step,
        "losses": lambda options: make_losses(step(options)),
    }
