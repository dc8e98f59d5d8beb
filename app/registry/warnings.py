"""Warnings to the client of a registry, in the header that the OCI distribution spec names."""

from app.policy.verdict import Verdict

_MOST = 8
_MAX_TEXT = 400
"""Characters; clients print at most 4096 bytes of all warnings together."""


def headers(verdict: Verdict) -> list[tuple[bytes, bytes]]:
    """`Warning: 299 - "text"` for each warning."""
    texts = verdict.told_anyway + verdict.warnings
    return [(b"warning", _header(text)) for text in texts[:_MOST]]


def _header(text: str) -> bytes:
    plain = "".join(char if " " <= char <= "~" else " " for char in text[:_MAX_TEXT])
    quoted = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{quoted}"'.encode("ascii")
