"""What makes a short command start sooner."""

import sys
from importlib.util import find_spec


def hide_scipy_from_numba() -> None:
    """Load numba's table of functions without scipy's linear algebra, an eighth of a short start.

    Numba looks for it to compile `np.cov`, which no loop of ours has. Only a process of our own may
    do so: in another one, somebody's loop may have it. Whoever imports scipy later gets it whole.
    """
    names = ("scipy.linalg", "numba.np.arraymath")
    if find_spec("scipy") is None or any(name in sys.modules for name in names):
        return
    sys.modules["scipy.linalg"] = None  # type: ignore[assignment]
    try:
        import numba.np.arraymath  # noqa: F401
    finally:
        del sys.modules["scipy.linalg"]
