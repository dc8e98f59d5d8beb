"""Builds the page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.config.settings import Settings
from app.model.errors import UnusableError
from app.page.api import PageApi
from app.page.growth import Growth
from app.page.overview_cache import OverviewCache
from app.page.rendering import Renderer
from app.page.session import Sessions
from app.page.stored_sizes import StoredSizes
from app.page.views import Views
from app.wiring.backends import Backend, Job


class PageError(UnusableError):
    """No user could sign in to the page with these settings."""


@dataclass(frozen=True)
class Page:
    api: PageApi
    jobs: Sequence[Job]
    """Work that lives as long as the service does."""


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
    authenticator = backend.authenticator
    views = Views(state, overview, shown.refusals, authenticator, settings.domain, renderer)
    return Page(PageApi(views, authenticator, Sessions(key), renderer), [sizes.run, growth.run])
