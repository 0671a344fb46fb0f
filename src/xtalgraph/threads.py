"""How many threads work at a time, of this package and of the libraries below it.

Work that can be shared is cut into parts that do not depend on the number of threads, and each part
runs on one thread, the library of linear algebra included: so results do not depend on it either,
and threads that wait for a processor keep no other from working, as those of such libraries do on
a busy machine.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")

_OF_PROCESS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
_OF_BLAS = "OPENBLAS_NUM_THREADS"


def count_cores() -> int:
    """Return how many threads to use where nothing is said: the cores that this process may use.

    `OMP_NUM_THREADS` restrains them, as it does in numpy and torch.
    """
    wanted = os.environ.get(_OF_PROCESS[0], "")
    if hasattr(os, "sched_getaffinity"):
        n_cores = len(os.sched_getaffinity(0))
    else:
        n_cores = os.cpu_count() or 1
    return min(n_cores, max(1, int(wanted))) if wanted.isdecimal() else n_cores


def limit_threads(n_threads: int) -> None:
    """Let this process use so many threads, in numpy and torch, also in a torch loaded later."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(n_threads)
    for name in (*_OF_PROCESS, _OF_BLAS):
        os.environ[name] = str(n_threads)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(n_threads)


def begin_with_one() -> None:
    """Let numpy's linear algebra begin with one thread: call it before numpy is imported.

    Its own threads would cost memory and start-up, and be switched off wherever they count.
    """
    if "numpy" not in sys.modules:
        os.environ.setdefault(_OF_BLAS, "1")


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let numpy and torch compute with one thread within the block."""
    torch = sys.modules.get("torch")
    n_before = 1 if torch is None else torch.get_num_threads()
    if torch is not None and n_before > 1:
        torch.set_num_threads(1)
    try:
        if os.environ.get(_OF_BLAS) == "1":
            yield
        else:
            from threadpoolctl import threadpool_limits

            with threadpool_limits(1, user_api="blas"):
                yield
    finally:
        if torch is not None and n_before > 1:
            torch.set_num_threads(n_before)


def map_parts(
    function: Callable[[Part], Result], parts: Iterable[Part], n_threads: int | None = None
) -> list[Result]:
    """Apply a function to each part of some work, several at a time.

    Args:
        function: What to do with a part. It runs with one thread of numpy and of torch.
        parts: The parts; they should be the same whatever the number of threads.
        n_threads: How many at a time; None: `count_cores()`.

    Returns:
        The results in the order of the parts. The first error is raised.
    """
    parts = list(parts)
    n_threads = min(count_cores() if n_threads is None else n_threads, len(parts))
    with _one_thread_each():
        if n_threads <= 1:
            return [function(part) for part in parts]
        with ThreadPoolExecutor(n_threads, thread_name_prefix="parts") as pool:
            futures = [pool.submit(function, part) for part in parts]
            try:
                return [future.result() for future in futures]
            finally:
                for future in futures:
                    future.cancel()


def read_ahead(pieces: Iterator[Part], n_threads: int | None = None) -> Iterator[Part]:
    """Yield pieces of some work, and read the next one in a thread while one is worked on.

    With one thread each is read when it is asked for.
    """
    if (count_cores() if n_threads is None else n_threads) <= 1:
        yield from pieces
        return
    end = object()
    with ThreadPoolExecutor(1, thread_name_prefix="reader") as pool:
        waiting = pool.submit(next, pieces, end)
        while (piece := waiting.result()) is not end:
            waiting = pool.submit(next, pieces, end)
            yield piece  # type: ignore[misc]
