"""The command `xtalgraph`: verbs of one program, each a thin shell around a public function.

Results go to stdout, progress and remarks to stderr. Exit status: 0 done, 1 something in the input,
2 wrong use of the command, 3 a fault of ours.
"""

from xtalgraph.cli.app import main

__all__ = ["main"]
