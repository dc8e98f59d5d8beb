"""Builds the page."""

from collections.abc import Callable

from app.config.settings import Settings
from app.model.errors import UnusableError
from app.page.api import PageApi
from app.page.overview_cache import OverviewCache
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
