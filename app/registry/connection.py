"""The connection to the internal registry that the settings name."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.certs import files
from app.config.settings import Settings
from app.registry import credentials
from app.registry.client import RegistryClient


@asynccontextmanager
async def open_registry(settings: Settings) -> AsyncIterator[tuple[str, RegistryClient] | None]:
    """The internal registry as `host[:port]` and a client; None without `registry-url`.

    Raises CredentialsError for an unusable docker config, and CertificateError for an unusable CA
    file.
    """
    if settings.registry_url is None:
        yield None
        return
    known = credentials.read(settings.registry_auth) if settings.registry_auth else {}
    host = settings.registry_url.partition("://")[2]
    context = files.trusting(settings.registry_ca)
    client = RegistryClient(
        settings.registry_url,
        known.get(host, credentials.NO_CREDENTIALS),
        context=context,
    )
    try:
        yield host, client
    finally:
        await client.close()
