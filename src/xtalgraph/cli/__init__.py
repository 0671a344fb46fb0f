"""The command `xtalgraph`: verbs of one program, each a thin shell around a public function.

Results go to stdout, progress and remarks to stderr. Exit status: 0 done, 1 an error in the input,
2 wrong use of the command, 3 an internal error.
"""

import atexit
import gc

from xtalgraph.threads import begin_with_one

_OBJECTS_BETWEEN = 50_000  # between garbage collections; Python's 700 are few


def main(arguments: list[str] | None = None) -> None:
    """Run the program and leave with its exit status."""
    _collect_seldom()
    begin_with_one()
    from xtalgraph.cli.app import main as run_and_leave

    run_and_leave(arguments)


def _collect_seldom() -> None:
    """Let Python collect garbage seldom, and not at all when the program ends.

    While packages are imported, a fifth of the time is garbage collection, which finds nothing; and
    at the end the system frees the memory anyway.
    """
    gc.set_threshold(_OBJECTS_BETWEEN)
    atexit.register(gc.freeze)
