"""The base of errors that commands report on one line."""


class UnusableError(Exception):
    """Something outside of the program cannot be read, reached, written or used.

    The text is for users: what it is, why, and what to do. Commands print it on one line.
    """


class NothingNamedError(UnusableError):
    """The command was not told what to read, and finds nothing by itself."""
