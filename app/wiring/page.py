"""Builds the page."""

import secrets
from collections.abc import Callable
from pathlib import Path

from app.auth.authentication import StaticTokens
from app.certs import files
from app.config.settings import Settings
from app.gateway.settings import GatewaySettings
from app.gateway.state import GatewayState
from app.model.errors import UnusableError
from app.page.api import PageApi
from app.page.overview_cache import OverviewCache
from app.page.refusals import Refusals
from app.page.session import Sessions
from app.page.views import Views
from app.wiring.backends import Backend


class PageError(UnusableError):
    """No user could sign in to the page with these settings."""


def build(settings: Settings, backend: Backend, key: Callable[[], bytes]) -> PageApi:
    """`key` reads the serving certificate's private key. Raises PageError."""
    if backend.authenticator is None:
        raise PageError(
            "page: on needs users to authenticate: without a cluster, name a file of tokens "
            "with --push-tokens"
        )
    state, shown = backend.sources.state, backend.observations
    overview = OverviewCache(state, shown.namespaces, settings.domain)
    views = Views(
        state,
        overview,
        shown.refusals,
        backend.authenticator,
        settings.domain,
        cluster=settings.cluster_name,
    )
    return PageApi(views, backend.authenticator, Sessions(key))


def of_gateway(
    settings: GatewaySettings, tokens: Path, state: GatewayState, refusals: Refusals
) -> PageApi:
    """The page of a gateway that counts a registry itself. Raises TokenFileError and OSError."""
    people = StaticTokens(tokens, "page-tokens")
    overview = OverviewCache(state, state.namespaces, settings.domain)
    views = Views(state, overview, refusals, people, settings.domain)
    return PageApi(views, people, Sessions(_session_key(settings.tls_dir)))


def _session_key(tls_dir: Path | None) -> Callable[[], bytes]:
    """Without a serving certificate, a new key: sessions end with the process."""
    if tls_dir is not None:
        return (tls_dir / files.KEY).read_bytes
    made = secrets.token_bytes(32)
    return lambda: made
