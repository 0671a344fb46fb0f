"""What makes a short command start sooner."""

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType


def load_without_what_is_not_used() -> None:
    """Load numba without scipy's linear algebra and jaxtyping without `unittest.mock`.

    Together a sixth of a short start. Numba looks for the one to compile `np.cov`, which no loop of
    ours has; jaxtyping wants the other, which takes asyncio along, for an import hook that is of
    tests. Only a process of our own may do so: in another one, somebody's loop or test may need
    them. Whoever imports them later gets them whole.
    """
    mock = ModuleType("unittest.mock")
    mock.patch = None  # type: ignore[attr-defined]
    _load_while_hidden("jaxtyping", "unittest.mock", mock)
    if find_spec("scipy") is not None:
        _load_while_hidden("numba.np.arraymath", "scipy.linalg", None)


def _load_while_hidden(wanted: str, hidden: str, instead: ModuleType | None) -> None:
    if wanted in sys.modules or hidden in sys.modules:
        return
    sys.modules[hidden] = instead  # type: ignore[assignment]  # None: as if it were not there
    try:
        import_module(wanted)
    finally:
        del sys.modules[hidden]
