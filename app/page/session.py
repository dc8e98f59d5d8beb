"""Sessions: a bearer token, encrypted in a cookie.

The cookie holds the token itself, so each request is authenticated anew, and the session ends when
the token is withdrawn. The key is derived from the private key of the serving certificate. So
replicas with the same certificate share sessions, and a new certificate ends all sessions.
"""

import base64
import zlib
from collections.abc import Callable

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

COOKIE = "__Host-registry-admission"
"""With this prefix, browsers send the cookie over HTTPS and to this host only."""
LIFE = 3600
"""Seconds from the sign-in to the end of a session. Use does not extend it."""
MAX_COOKIE = 4096 - len(COOKIE) - 1
"""Bytes; browsers drop larger ones silently."""

_PURPOSE = b"registry-admission page session"


class TokenTooLongError(Exception):
    """The token is too long for a cookie."""


class Sessions:
    def __init__(self, key: Callable[[], bytes]) -> None:
        """`key` reads the secret that all replicas share. It may change at any time."""
        self._key = key

    def start(self, token: str) -> str:
        """The cookie's value. Raises TokenTooLongError."""
        sealed = self._fernet().encrypt(zlib.compress(token.encode(errors="replace"), 9)).decode()
        if len(sealed) > MAX_COOKIE:
            raise TokenTooLongError(f"a token of {len(token)} characters is too long for a cookie")
        return sealed

    def token(self, cookie: str) -> str | None:
        """The token of a session; None if it has ended, or if the cookie is not ours."""
        try:
            opened = self._fernet().decrypt(cookie.encode(errors="replace"), ttl=LIFE)
        except InvalidToken:
            return None
        return zlib.decompress(opened).decode()

    def _fernet(self) -> Fernet:
        derived = HKDF(SHA256(), length=32, salt=None, info=_PURPOSE).derive(self._key())
        return Fernet(base64.urlsafe_b64encode(derived))
