"""The loader: order, shares of several processes, and errors from its thread."""

import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from tests.zoo import ZOO
from xtalgraph.errors import BadConfig, BadCrystal
from xtalgraph.graphs import GraphConfig, GraphLoader, build_graphs
from xtalgraph.structures import Crystal, CrystalStore

STORE = CrystalStore.from_crystals([ZOO["NaCl"], ZOO["Si"], ZOO["Cu"], ZOO["SrTiO3"], ZOO["Fe"]])
MANY = CrystalStore.from_crystals([ZOO["Po"]] * 200)
MIXED = CrystalStore.from_crystals([crystal for name, crystal in ZOO.items() if name != "large"])


def test_batches_are_the_graphs_of_their_rows():
    rows = [4, 2, 0]
    loader = GraphLoader(STORE, GraphConfig(), batch_size=2, indices=rows)
    seen = []
    for graph, batch in loader:
        expected = build_graphs([STORE[int(row)] for row in batch])
        assert torch.equal(graph.distance, expected.distance)
        assert torch.equal(graph.atomic_numbers, expected.atomic_numbers)
        seen += batch.tolist()
    assert seen == rows
    assert len(loader) == 2


def test_order_is_a_function_of_seed_and_epoch():
    def order(seed: int, epoch: int) -> list[int]:
        loader = GraphLoader(MANY, GraphConfig(), 16, shuffle=True, seed=seed)
        loader.set_epoch(epoch)
        return np.concatenate(loader.batches()).tolist()

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)
    assert sorted(order(1, 0)) == list(range(200))


@settings(max_examples=60, deadline=None)
@given(st.integers(4, 200), st.integers(1, 40), st.integers(1, 4), st.booleans())
def test_shares_are_disjoint_complete_and_even(n_rows, batch_size, n_ranks, shuffle):
    indices = np.arange(n_rows)[::-1]
    shares = [
        GraphLoader(
            MANY, GraphConfig(), batch_size, indices=indices, shuffle=shuffle, rank=rank,
            n_ranks=n_ranks,
        ).batches()
        for rank in range(n_ranks)
    ]  # fmt: skip
    assert len({len(share) for share in shares}) == 1
    taken = np.concatenate([np.concatenate(share) for share in shares])
    assert sorted(taken.tolist()) == list(range(n_rows))
    for parts in zip(*shares, strict=True):
        sizes = [len(part) for part in parts]
        assert min(sizes) >= 1
        assert max(sizes) <= min(sizes) + 1
        assert sum(sizes) <= batch_size * n_ranks or n_rows // n_ranks < len(shares[0]) + 1


def test_an_error_in_the_thread_reaches_the_loop():
    lonely = Crystal(30 * np.eye(3), [[0, 0, 0]], [2], "lonely")
    store = CrystalStore.from_crystals([ZOO["Si"], lonely])
    with pytest.raises(BadCrystal, match="lonely"):
        list(GraphLoader(store, GraphConfig(), batch_size=1))


def test_a_loop_may_stop_early():
    for graph, _ in GraphLoader(MANY, GraphConfig(), batch_size=2):
        assert graph.n_crystals == 2
        break


def test_impossible_shares_are_refused():
    with pytest.raises(BadConfig, match="5 crystals cannot be divided among 6 processes"):
        GraphLoader(STORE, GraphConfig(), 2, n_ranks=6)
    with pytest.raises(BadConfig, match="batch_size = 0"):
        GraphLoader(STORE, GraphConfig(), 0)


@pytest.mark.parametrize("n_prefetch", [0, 1, 30])
def test_preparing_ahead_changes_neither_batches_nor_their_order(n_prefetch):
    """Also where the loop is slower than the thread, as with an accelerator that is busy."""
    loader = GraphLoader(MIXED, GraphConfig(), 3, shuffle=True, seed=5, n_prefetch=n_prefetch)
    loader.set_epoch(2)
    expected = [(build_graphs(MIXED.take(rows)), rows.tolist()) for rows in loader.batches()]
    found = []
    for graph, rows in loader:
        time.sleep(0.002)
        found.append((graph, rows.tolist()))
    assert [rows for _, rows in found] == [rows for _, rows in expected]
    for (graph, _), (same, _) in zip(found, expected, strict=True):
        for field in (
            "atomic_numbers",
            "crystal",
            "centre",
            "neighbour",
            "distance",
            "edge_weight",
        ):
            assert torch.equal(getattr(graph, field), getattr(same, field))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no accelerator to copy to")
def test_pinned_batches_arrive_as_they_are():
    loader = GraphLoader(MIXED, GraphConfig(), 3, pinned=True)
    for graph, rows in loader:
        assert graph.distance.is_pinned()
        there = graph.to("cuda")
        same = build_graphs(MIXED.take(rows.numpy()))
        assert torch.equal(there.distance.cpu(), same.distance)
        assert torch.equal(there.neighbour.cpu(), same.neighbour)
