"""The exit codes of all commands. The reference page and the tests read the same table."""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType


class ExitCode(IntEnum):
    OK = 0
    FINDINGS = 1
    USAGE = 2
    FAILED = 3
    INTERRUPTED = 130
    NO_READER = 141


MEANING: Mapping[ExitCode, str] = MappingProxyType(
    {
        ExitCode.OK: "Nothing was found, or everything was done.",
        ExitCode.FINDINGS: "There are findings: see the next table.",
        ExitCode.USAGE: "Wrong usage: an unknown flag or value, or no folder or cluster is named.",
        ExitCode.FAILED: "Something could not be read, reached or written.",
        ExitCode.INTERRUPTED: "Interrupted by Ctrl-C.",
        ExitCode.NO_READER: "The reader of the output ended before the command, such as `head`.",
    }
)

FINDINGS: Mapping[str, str] = MappingProxyType(
    {
        "audit": "Something is over a limit.",
        "certs": "",
        "check": "Something is refused.",
        "completion": "",
        "convert": "A limit is approximated, or an object would be refused.",
        "doctor": "There is an error, or with `--fail-on warning` a warning.",
        "gateway": "",
        "install": "",
        "serve": "",
        "uninstall": "",
        "usage": "",
        "version": "",
    }
)
"""The meaning of a finding, by command; empty if the command has no findings."""
