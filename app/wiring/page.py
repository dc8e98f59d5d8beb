"""Builds the page."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.auth.authentication import StaticTokens
from app.certs import files
from app.config.settings import Settings
from app.gateway.settings import GatewaySettings
from app.gateway.state import GatewayState
from app.model.errors import UnusableError
from app.page.api import PageApi
from app.page.growth import Growth
from app.page.overview_cache import OverviewCache
from app.page.refusals import Refusals
from app.page.rendering import Renderer
from app.page.session import Sessions
from app.page.stored_sizes import StoredSizes
from app.page.views import Views
from app.wiring.backends import Backend
from app.wiring.jobs import Job


class PageError(UnusableError):
    """No user could sign in to the page with these settings."""


@dataclass(frozen=True)
class Page:
    api: PageApi
    jobs: Sequence[Job]
    """Jobs that run until the service ends."""


def build(settings: Settings, backend: Backend, key: Callable[[], bytes]) -> Page:
    """`key` reads the serving certificate's private key. Raises PageError."""
    if backend.authenticator is None:
        raise PageError(
            "page: on needs users to authenticate: without a cluster, name a file of tokens "
            "with --push-tokens"
        )
    state, shown = backend.sources.state, backend.observations
    sizes = StoredSizes(state, shown.namespaces, shown.stored_image)
    growth = Growth(state, shown.namespaces)
    overview = OverviewCache(state, shown.namespaces, settings.domain, sizes, growth)
    renderer = Renderer(settings.cluster_name, settings.docs_url)
    authenticator, ledgers = backend.authenticator, backend.sources.ledgers
    views = Views(
        state, overview, shown.refusals, authenticator, settings.domain, renderer, ledgers
    )
    return Page(PageApi(views, authenticator, Sessions(key), renderer), [sizes.run, growth.run])


def of_gateway(
    settings: GatewaySettings, tokens: Path, state: GatewayState, refusals: Refusals
) -> Page:
    """The page of a gateway that counts a registry itself. Raises TokenFileError and OSError."""
    people = StaticTokens(tokens, "page-tokens")
    sizes = StoredSizes(state, state.namespaces, state.stored_image)
    growth = Growth(state, state.namespaces)
    overview = OverviewCache(state, state.namespaces, settings.domain, sizes, growth)
    renderer = Renderer(commands=False)
    views = Views(state, overview, refusals, people, settings.domain, renderer)
    sessions = Sessions(_session_key(settings.tls_dir))
    return Page(PageApi(views, people, sessions, renderer), [sizes.run, growth.run])


def _session_key(tls_dir: Path | None) -> Callable[[], bytes]:
    """Without a serving certificate, a new key: sessions end with the process."""
    if tls_dir is not None:
        return (tls_dir / files.KEY).read_bytes
    made = secrets.token_bytes(32)
    return lambda: made
