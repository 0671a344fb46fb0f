"""Sources that go wrong: every chunk kills the process that makes it; reading takes its time."""

import os
import time
from collections.abc import Container, Iterator
from dataclasses import dataclass
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
