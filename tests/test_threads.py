"""Work in parts: the order, the errors and the number of threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest
import torch

from xtalgraph.threads import count_cores, map_parts, read_ahead


def test_results_are_in_the_order_of_the_parts() -> None:
    for n_threads in (None, 1, 2, 5):
        assert map_parts(lambda part: part * part, range(9), n_threads) == [n * n for n in range(9)]
    assert map_parts(lambda part: part, [], 3) == []


def test_parts_run_side_by_side() -> None:
    together = threading.Barrier(3, timeout=60)
    map_parts(lambda _: together.wait(), range(3), 3)
    names = map_parts(lambda _: threading.current_thread().name, range(3), 1)
    assert set(names) == {threading.current_thread().name}


def test_the_first_error_is_raised() -> None:
    def work(part: int) -> int:
        if part in (3, 5):
            raise ValueError(part)
        return part

    for n_threads in (1, 2):
        with pytest.raises(ValueError, match="3"):
            map_parts(work, range(9), n_threads)


def test_each_part_has_one_thread_of_torch_and_what_was_set_comes_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert map_parts(lambda _: torch.get_num_threads(), range(2), 2) == [1, 1]
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_the_cores_are_those_of_the_process_or_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert 1 <= count_cores() <= (os.cpu_count() or 1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert count_cores() == 1


def test_the_next_piece_is_read_while_one_is_worked_on() -> None:
    read = [threading.Event() for _ in range(4)]

    def pieces() -> Iterator[int]:
        for number, event in enumerate(read):
            event.set()
            yield number

    for number in read_ahead(pieces(), 2):
        if number < 3:
            assert read[number + 1].wait(60)
    lazily = read_ahead(pieces(), 1)
    for event in read:
        event.clear()
    assert next(lazily) == 0
    assert not read[1].is_set()


def test_an_error_while_reading_comes_after_the_pieces_before_it() -> None:
    def pieces() -> Iterator[int]:
        yield 0
        raise ValueError("broken off")

    ahead = read_ahead(pieces(), 2)
    assert next(ahead) == 0
    with pytest.raises(ValueError, match="broken off"):
        next(ahead)
