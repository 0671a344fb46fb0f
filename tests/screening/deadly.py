"""A source whose every chunk kills the process that makes it."""

import os
from collections.abc import Container, Iterator

from xtalgraph.screening.candidates import Candidates, Chunk


class DeadlyChunk:
    """Ends the process, without a word."""

    def make(self) -> Candidates:
        """Die."""
        os._exit(1)


def deadly_chunks(done: Container[int]) -> Iterator[tuple[int, Chunk]]:
    """Give three of them."""
    yield from ((number, DeadlyChunk()) for number in range(3))
