"""What is wrong with a command line although each of its words is legal."""


class UsageError(Exception):
    """Arguments that do not go together, or one that is needed here; the exit status is 2."""
