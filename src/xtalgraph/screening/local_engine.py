"""Chunks on one machine: here, or in processes that load the models once each."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess

from xtalgraph.errors import LostWorkers
from xtalgraph.screening.candidates import Chunk
from xtalgraph.screening.screener import Judge, Question, Verdict
from xtalgraph.threads import limit_threads

AHEAD = 2  # chunks a worker has been given and not finished: it need not wait for the next
PATIENCE = 5.0  # s without a result, before it is looked whether the workers live
MOST_LOSSES = 3  # times in a row that workers die before any chunk is finished

Chunks = Iterator[tuple[int, Chunk]]
Verdicts = Iterator[tuple[int, Verdict]]


def judge_here(question: Question, chunks: Chunks) -> Verdicts:
    """Judge chunk after chunk in this process."""
    judge = Judge(question)
    for number, chunk in chunks:
        yield number, judge.judge(chunk)


def judge_in_processes(question: Question, chunks: Chunks, n_workers: int) -> Verdicts:
    """Judge chunks in processes of one thread each, and give them as they are finished.

    At most two chunks a worker are under way, so memory does not grow with their number. If a
    worker dies, what was under way is given to new ones.
    """
    work, n_losses = _Work(chunks), 0
    while True:
        n_finished = work.n_finished
        try:
            with ProcessPoolExecutor(
                n_workers, get_context("spawn"), initializer=_begin_worker, initargs=(question,)
            ) as pool:
                yield from work.run(pool, AHEAD * n_workers)
            return
        except BrokenProcessPool as error:
            n_losses = n_losses + 1 if work.n_finished == n_finished else 1
            if n_losses == MOST_LOSSES:
                raise LostWorkers(
                    f"workers died {n_losses} times in a row, last on chunks {work.numbers}: "
                    "killed for lack of memory, perhaps. What is finished is kept; go on with "
                    "fewer (--workers)."
                ) from error


class _Work:
    """What is to be done: chunks that a pool has lost, then those that nobody has seen."""

    def __init__(self, chunks: Chunks) -> None:
        self.chunks = chunks
        self.next: list[tuple[int, Chunk]] = []
        self.under_way: dict[Future[Verdict], tuple[int, Chunk]] = {}
        self.n_finished = 0

    def run(self, pool: ProcessPoolExecutor, most: int) -> Verdicts:
        """Keep `most` chunks under way until all are done; give each as it is finished."""
        self.next += self.under_way.values()
        self.under_way = {}
        while True:
            while len(self.under_way) < most and self._has_next():
                future = pool.submit(_judge, self.next[-1][1])  # if it raises, nothing is lost
                self.under_way[future] = self.next.pop()
            if not self.under_way:
                return
            done = wait(self.under_way, PATIENCE, FIRST_COMPLETED).done
            if not done and _is_stuck(pool):
                _break(pool)
            for future in done:
                verdict = future.result()
                number, _ = self.under_way.pop(future)
                self.n_finished += 1
                yield number, verdict

    def _has_next(self) -> bool:
        if not self.next:
            item = next(self.chunks, None)
            self.next += [] if item is None else [item]
        return bool(self.next)

    @property
    def numbers(self) -> str:
        """The chunks that are under way."""
        return ", ".join(str(number) for number, _ in sorted(self.under_way.values(), key=_number))


def _is_stuck(pool: ProcessPoolExecutor) -> bool:
    """Say whether a worker is dead and the pool has not noticed.

    It notices at once, but for a worker that died while it told its result: then it waits for the
    rest of that, and the other workers for their turn to tell theirs.
    """
    return any(not process.is_alive() for process in pool._processes.values())


def _break(pool: ProcessPoolExecutor) -> None:
    """End all workers, and the pipe of their results: the pool is then broken, and says so."""
    for process in pool._processes.values():
        process.kill()
        process.join()
    pool._result_queue._writer.close()  # type: ignore[attr-defined]


def _number(item: tuple[int, Chunk]) -> int:
    return item[0]


_asked: list[Question] = []  # of this process, where it is a worker


def _begin_worker(question: Question) -> None:
    """Note what is asked; an error here would break the pool without its words."""
    parent = parent_process()
    if parent is not None:  # a killed parent would leave its workers waiting for ever
        threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    limit_threads(1)
    _asked.append(question)


@cache
def _load_judge() -> Judge:
    """Load the models, once a process."""
    return Judge(_asked[0])


def _leave_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _judge(chunk: Chunk) -> Verdict:
    return _load_judge().judge(chunk)


def count_cores() -> int:
    """Give how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
