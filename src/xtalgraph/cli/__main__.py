"""`python -m xtalgraph.cli`, for where the command is not on the path."""

from xtalgraph.cli import main

main()
