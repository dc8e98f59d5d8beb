"""What all errors of the outside world have in common."""


class UnusableError(Exception):
    """Something outside of the program cannot be read, reached, written or used.

    The text is for people: what it is, why, and what to do. Commands print it on one line.
    """


class NothingNamedError(UnusableError):
    """The command was not told what to look at, and finds nothing by itself."""
