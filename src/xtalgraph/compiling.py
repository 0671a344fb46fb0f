"""Compiled functions, for loops that are too slow in Python."""

import inspect
from collections.abc import Callable

from numba import njit

SUMS_MAY_BE_REORDERED = frozenset({"reassoc", "contract", "arcp", "nsz"})
"""What lets the compiler add several terms at a time; nan and inf keep their meaning."""


def compiled(function: Callable) -> Callable:
    """Compile a function once, keep it on disk, and let threads run it side by side.

    Whatever wrapped it (the tests' type checker does) is taken off first: numba compiles the plain
    function.
    """
    return njit(nogil=True, cache=True)(inspect.unwrap(function))


def compiled_for_sums(function: Callable) -> Callable:
    """Compile likewise, for long loops of plain arithmetic in which the order of sums is free."""
    flags = set(SUMS_MAY_BE_REORDERED)
    return njit(nogil=True, cache=True, fastmath=flags, error_model="numpy")(
        inspect.unwrap(function)
    )


def inlined(function: Callable) -> Callable:
    """Compile a function into those that call it."""
    return njit(inline="always")(inspect.unwrap(function))
