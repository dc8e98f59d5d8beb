"""Runs the service until a signal ends it."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

import click
from starlette.types import ASGIApp

from app.api.clients import NamedClients, RequireClientCertificate
from app.api.metrics import CERTIFICATE_EXPIRY
from app.api.server import Server, listen
from app.certs import files
from app.certs.files import CertificateError
from app.certs.reload import ServingContext
from app.config.settings import Settings
from app.wiring import page as assembly
from app.wiring import service
from app.wiring.backends import open_backend, uses_examples
from app.wiring.banner import banner
from app.wiring.jobs import running

logger = logging.getLogger("registry_admission.serving")

_LAST_WRITES = 2.0
"""Seconds to release escrows when the service ends."""


async def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until a signal ends it. `announce` is called with the text of `banner`.

    Raises ManifestError for an unusable state folder, CertificateError for certificates,
    NoClusterError for a kubeconfig, PageError for the page, and OSError for an address.
    """
    async with open_backend(settings) as backend:
        jobs = list(backend.jobs)
        if backend.certificates is not None:
            await backend.certificates.prepare()
            certificates = backend.certificates.folder
            jobs.append(backend.certificates.run)
        else:
            certificates = settings.tls_dir or _self_made(settings.host)
        context = ServingContext(
            certificates / files.CERTIFICATE, certificates / files.KEY, *_client_cas(settings)
        )
        built = service.build(settings, backend, draining=lambda: server.draining)
        built.metrics.gauge(CERTIFICATE_EXPIRY, context.expires_at)
        if settings.page == "on":
            key = certificates / files.KEY
            page = assembly.build(settings, backend, key.read_bytes)
            built.app.include_router(page.api.router())
            jobs += page.jobs
        listener = listen(settings.host, settings.port)
        app: ASGIApp = built.app
        if settings.client_ca is not None:
            app = RequireClientCertificate(app, settings.client_names)
        server = Server(
            app,
            context.ssl,
            shutdown_delay=settings.shutdown_delay,
            shutdown_timeout=settings.shutdown_timeout,
            protocol=NamedClients,
            is_late=built.is_late,
        )
        port = listener.getsockname()[1]
        announce(banner(settings.host, port, certificates, on_examples=uses_examples(settings)))

        def failed() -> None:
            logger.critical("background work failed, the service ends")
            server.should_exit = True

        async with running([*jobs, *built.jobs, context.watch], on_failure=failed):
            await server.serve(sockets=[listener])
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(built.enforcer.close(), _LAST_WRITES)


def _client_cas(settings: Settings) -> list[Path]:
    """With two authorities, a listener cannot tell which of them signed a certificate. Names then
    distinguish API servers from the clients of push checks."""
    given = [ca for ca in (settings.client_ca, settings.push_client_ca) if ca is not None]
    if len(given) == 2 and not settings.client_names:
        raise CertificateError("client-ca and push-client-ca together need client-names")
    return given


def _self_made(host: str) -> Path:
    """Certificates for a first try. They are kept, so that the CA is the same in the next run."""
    folder = Path(click.get_app_dir("registry-admission")) / "tls"
    files.make(folder, sorted({"localhost", "127.0.0.1", "::1", host}))
    return folder
