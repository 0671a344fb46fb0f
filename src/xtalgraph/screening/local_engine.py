"""Chunks on one machine: here, or in processes that load the models once each."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess

import torch

from xtalgraph.errors import LostWorkers
from xtalgraph.screening.candidates import Chunk
from xtalgraph.screening.judging import Judge, Question, Verdict

AHEAD = 2  # chunks a worker has been given and not finished: it need not wait for the next
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
    waiting: list[tuple[int, Chunk]] = []  # from a pool that broke
    n_losses = 0
    while True:
        with ProcessPoolExecutor(
            n_workers, get_context("spawn"), initializer=_begin_worker, initargs=(question,)
        ) as pool:
            under_way: dict[Future[Verdict], tuple[int, Chunk]] = {}
            try:
                while True:
                    while len(under_way) < AHEAD * n_workers:
                        item = waiting.pop() if waiting else next(chunks, None)
                        if item is None:
                            break
                        waiting.append(item)  # until it has been taken: submit may raise
                        under_way[pool.submit(_judge, item[1])] = item
                        waiting.pop()
                    if not under_way:
                        return
                    for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                        verdict = future.result()
                        number, _ = under_way.pop(future)
                        n_losses = 0
                        yield number, verdict
            except BrokenProcessPool as error:
                n_losses += 1
                waiting += under_way.values()
                if n_losses == MOST_LOSSES:
                    numbers = ", ".join(str(number) for number, _ in sorted(waiting, key=_number))
                    raise LostWorkers(
                        f"workers died {n_losses} times in a row, last on chunks {numbers}: killed "
                        "for lack of memory, perhaps. What is finished is kept; go on with fewer "
                        "(--workers)."
                    ) from error


def _number(item: tuple[int, Chunk]) -> int:
    return item[0]


_worker: dict[str, Judge] = {}  # of this process, where it is a worker


def _begin_worker(question: Question) -> None:
    """Load the models, once a process."""
    parent = parent_process()
    if parent is not None:  # a killed parent would leave its workers waiting for ever
        threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    torch.set_num_threads(1)
    _worker["judge"] = Judge(question)


def _leave_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _judge(chunk: Chunk) -> Verdict:
    return _worker["judge"].judge(chunk)


def count_cores() -> int:
    """Give how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
