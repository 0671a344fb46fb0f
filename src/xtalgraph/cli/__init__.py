"""The command `xtalgraph`: verbs of one program, each a thin shell around a public function.

Results go to stdout, progress and remarks to stderr. Exit status: 0 done, 1 something in the input,
2 wrong use of the command, 3 a fault of ours.
"""

import gc

_OBJECTS_BEFORE_COLLECTING = 50_000  # instead of 700: loading packages makes no garbage


def main() -> None:
    """Run the program and leave with its exit status."""
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTING, 20, 50)  # a sixth of what one prediction takes
    from xtalgraph.cli.app import main

    main()
