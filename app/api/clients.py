"""Client certificates of connections, and the reviews that need one."""

from collections.abc import Collection
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.admission import REVIEW_PATHS
from app.api.errors import status_response
from app.api.protocol import BoundedProtocol

_IDENTIFIED_FIRST_BYTE = 120.0
"""Seconds. API servers open some connections before they need them, and close idle ones after 90 s.
This service waits longer, so that it never closes one just as a review is sent on it."""
_STATE = "client_certificate_name"
CERTIFICATE = "client_certificate"
"""In a request's state: the certificate in the form of `ssl.SSLSocket.getpeercert`."""


class NamedClients(BoundedProtocol):
    """HTTP/1.1 that adds the client's certificate and its common name to the state of requests.

    TLS has verified the certificate. Without a certificate the name is None.
    """

    def connection_made(self, transport: Any) -> None:
        certificate = transport.get_extra_info("peercert") or {}
        if certificate:
            self.connection.identified = True
            self.first_byte_timeout = _IDENTIFIED_FIRST_BYTE
        super().connection_made(transport)
        name = _common_name(certificate)
        self.app_state = {**self.app_state, _STATE: name, CERTIFICATE: certificate}


class RequireClientCertificate:
    """Answers reviews with 401 unless they come with the certificate of an API server.

    Probes, metrics, push checks and the page need no certificate.
    """

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        """`names`: common names of API servers; if it is empty, every certificate that TLS accepts
        is one of an API server."""
        self._app = app
        self._names = frozenset(names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in REVIEW_PATHS:
            name = scope["state"][_STATE]
            if name is None or (self._names and name not in self._names):
                message = "reviews need the client certificate of an API server"
                who = f"not that of {name}" if name else "there is none"
                await status_response(401, f"{message}; {who}")(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _common_name(certificate: dict[str, Any]) -> str | None:
    """The common name of a certificate in the form of `ssl.SSLSocket.getpeercert`."""
    if not certificate:
        return None
    names = (value for part in certificate["subject"] for key, value in part if key == "commonName")
    return next(names, "")
