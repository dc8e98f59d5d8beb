"""Explains why a connection failed."""

import os
import ssl


def connection_problem(error: OSError) -> str:
    """Why a connection failed. The `errno` of TLS errors is not that of the system."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS fails: {(error.reason or str(error)).replace('_', ' ').lower()}"
    if error.errno and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error)
