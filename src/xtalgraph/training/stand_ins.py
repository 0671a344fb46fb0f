"""Stand-ins for two modules that are imported for what this package never does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

COMPILER, SIGNALS = "torch._dynamo", "scipy.signal"


@contextmanager
def standing_in() -> Iterator[None]:
    """Let imports within find stand-ins for torch's compiler and scipy's signal processing.

    Lightning imports the first to tell compiled networks from others, and torchmetrics, which
    Lightning imports, the second to give it back a name that an old package for speech needs. That
    is two thirds of what Lightning's import takes. A module that is there already stays, and after
    the block the real ones are imported by whoever asks: nothing is left in `sys.modules`.
    """
    stand_ins = {COMPILER: _make_compiler(), SIGNALS: _make_signals()}
    placed = {name: stand_in for name, stand_in in stand_ins.items() if name not in sys.modules}
    sys.modules.update(placed)
    try:
        yield
    finally:
        for name, stand_in in placed.items():
            if sys.modules.get(name) is stand_in:
                del sys.modules[name]


def _make_compiler() -> ModuleType:
    module = ModuleType(COMPILER, "What Lightning asks of torch's compiler when it is imported.")
    module.OptimizedModule = OptimizedModule  # type: ignore[attr-defined]
    module.disable = disable  # type: ignore[attr-defined]
    return module


def _make_signals() -> ModuleType:
    module = ModuleType(SIGNALS, "What torchmetrics looks for in scipy's signal processing.")
    module.hamming = None  # type: ignore[attr-defined]  # there, so that it is not added
    return module


class _TellsCompiled(type):
    def __instancecheck__(cls, instance: object) -> bool:
        """Ask the real class; where its module was never imported there is no instance of it."""
        real = getattr(sys.modules.get(COMPILER), "OptimizedModule", None)
        return real is not None and real is not cls and isinstance(instance, real)


class OptimizedModule(metaclass=_TellsCompiled):
    """Has the same instances as torch's class for compiled networks."""


def disable(
    function: Callable[Parameters, Result] | None = None,
    recursive: bool = True,
    *,
    reason: str | None = None,
) -> Callable[..., Any]:
    """Keep a function from being compiled, as torch's `disable` does, from when that is there.

    Before, nothing is compiled, and the function is called as it is.
    """
    if function is None:
        return partial(disable, recursive=recursive, reason=reason)
    kept: list[Callable[Parameters, Result]] = []

    @wraps(function)
    def call(*args: Parameters.args, **keywords: Parameters.kwargs) -> Result:
        real = getattr(sys.modules.get(COMPILER), "disable", None)
        if real is None or real is disable:
            return function(*args, **keywords)
        if not kept:
            kept.append(real(function, recursive))
        return kept[0](*args, **keywords)

    return call
