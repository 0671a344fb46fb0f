"""Sources that go wrong: chunks that kill the process that makes them; reading takes its time."""

import os
import time
from collections.abc import Container, Iterator
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path

from xtalgraph.screening import PerovskiteSpace
from xtalgraph.screening.candidates import Candidates, Chunk


class DeadlyChunk:
    """Ends the process, without a word."""

    def make(self) -> Candidates:
        """Die."""
        os._exit(1)


class Deadly:
    """Three deadly chunks."""

    may_repeat, n_candidates, title = False, 3, "deadly"

    def describe(self) -> dict:
        """Say what it is."""
        return {"kind": "deadly"}

    def chunks(self, done: Container[int]) -> Iterator[tuple[int, Chunk]]:
        """Give them."""
        yield from ((number, DeadlyChunk()) for number in range(3))


@dataclass
class HalfToldChunk:
    """A chunk that ends the process in the middle of telling its result, the first time."""

    chunk: Chunk
    begun: Path

    def make(self) -> Candidates:
        """Make the chunk, and let what is sent be cut."""
        if parent_process() is not None and not self.begun.exists():
            self.begun.touch()
            Connection._send = _send_half  # type: ignore[method-assign]
        return self.chunk.make()


def _send_half(self: Connection, content: bytes, write: object = None) -> None:
    os.write(self.fileno(), content[: len(content) // 2])
    os._exit(1)


@dataclass
class HalfTold:
    """The chunks of a space, the first of which is such."""

    space: PerovskiteSpace
    begun: Path

    may_repeat = False

    @property
    def title(self) -> str:
        """As of the space: the results are to be the same."""
        return self.space.title

    @property
    def n_candidates(self) -> int | None:
        """Likewise."""
        return self.space.n_candidates

    def describe(self) -> dict:
        """Say what it is."""
        return self.space.describe()

    def chunks(self, done: Container[int]) -> Iterator[tuple[int, Chunk]]:
        """Give them."""
        for number, chunk in self.space.chunks(done):
            yield number, HalfToldChunk(chunk, self.begun) if number == 0 else chunk


@dataclass
class Slow:
    """The chunks of a space, so slowly that there is time to end the process that reads them."""

    space: PerovskiteSpace
    log: Path  # gets the number of each chunk that is read

    may_repeat, n_candidates, title = False, None, "slow"

    def describe(self) -> dict:
        """Say what it is."""
        return self.space.describe()

    def chunks(self, done: Container[int]) -> Iterator[tuple[int, Chunk]]:
        """Give them."""
        for number, chunk in self.space.chunks(done):
            with self.log.open("a") as file:
                file.write(str(number))
            yield number, chunk
            time.sleep(3)
