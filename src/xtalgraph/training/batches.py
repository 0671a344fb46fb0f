"""Batches with labels, as the training loop takes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from xtalgraph.graphs import CrystalGraph, GraphLoader
from xtalgraph.training.losses import count_known


class TrainingBatch:
    """A batch of graphs, what their outputs are compared with, and their rows in the data set.

    With several processes it is one's share of a batch of `n_whole` crystals, and `share` is the
    part of that batch's labels that it has. The losses of the processes, weighed by it, add up to
    the loss that one process would have, however uneven crystals and missing labels fall.

    No tuple or dataclass, because Lightning would look into it for numbers to convert.
    """

    def __init__(
        self, graph: CrystalGraph, labels: Tensor, rows: Tensor, share: float, n_whole: int
    ) -> None:
        self.graph, self.labels, self.rows = graph, labels, rows
        self.share, self.n_whole = share, n_whole

    def to(self, device: torch.device) -> TrainingBatch:
        """Give the batch on another device; the rows are for this side."""
        graph = self.graph
        if device.type == "mps":  # which has no float64
            graph = replace(graph, distance=graph.distance.float())
        labels = self.labels.to(device, non_blocking=True)
        return TrainingBatch(graph.to(device), labels, self.rows, self.share, self.n_whole)


class LabelledLoader:
    """The batches of a `GraphLoader` with their labels, a row of `learned` for each crystal."""

    def __init__(self, graphs: GraphLoader, learned: Tensor) -> None:
        self.graphs, self.learned = graphs, learned

    def __len__(self) -> int:
        return len(self.graphs)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration takes."""
        self.graphs.set_epoch(epoch)

    def __iter__(self) -> Iterator[TrainingBatch]:
        # every process knows the rows of all, so the shares need no message between them
        for (graph, rows), whole in zip(self.graphs, self.graphs.whole_batches(), strict=True):
            labels, n_ranks = self.learned[rows], self.graphs.n_ranks
            share = 1.0
            if n_ranks > 1:
                n_known = count_known(self.learned[torch.from_numpy(whole)])
                share = count_known(labels) / n_known if n_known else 1 / n_ranks
            labels = labels.pin_memory() if self.graphs.pinned else labels
            yield TrainingBatch(graph, labels, rows, share, len(whole))
