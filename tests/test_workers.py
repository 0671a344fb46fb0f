"""Work in processes: every item once, whatever dies; errors come out as themselves."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from xtalgraph.errors import BadConfig, LostWorkers
from xtalgraph.workers import work_in_processes


def begin_doubling() -> Callable[[int], int]:
    return lambda number: 2 * number


def begin_dying(begun: Path) -> Callable[[int], int]:
    """Die at item 3, the first time."""

    def work(number: int) -> int:
        if number == 3 and not begun.exists():
            begun.touch()
            os._exit(7)
        return 2 * number

    return work


def begin_dying_always() -> Callable[[int], int]:
    return lambda number: os._exit(9)


def begin_refusing() -> Callable[[int], int]:
    raise BadConfig("no such model")


def begin_large() -> Callable[[bytes], bytes]:
    return lambda content: content * 2


def test_every_item_comes_once() -> None:
    found = dict(work_in_processes(begin_doubling, (), range(20), 2))
    assert found == {number: 2 * number for number in range(20)}


def test_nothing_to_do_starts_nothing() -> None:
    assert list(work_in_processes(begin_dying_always, (), [], 2)) == []


def test_what_a_dead_worker_had_is_given_to_another(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    found = sorted(work_in_processes(begin_dying, (begun,), range(8), 2))
    assert begun.exists()
    assert found == [(number, 2 * number) for number in range(8)]


def test_workers_that_always_die_end_the_work() -> None:
    with pytest.raises(LostWorkers, match=r"3 times in a row .*exit code 9"):
        list(work_in_processes(begin_dying_always, (), range(5), 2))


def test_an_error_comes_out_as_itself() -> None:
    with pytest.raises(BadConfig, match="no such model"):
        list(work_in_processes(begin_refusing, (), range(5), 2))


def test_large_items_and_results_do_not_block_each_other() -> None:
    """Both sides send more than a pipe holds."""
    content = os.urandom(1 << 20)
    found = list(work_in_processes(begin_large, (), [content] * 6, 2))
    assert all(result == content * 2 for _, result in found)
    assert len(found) == 6


def test_who_stops_listening_leaves_no_process() -> None:
    results = work_in_processes(begin_doubling, (), range(100), 2)
    next(results)
    results.close()
    deadline = time.monotonic() + 10
    import multiprocessing

    while multiprocessing.active_children() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not multiprocessing.active_children()
