"""TLS with certificates that are loaded again when their files change."""

import asyncio
import logging
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.certs import authority, files
from app.certs.authority import KeyPair
from app.certs.files import CertificateError
from app.cluster.file_changes import file_changes

logger = logging.getLogger("registry_admission.certs")

_DEBOUNCE = 200
"""Milliseconds to wait for further changes: a certificate and its key are two files."""


@dataclass(frozen=True)
class _Loaded:
    pair: KeyPair
    client_cas: tuple[bytes, ...]
    context: ssl.SSLContext
    expires_at: float


class ServingContext:
    """A server's TLS context whose new handshakes follow the files: the certificate, its key and
    the CAs of clients.

    Each version of the files gets a context of its own, which a handshake is given at its start.
    Loading into one context would leave an ECDSA certificate in force beside an RSA one that
    replaces it, and a half-written pair would break the context.
    """

    def __init__(self, certificate: Path, key: Path, *client_cas: Path) -> None:
        """`client_cas`: files with the CAs whose client certificates are accepted. Without them, no
        client certificate is accepted.

        Raises CertificateError if the files cannot be used from the start.
        """
        self._certificate = certificate
        self._key = key
        self._client_cas = client_cas
        self._files = (certificate, key, *client_cas)
        self._loaded = self._load()
        self._broken = ""
        """Why the files could not be used at the last look."""
        self.ssl = _context(client_cas)
        """The context for the listener. It stays the same object."""
        self.ssl.sni_callback = self._begin

    def expires_at(self) -> float:
        """When the certificate in force expires, in seconds since the epoch."""
        return self._loaded.expires_at

    def reload(self) -> None:
        """Load changed files. If they cannot be used, the old ones stay in force."""
        try:
            loaded = self._load(self._loaded)
        except CertificateError as error:
            if self._broken != str(error):
                logger.error("certificate not reloaded, the old one stays: %s", error)
            self._broken = str(error)
            return
        self._broken = ""
        if loaded is not self._loaded:
            self._loaded = loaded
            logger.info(
                "certificate reloaded",
                extra={
                    "files": [str(path) for path in self._files],
                    "expires": authority.expires_at(loaded.pair.certificate).isoformat(),
                },
            )

    async def watch(self, poll: float = 60.0) -> None:
        """Reload on changes in the files' folders, and look every `poll` seconds in any case.

        A mounted Secret changes by a swapped link in its folder. Polling finds changes on a file
        system without change events, and folders that are replaced as a whole. Runs until
        cancelled.
        """
        folders = {path.parent for path in self._files}
        unwatched = ""
        while True:
            try:
                async for _ in file_changes(
                    *folders,
                    watch_filter=None,
                    recursive=False,
                    debounce=_DEBOUNCE,
                    rust_timeout=int(poll * 1000),
                    yield_on_timeout=True,
                ):
                    unwatched = ""
                    await asyncio.to_thread(self.reload)
            except OSError as error:
                if unwatched != str(error):
                    logger.warning("%s; looking every %g s instead", error, poll)
                unwatched = str(error)
            await asyncio.sleep(poll)
            await asyncio.to_thread(self.reload)

    def _begin(self, handshake: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        """OpenSSL calls this for each handshake, even if the client names no server."""
        handshake.context = self._loaded.context

    def _load(self, present: _Loaded | None = None) -> _Loaded:
        """The files' content, ready to serve; `present` again if it is the same.

        The content is read before OpenSSL opens the files again. If the files change in between,
        the next look finds content that differs from the remembered one, and loads again.
        """
        pair = files.read(self._certificate, self._key)
        client_cas = tuple(_content(path) for path in self._client_cas)
        if present and (pair, client_cas) == (present.pair, present.client_cas):
            return present
        context = _context(self._client_cas)
        try:
            context.load_cert_chain(self._certificate, self._key)
        except OSError as error:
            raise CertificateError(
                f"{self._certificate} with {self._key}: OpenSSL refuses them ({error}); "
                "make a certificate with an ECDSA P-256 or RSA 2048 key"
            ) from None
        expires_at = authority.expires_at(pair.certificate).timestamp()
        return _Loaded(pair, client_cas, context, expires_at)


def _content(client_ca: Path) -> bytes:
    try:
        return client_ca.read_bytes()
    except OSError as error:
        raise CertificateError(f"no CA certificates in {client_ca}: {error.strerror}") from None


def _context(client_cas: Sequence[Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A resumed session would keep a client certificate whose CA is no longer trusted. API servers
    # resume none, so a ticket would only cost time.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    for client_ca in client_cas:
        try:
            context.load_verify_locations(client_ca)
        except OSError:
            raise CertificateError(f"no CA certificates in {client_ca}: it is not PEM") from None
        context.verify_mode = ssl.CERT_OPTIONAL
    return context
