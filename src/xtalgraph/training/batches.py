"""Batches with labels, as the training loop takes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from xtalgraph.graphs import CrystalGraph, GraphLoader


class TrainingBatch:
    """A batch of graphs, what their outputs are compared with, and their rows in the data set.

    No tuple or dataclass, because Lightning would look into it for numbers to convert.
    """

    def __init__(self, graph: CrystalGraph, labels: Tensor, rows: Tensor) -> None:
        self.graph, self.labels, self.rows = graph, labels, rows

    def to(self, device: torch.device) -> TrainingBatch:
        """Give the batch on another device; the rows are for this side."""
        graph = self.graph
        if device.type == "mps":  # which has no float64
            graph = replace(graph, distance=graph.distance.float())
        return TrainingBatch(graph.to(device), self.labels.to(device), self.rows)


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
        for graph, rows in self.graphs:
            yield TrainingBatch(graph, self.learned[rows], rows)
