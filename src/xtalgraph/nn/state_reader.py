"""The numbers of a network by name, as they are stored, and whether they are those of a network."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from xtalgraph.errors import BadCheckpoint

Shape = tuple[int, ...]


class StateReader:
    """The numbers of a network, each taken by name and in the shape that its settings ask for."""

    def __init__(self, stored: Mapping[str, np.ndarray]) -> None:
        self.stored = stored
        self.expected: dict[str, Shape] = {}

    def take(self, name: str, *shape: int) -> np.ndarray:
        """Give an array; zeros for what is missing or of another shape, which `finish` tells."""
        self.expected[name] = shape
        found = self.stored.get(name)
        return np.zeros(shape, np.float32) if found is None or found.shape != shape else found

    def finish(self) -> None:
        """Raise `BadCheckpoint` where numbers are missing, left over, or of another shape."""
        refuse_misfit({name: value.shape for name, value in self.stored.items()}, self.expected)


def refuse_misfit(stored: Mapping[str, Shape], expected: Mapping[str, Shape]) -> None:
    """Raise `BadCheckpoint` where the shapes of stored numbers are not those expected."""
    problems = [f"{name} is missing" for name in expected if name not in stored]
    problems += [f"{name} is not known" for name in stored if name not in expected]
    problems += [
        f"{name} is {stored[name]}, expected {shape}"
        for name, shape in expected.items()
        if name in stored and stored[name] != shape
    ]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise BadCheckpoint(f"{'; '.join(problems[:3])}{more}.")
