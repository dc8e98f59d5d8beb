"""The base of errors that commands report on one line."""


class UnusableError(Exception):
    """Something outside of the program cannot be read, reached, written or used.

    The text is for users: what it is, why, and what to do. Commands print it on one line.
    """


def file_problem(error: OSError | UnicodeDecodeError) -> str:
    """Why a file cannot be read or written. The text does not name the file."""
    if isinstance(error, UnicodeDecodeError):
        return "not text in UTF-8"
    return error.strerror or str(error)


class NothingNamedError(UnusableError):
    """The command was not told what to read, and finds nothing by itself."""
