"""Work in several processes of this machine, of which some may die.

The pools of the standard library and of loky lose everything when a worker is killed, and can wait
for ever for one that died while it sent its result. Here each worker has a pipe of its own: a death
ends that pipe alone, and what the worker had been given is given to a new one.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import ModuleType
from typing import Any, Generic, TypeVar

from xtalgraph.errors import LostWorkers
from xtalgraph.threads import limit_threads

AHEAD = 2  # items a worker has and has not finished, so that it need not wait for the next
MOST_LOSSES = 3  # deaths in a row, without a result in between, that end the work

Item = TypeVar("Item")
Result = TypeVar("Result")


def count_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def work_in_processes(
    begin: Callable[..., Callable[[Item], Result]],
    arguments: tuple[Any, ...],
    items: Iterable[Item],
    n_workers: int,
    *,
    ahead: int = AHEAD,
    imports_main: bool = True,
) -> Iterator[tuple[Item, Result]]:
    """Yield each item with its result, as they are finished; memory does not grow with the items.

    `begin(*arguments)` is called in each worker with its first item, and gives the function that
    works on one item; both are importable, and what they are given can be pickled. Each worker uses
    one thread. An exception of the function is raised here, and ends the work. Raises `LostWorkers`
    where workers die again and again without finishing anything.

    A worker imports the program that began it, as every spawned process does, unless `imports_main`
    is False: then a script needs no `if __name__ == "__main__"`, and what it registers itself is
    not known to the workers.
    """
    pool = _Pool(begin, arguments, iter(items), ahead, imports_main)
    try:
        pool.fill(n_workers)
        yield from pool.run()
    finally:
        pool.stop()


@dataclass(eq=False)
class _Worker(Generic[Item]):
    process: SpawnProcess
    pipe: Connection
    items: list[Item] = field(default_factory=list)  # given and not finished, the oldest first


class _Pool(Generic[Item, Result]):
    def __init__(
        self,
        begin: Callable[..., Callable[[Item], Result]],
        arguments: tuple[Any, ...],
        items: Iterator[Item],
        ahead: int,
        imports_main: bool,
    ) -> None:
        self.begin, self.arguments, self.items, self.ahead = begin, arguments, items, ahead
        self.imports_main = imports_main
        self.returned: list[Item] = []  # what dead workers had been given
        self.workers: list[_Worker[Item]] = []
        self.n_losses = 0

    def fill(self, n_workers: int) -> None:
        """Start workers while there is something for them to do."""
        while len(self.workers) < n_workers:
            first = self._next()
            if first is None:
                return
            self.returned.append(first)
            self.workers.append(self._start())
            self._feed(self.workers[-1])

    def run(self) -> Iterator[tuple[Item, Result]]:
        """Yield results until there is nothing left to do."""
        while any(worker.items for worker in self.workers):
            ready = wait([worker.pipe for worker in self.workers])
            for worker in [worker for worker in self.workers if worker.pipe in ready]:
                try:
                    result, error = worker.pipe.recv()
                except (EOFError, OSError):  # it is dead, perhaps in the middle of a result
                    self._replace(worker)
                    continue
                if error is not None:
                    raise error
                self.n_losses = 0
                item = worker.items.pop(0)
                self._feed(worker)
                yield item, result

    def stop(self) -> None:
        """End all workers, whatever they are doing."""
        for worker in self.workers:
            worker.process.kill()
            worker.process.join()
            worker.pipe.close()

    def _start(self) -> _Worker[Item]:
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_work, args=(theirs, self.begin, self.arguments, self.ahead), daemon=True
        )
        main = sys.modules["__main__"]
        try:
            if not self.imports_main:
                sys.modules["__main__"] = ModuleType("__main__")  # which lies in no file
            process.start()
        finally:
            sys.modules["__main__"] = main
        theirs.close()  # so that its death ends the pipe
        return _Worker(process, ours)

    def _feed(self, worker: _Worker[Item]) -> None:
        """Send a worker as much as it may have queued; a dead one is found when its turn comes."""
        while len(worker.items) < self.ahead:
            item = self._next()
            if item is None:
                return
            worker.items.append(item)
            try:
                worker.pipe.send(item)
            except OSError:
                return

    def _next(self) -> Item | None:
        return self.returned.pop(0) if self.returned else next(self.items, None)

    def _replace(self, dead: _Worker[Item]) -> None:
        dead.process.kill()
        dead.process.join()
        dead.pipe.close()
        self.workers.remove(dead)
        self.n_losses += 1
        if self.n_losses >= MOST_LOSSES:
            raise LostWorkers(
                f"worker processes died {self.n_losses} times in a row (the last with exit code "
                f"{dead.process.exitcode}), most often because the memory was full. What is "
                "finished is kept: rerun the command with fewer processes."
            )
        self.returned = dead.items + self.returned
        if self.returned:
            self.workers.append(self._start())
            self._feed(self.workers[-1])


def _work(
    pipe: Connection,
    begin: Callable[..., Callable[[Any], Any]],
    arguments: tuple[Any, ...],
    ahead: int,
) -> None:
    """Do what a worker does until its pipe ends, which it does with the process that began it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C: the first process ends this one
    limit_threads(1)
    items: queue.Queue[Any] = queue.Queue(ahead + 1)
    # read in a thread: two processes that both send without reading would wait for each other
    threading.Thread(target=_receive, args=(pipe, items), daemon=True).start()
    function: Callable[[Any], Any] | None = None
    while True:
        item = items.get()
        try:
            function = function or begin(*arguments)
            answer: tuple[Any, BaseException | None] = function(item), None
        except Exception as error:  # raised again in the first process
            answer = None, error
        pipe.send(answer)


def _receive(pipe: Connection, items: queue.Queue[Any]) -> None:
    try:
        while True:
            items.put(pipe.recv())
    except (EOFError, OSError):
        os._exit(0)
