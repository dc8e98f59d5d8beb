"""Running the service until it is told to stop."""

import asyncio
import contextlib
import ipaddress
import shlex
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import click

from app import examples, service
from app.api.server import Server, listen
from app.certs import files
from app.certs.reload import ServingContext
from app.cluster.embedded import EmbeddedState
from app.quota.store import MemoryLedgers
from app.settings import Settings

_EXAMPLE = "push-allowed.json"


async def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until a signal ends it; `announce` gets the address and a first request to try.

    Raises ManifestError for a state folder, CertificateError for certificates, and OSError for
    an address, that cannot be used.
    """
    state = EmbeddedState(settings.state or examples.state_folder(), settings.domain)
    certificates = settings.tls_dir or _self_made(settings.host)
    context = ServingContext(certificates / files.CERTIFICATE, certificates / files.KEY)
    server: Server | None = None
    built = service.build(
        settings, state, MemoryLedgers(), draining=lambda: server is not None and server.draining
    )
    built.metrics.gauge(
        "certificate_expiry_timestamp_seconds",
        "When the serving certificate expires, in seconds since the epoch.",
        context.expires_at,
    )
    built.metrics.gauge(
        "state_broken",
        "1 while the last reading of the state folder failed.",
        lambda: float(state.broken is not None),
    )
    listener = listen(settings.host, settings.port)
    server = Server(
        built.app,
        context.ssl,
        shutdown_delay=settings.shutdown_delay,
        shutdown_timeout=settings.shutdown_timeout,
    )
    announce(_welcome(settings.host, listener.getsockname()[1], certificates))
    async with _running(state.watch(), context.watch()):
        await server.serve(sockets=[listener])


@contextlib.asynccontextmanager
async def _running(*jobs: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Background work that lives as long as the server does."""
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _self_made(host: str) -> Path:
    """Certificates for a first try, kept so that the CA stays the same from run to run."""
    folder = Path(click.get_app_dir("registry-admission")) / "tls"
    files.make(folder, sorted({"localhost", "127.0.0.1", "::1", host}))
    return folder


def _welcome(host: str, port: int, certificates: Path) -> str:
    url = f"https://{'localhost' if _is_any(host) else host}:{port}"
    authority = shlex.quote(str(certificates / files.AUTHORITY))
    return (
        f"registry-admission listens on {url}\n"
        f"Try it:\n"
        f"  curl --cacert {authority} -H 'Content-Type: application/json' \\\n"
        f"    --data @{shlex.quote(str(examples.payload(_EXAMPLE)))} {url}/validate"
    )


def _is_any(host: str) -> bool:
    """Whether a listener takes connections on every address of the machine."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
