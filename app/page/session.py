"""Sessions: a bearer token, encrypted into a cookie, for as long as it is good for.

The cookie holds the token itself, so each request is authenticated anew and a token that is
withdrawn ends its session. The key is derived from the serving certificate's private key: the
replicas that share the one share the other, and a rotated certificate ends all sessions.
"""

import base64
import zlib
from collections.abc import Callable

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

COOKIE = "__Host-registry-admission"
"""The prefix has browsers insist on https, this host alone and no other path."""
LIFE = 3600
"""Seconds from signing in; no longer, however busy a session is."""
MAX_COOKIE = 4096 - len(COOKIE) - 1
"""Bytes; browsers drop larger ones silently."""

_PURPOSE = b"registry-admission page session"


class TokenTooLongError(Exception):
    """A token that fits into no cookie."""


class Sessions:
    def __init__(self, key: Callable[[], bytes]) -> None:
        """`key` reads the secret that the replicas share; it may change at any time."""
        self._key = key

    def start(self, token: str) -> str:
        """The cookie's value. Raises TokenTooLongError."""
        sealed = self._fernet().encrypt(zlib.compress(token.encode(errors="replace"), 9)).decode()
        if len(sealed) > MAX_COOKIE:
            raise TokenTooLongError(f"a token of {len(token)} characters fits into no cookie")
        return sealed

    def token(self, cookie: str) -> str | None:
        """The token of a session; None if it has ended or is none of ours."""
        try:
            opened = self._fernet().decrypt(cookie.encode(errors="replace"), ttl=LIFE)
        except InvalidToken:
            return None
        return zlib.decompress(opened).decode()

    def _fernet(self) -> Fernet:
        derived = HKDF(SHA256(), length=32, salt=None, info=_PURPOSE).derive(self._key())
        return Fernet(base64.urlsafe_b64encode(derived))
