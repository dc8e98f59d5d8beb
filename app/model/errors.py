"""The base of errors that commands report on one line."""

import os
import ssl


class UnusableError(Exception):
    """Something outside of the program cannot be read, reached, written or used.

    The text is for users: what it is, why, and what to do. Commands print it on one line.
    """


def file_problem(error: OSError | UnicodeDecodeError) -> str:
    """Why a file cannot be read or written. The text does not name the file."""
    if isinstance(error, UnicodeDecodeError):
        return "not text in UTF-8"
    return error.strerror or str(error)


def connection_problem(error: OSError) -> str:
    """Why a connection failed. The `errno` of TLS errors is not that of the system."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS fails: {(error.reason or str(error)).replace('_', ' ').lower()}"
    if error.errno and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error)


class NothingNamedError(UnusableError):
    """The command was not told what to read, and finds nothing by itself."""
