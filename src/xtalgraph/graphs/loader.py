"""Batches of graphs for training or prediction, built in the background."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from xtalgraph.errors import BadConfig
from xtalgraph.graphs.config import GraphConfig
from xtalgraph.graphs.graph import CrystalGraph, build_graphs
from xtalgraph.structures import CrystalStore
from xtalgraph.threads import count_cores

Batch = tuple[CrystalGraph, Int[Tensor, "n_crystals"]]


class GraphLoader:
    """Iterates over `(graph, rows)`: a batch of graphs and the rows of its crystals in the store.

    Graphs (optionally deduplicated) are computed from the stored crystals in `n_threads` background
    threads (default: the cores that this process may use), `n_prefetch` batches ahead; there is no
    graph cache. Batch sizes are at most `batch_size` and
    differ by at most one, so that no epoch ends in a batch of one. The order of an epoch depends
    only on (`seed`, epoch); call `set_epoch` before each.

    With `n_ranks` processes, each takes its shard of every batch of `batch_size` × `n_ranks`
    crystals: shards are disjoint and complete, differ by at most one crystal, and every rank has
    the same number of them.

    With `pinned` the batches are in page-locked memory, for asynchronous copies to an accelerator.

    >>> from xtalgraph.structures import Crystal
    >>> iron = Crystal([[2.87, 0, 0], [0, 2.87, 0], [0, 0, 2.87]], [[0, 0, 0]], [26])
    >>> store = CrystalStore.from_crystals([iron] * 5)
    >>> [rows.tolist() for _, rows in GraphLoader(store, GraphConfig(), batch_size=3)]
    [[0, 1, 2], [3, 4]]
    """

    def __init__(
        self,
        crystals: CrystalStore,
        config: GraphConfig,
        batch_size: int,
        *,
        indices: Int[np.ndarray, "n_rows"] | Sequence[int] | None = None,
        deduplicated: bool = False,
        shuffle: bool = False,
        seed: int = 0,
        rank: int = 0,
        n_ranks: int = 1,
        n_prefetch: int = 4,
        pinned: bool = False,
        n_threads: int | None = None,
    ) -> None:
        rows = np.arange(len(crystals)) if indices is None else np.asarray(indices, np.int64)
        if batch_size < 1:
            raise BadConfig(f"batch_size = {batch_size}; it must be 1 or more.")
        if len(rows) < n_ranks:
            raise BadConfig(
                f"{len(rows)} crystals cannot be divided among {n_ranks} processes; use fewer."
            )
        self.crystals, self.config, self.rows = crystals, config, rows
        self.deduplicated, self.shuffle = deduplicated, shuffle
        self.seed, self.epoch = seed, 0
        self.rank, self.n_ranks, self.n_prefetch = rank, n_ranks, n_prefetch
        self.pinned = pinned
        self.n_threads = max(1, min(count_cores() if n_threads is None else n_threads, n_prefetch))
        n_batches = -(-len(rows) // (batch_size * n_ranks))
        self.n_batches = min(n_batches, len(rows) // n_ranks)

    def __len__(self) -> int:
        return self.n_batches

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, which determines the order of the rows."""
        self.epoch = epoch

    def batches(self) -> list[Int[np.ndarray, "n_rows"]]:
        """Return the rows of each batch of this rank in this epoch."""
        return [np.array_split(batch, self.n_ranks)[self.rank] for batch in self.whole_batches()]

    def whole_batches(self) -> list[Int[np.ndarray, "n_rows"]]:
        """Return the rows of each batch in this epoch, of all ranks together."""
        rows = self.rows
        if self.shuffle:
            rows = np.random.default_rng([self.seed, self.epoch]).permutation(rows)
        return np.array_split(rows, self.n_batches) if self.n_batches else []

    def __iter__(self) -> Iterator[Batch]:
        waiting: deque[Future[Batch]] = deque()
        with ThreadPoolExecutor(self.n_threads, thread_name_prefix="graphs") as pool:
            try:
                for rows in self.batches():
                    waiting.append(pool.submit(self._build, rows))
                    if len(waiting) > self.n_prefetch:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _build(self, rows: np.ndarray) -> Batch:
        crystals = self.crystals.take(rows)
        graph = build_graphs(crystals, self.config, deduplicated=self.deduplicated, n_threads=1)
        graph = graph.pin_memory() if self.pinned else graph
        return graph, torch.from_numpy(np.ascontiguousarray(rows))
